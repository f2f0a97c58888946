"""Holding every thread of a process still, and letting it go as if nothing had been.

Source: ptrace(2); signal(7), "Interruption of system calls by stop signals".
"""

from __future__ import annotations

import errno
import os
import time
from operator import attrgetter

from tray.capture import linux_rewind, linux_stuck, linux_target
from tray.errors import CaptureFailed, TargetGone
from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING, dataclass, field
from tray.model import Gap, Thread

if TYPE_CHECKING:
    from typing import NoReturn

    from tray.capture.linux_vectors import Piece, Vectors
    from tray.ffi.linux import Kernel

PATIENCE = 0.5
"""Seconds that a thread may take to stop; one in uninterruptible sleep (D) may take for ever."""
MOST_PLACES = 256
"""Of more threads than this not each is asked in which kernel function it sleeps: that costs as much as to stop it."""
_ROUNDS = 100
_RUNNING = 1 << 62
"""More than any CPU time."""


@dataclass(slots=True)
class Held:
    """A thread that is traced.

    Attributes:
        tid: Thread id.
        state: Before, one letter; empty if it could not be traced.
        name: Its own.
        waits_in: Kernel function it slept in.
        lively: Higher for one that would sooner notice that it stands still: CPU time that it has used,
            in ticks, and `_RUNNING` if it runs.
        stopped: Whether it stands still.
        stuck: Whether it did not stop in time.
        ended: Whether it ended before it stopped.
        deliver: Signal that it was stopped at, to be given to it.
        registers: As they were found; empty if they could not be read.
        rewind: Registers that it has been given instead; empty if it has its own.
        signal: See `Thread.signal`.
        vectors: Where its vector registers are kept; None until they have been read.
    """

    tid: int
    state: str = ""
    name: str = ""
    waits_in: str = ""
    lively: int = 0
    stopped: bool = False
    stuck: bool = False
    ended: bool = False
    deliver: int = 0
    registers: bytes = b""
    rewind: bytes = b""
    signal: bytes = b""
    vectors: Piece | None = None


@dataclass(slots=True)
class Freeze:
    """A process whose threads stand still between `stop` and `release`.

    Must be made, used and released on one thread. When that thread ends, the
    kernel lets go of whatever is still held.

    Attributes:
        kernel: The requests.
        pid: Process.
        vectors: Keeps the threads' vector registers.
        seconds: How long it stood still, after `release`.
        gaps: Threads that could not be stopped or read.
    """

    kernel: Kernel
    pid: int
    vectors: Vectors
    seconds: float = 0.0
    gaps: list[Gap] = field(default_factory=list)
    _held: dict[int, Held] = field(default_factory=dict)
    _leaving: list[Held] = field(default_factory=list)
    _seen: dict[int, Held] = field(default_factory=dict)
    _stuck: list[Thread] = field(default_factory=list)
    _since: float = 0.0

    def stop(self) -> None:
        """Stop every thread, also those that start meanwhile, the liveliest last; they will be let go first.

        Either takes some 10 µs a thread, which nobody notices in one that waits anyway.

        Raises:
            TargetGone: No thread is left.
            AccessDenied: The kernel forbids it.
            CaptureFailed: No thread stops. Like all errors here: `release` must still be called.
        """
        refused: OSError | None = None
        folder = self._folder()
        try:
            for _ in range(_ROUNDS):
                fresh = [] if self._complete() else [tid for tid in self._listed() if tid not in self._held]
                if not fresh:
                    break
                refused = self._stop(fresh, folder) or refused
        finally:
            os.close(folder)
        if not any(held.stopped or held.stuck for held in self._held.values()):
            self._explain(refused)

    def threads(self, first: int | None) -> list[Held | Thread]:
        """Every thread that `read` has seen, with its general registers; ``first``, else the main one, leads."""
        found = self.seen()
        found.sort(key=attrgetter("tid"))
        for leader in (self.pid, first):
            found.sort(key=lambda one: one.tid != leader)
        return found

    def wide(self, thread: Held | Thread) -> tuple[bytes, bytes]:
        """`Thread.floating` and `Thread.extended` of a thread: those that `release` read, or read now."""
        if held := self._seen.get(thread.tid):
            extended = self.vectors.content(held.vectors) if held.vectors else self._vectors(held)
            # The area begins with what the older request gives, which stands alone where there is no more.
            floating = extended[: ffi.FLOATING_SIZE]
            return floating, extended if extended != floating else b""
        return b"", b""

    def area(self) -> bytes:
        """The extended registers of one thread that stands still, as many as all have; empty where none has any."""
        for held in self._leaving:
            if held.stopped:
                try:
                    return self.kernel.regset(held.tid, ffi.NT_X86_XSTATE)
                except OSError:
                    continue
        return b""

    def seen(self) -> list[Held | Thread]:
        """Every thread that `read` has seen, cheaply."""
        return [*self._seen.values(), *self._stuck]

    def read(self) -> None:
        """Read the general registers of every stopped thread.

        Raises:
            TargetGone: The process ended while it was read.
            CaptureFailed: Not one thread's registers could be read.
        """
        for held in self._held.values():
            if held.stopped:
                self._read(held)
        self._seen = {held.tid: held for held in self._held.values() if held.registers}
        stuck = (linux_stuck.seen(self.kernel, self.pid, one) for one in self.stuck())
        self._stuck = [thread for thread in stuck if thread]  # with the registers that their call began with
        if not self._seen and not self._stuck:
            if linux_target.ending(self.kernel, self.pid):
                raise TargetGone(f"Process {self.pid} ended while it was being read.")
            if unstopped := self.stuck():
                raise linux_stuck.failure(self.pid, unstopped)
            raise CaptureFailed(f"No thread of process {self.pid} could be read.")

    def held(self) -> list[Held]:
        """Every thread that was found, as long as it is held."""
        return list(self._held.values())

    def stuck(self) -> tuple[Thread, ...]:
        """Threads that did not stop, with what was seen of them from outside."""
        return tuple(
            Thread(held.tid, held.name, held.state, held.waits_in)
            for held in self._held.values()
            if held.stuck and not held.stopped
        )

    def read_and_release(self) -> None:
        """As `release`, but read the vector registers of each thread just before, for `whole`.

        Raises:
            OSError: The dump's file cannot take them. `release` must still be called.
        """
        for held in self._leaving:
            if held.stopped:
                held.vectors = self.vectors.keep(self._vectors(held))
                self._let_go(held)
        self.release()

    def release(self) -> None:
        """Let every thread go on as before. Never raises; callable twice."""
        for held in self._leaving:
            if held.stopped:
                self._let_go(held)
        if self._since:
            self.seconds = time.monotonic() - self._since
            self._since = 0.0

    def _stop(self, fresh: list[int], folder: int) -> OSError | None:
        """Stop some threads; the error where one may not be, if another than that it has ended."""
        found: list[Held] = []
        refused: OSError | None = None
        crowd = len(fresh) > MOST_PLACES
        for tid in fresh:
            refused = self._seize(tid, folder, found, crowd=crowd) or refused
        found.sort(key=attrgetter("lively"))
        self._held.update((held.tid, held) for held in found)
        self._leaving = sorted(found, key=attrgetter("lively"), reverse=True) + self._leaving
        self._since = self._since or time.monotonic()
        for held in found:
            if held.state:
                self._interrupt(held)
        self._wait(found)
        return refused

    def _folder(self) -> int:
        """The open folder that tells of the threads, from which each is found sooner than by its whole path."""
        try:
            return self.kernel.open(f"/proc/{self.pid}/task")
        except OSError as error:
            self._unlisted(error)

    def _listed(self) -> list[int]:
        try:
            return self.kernel.threads(self.pid)
        except OSError as error:
            if not self._held:
                self._unlisted(error)
            return []

    def _unlisted(self, error: OSError) -> NoReturn:
        """Raise what it means that the list of threads cannot be read."""
        if error.errno in (errno.ENOENT, errno.ESRCH):
            raise TargetGone(f"Process {self.pid} ended before it could be dumped.") from error
        raise error

    def _complete(self) -> bool:
        """Whether no thread is left to stop: as many stand still as there are, which is told sooner than who."""
        stopped = sum(held.stopped for held in self._held.values())
        try:
            return bool(stopped) and stopped == self.kernel.thread_count(self.pid)
        except OSError:
            return False

    def _seize(self, tid: int, folder: int, found: list[Held], *, crowd: bool) -> OSError | None:
        """Begin to trace one thread; the error, if another one than that it has ended."""
        try:
            held = _before(self.kernel, folder, tid, crowd=crowd)
            self.kernel.seize(tid)
        except OSError as error:
            found.append(Held(tid))
            if error.errno in (errno.ESRCH, errno.ENOENT):
                return None
            self.gaps.append(Gap(f"thread {tid}", f"could not be stopped: {error.strerror}"))
            return error
        found.append(held)
        return None

    def _interrupt(self, held: Held) -> None:
        try:
            self.kernel.interrupt(held.tid)
        except OSError as error:
            if error.errno != errno.ESRCH:
                self.gaps.append(Gap(f"thread {held.tid}", f"could not be stopped: {error.strerror}"))

    def _wait(self, fresh: list[Held]) -> None:
        """Wait until each has stopped or ended, or patience is at its end."""
        deadline = time.monotonic() + PATIENCE
        pause = 0.00005
        waiting = [held for held in fresh if held.state]
        while waiting:
            waiting = [held for held in waiting if not self._has_stopped(held)]
            if not waiting:
                return
            if time.monotonic() > deadline:
                break
            time.sleep(pause)
            pause = min(2 * pause, 0.005)
        for held in waiting:
            held.stuck = True
            held.waits_in = held.waits_in or linux_stuck.place(
                self.kernel, f"/proc/{self.pid}/task/{held.tid}/wchan"
            )
            self.gaps.append(Gap(f"thread {held.tid}", linux_stuck.WHY))

    def _has_stopped(self, held: Held) -> bool:
        """Whether there is nothing more to wait for: it stopped, or it ended."""
        try:
            status = self.kernel.stop_of(held.tid)
        except ChildProcessError:
            held.ended = True
            return True
        except OSError as error:
            self.gaps.append(Gap(f"thread {held.tid}", f"could not be waited for: {error.strerror}"))
            return True
        if status is None:
            return False
        if status & 0xFF == 0x7F:  # noqa: PLR2004 - WIFSTOPPED
            held.stopped = True
            held.deliver = ffi.stop_signal(status)
        else:
            held.ended = True
        return True

    def _explain(self, refused: OSError | None) -> None:
        """Raise what it means that not one thread stopped."""
        if linux_target.ending(self.kernel, self.pid):
            raise TargetGone(f"Process {self.pid} ended before it could be dumped.")
        if refused and refused.errno in (errno.EPERM, errno.EACCES):
            raise linux_target.unstoppable(self.kernel, self.pid)
        if refused:
            raise CaptureFailed(f"Process {self.pid} could not be stopped: {refused.strerror}.")
        raise CaptureFailed(f"No thread of process {self.pid} could be stopped.")

    def _read(self, held: Held) -> None:
        """One thread's registers; a gap if the general ones cannot be had."""
        try:
            registers = self.kernel.regset(held.tid, ffi.NT_PRSTATUS)
        except OSError as error:
            if error.errno == errno.ESRCH:
                held.stopped = False
            self.gaps.append(Gap(f"thread {held.tid}", f"registers could not be read: {error.strerror}"))
            return
        if len(registers) != ffi.REGISTERS_SIZE:
            raise linux_target.narrow(f"Process {self.pid}")
        held.registers = registers
        if held.deliver:
            held.signal = self._siginfo(held.tid)
        elif linux_rewind.interrupted(registers) and held.state not in "Tt":
            held.rewind = linux_rewind.rewound(self.kernel, self.pid, held.tid, registers)
            self._rewind(held)

    def _vectors(self, held: Held) -> bytes:
        """One thread's vector registers: all that the processor has, as the kernel gives it, or the oldest alone."""
        extended = self._optional(held.tid, ffi.NT_X86_XSTATE, "AVX registers")
        if len(extended) >= ffi.FLOATING_SIZE:
            return extended
        return self._optional(held.tid, ffi.NT_PRFPREG, "floating-point registers")

    def _optional(self, tid: int, kind: int, what: str) -> bytes:
        try:
            return self.kernel.regset(tid, kind)
        except OSError as error:
            if error.errno not in (errno.ENODEV, errno.EINVAL):
                self.gaps.append(Gap(f"{what} of thread {tid}", error.strerror or str(error)))
            return b""

    def _siginfo(self, tid: int) -> bytes:
        try:
            return self.kernel.siginfo(tid)
        except OSError:
            return b""

    def _rewind(self, held: Held) -> None:
        """Give a thread those registers now, so that it needs nothing of us any more: we may be killed."""
        if not held.rewind:
            return
        for _ in range(2):
            try:
                self.kernel.set_regset(held.tid, ffi.NT_PRSTATUS, held.rewind)
            except OSError as error:
                problem = error
            else:
                return
        held.rewind = b""
        self.gaps.append(Gap(f"thread {held.tid}", f"may see one EINTR: {problem.strerror}"))

    def _let_go(self, held: Held) -> None:
        """Detach one stopped thread, and try once more if that fails, for nothing else may be left to do."""
        held.stopped = False
        for _ in range(2):
            try:
                self.kernel.detach(held.tid, held.deliver)
            except OSError as error:
                if error.errno == errno.ESRCH:
                    return
            else:
                return


def _before(kernel: Kernel, folder: int, tid: int, *, crowd: bool) -> Held:
    """What only the running thread tells: its state, and the kernel function it sleeps in.

    Of a crowd that is asked only of those that cannot be interrupted: what call another one
    sleeps in its registers tell, and `linux_ends` asks for what these do not.
    """
    before, _, rest = kernel.record(f"{tid}/stat", folder).rpartition(") ")
    words = rest.split(maxsplit=13)
    state, lively = words[0], int(words[11]) + int(words[12])
    if state == "R":
        lively += _RUNNING
    asked = state != "R" and (not crowd or state != "S")
    waits_in = linux_stuck.place(kernel, f"{tid}/wchan", folder) if asked else ""
    return Held(tid, state, before.partition(" (")[2], waits_in, lively)
