"""Holding every thread of a process still, and letting it go as if nothing had been.

Source: ptrace(2); signal(7), "Interruption of system calls by stop signals".
"""

from __future__ import annotations

import errno
import os
import struct
import time

from tray.capture import linux_stuck, linux_target
from tray.errors import AccessDenied, CaptureFailed, TargetGone
from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING, dataclass, field, replace
from tray.model import Gap, Thread

if TYPE_CHECKING:
    from tray.capture.linux_vectors import Piece, Vectors
    from tray.ffi.linux import Kernel

PATIENCE = 0.5
"""Seconds that a thread may take to stop; one in uninterruptible sleep (D) may take for ever."""
_RAX_AT = slice(8 * ffi.RAX, 8 * ffi.RAX + 8)
_EINTR = struct.pack("<Q", ffi.EINTR)
_ROUNDS = 100


@dataclass(slots=True)
class Held:
    """A thread that is traced.

    Attributes:
        tid: Thread id.
        stopped: Whether it stands still.
        stuck: Whether it did not stop in time.
        ended: Whether it ended before it stopped.
        deliver: Signal that it was stopped at, to be given to it.
        was: State before, one letter; empty if it could not be traced.
        name: Its own.
        waits_in: Kernel function it slept in.
        registers: As they were found; empty if they could not be read.
        rewind: Registers that it has been given instead; empty if it has its own.
        floating: Where `Thread.floating` is kept.
        extended: The same for all that the processor has, as the kernel gives it.
        signal: See `Thread.signal`.
    """

    tid: int
    stopped: bool = False
    stuck: bool = False
    ended: bool = False
    deliver: int = 0
    was: str = ""
    name: str = ""
    waits_in: str = ""
    registers: bytes = b""
    rewind: bytes = b""
    floating: Piece = (0, 0, 0)
    extended: Piece = (0, 0, 0)
    signal: bytes = b""


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
    _seen: dict[int, Held] = field(default_factory=dict)
    _stuck: list[Thread] = field(default_factory=list)
    _since: float = 0.0

    def stop(self) -> None:
        """Stop every thread, also those that start meanwhile.

        Raises:
            TargetGone: No thread is left.
            AccessDenied: The kernel forbids it.
            CaptureFailed: No thread stops. Like all errors here: `release` must still be called.
        """
        refused: OSError | None = None
        for _ in range(_ROUNDS):
            fresh = [tid for tid in self._listed() if tid not in self._held]
            if not fresh:
                break
            for tid in fresh:
                refused = self._seize(tid) or refused
            self._since = self._since or time.monotonic()
            for tid in fresh:
                self._interrupt(tid)
            self._wait([self._held[tid] for tid in fresh if tid in self._held])
        if not any(held.stopped or held.stuck for held in self._held.values()):
            self._explain(refused)

    def threads(self, first: int | None) -> tuple[Thread, ...]:
        """Every thread that `read` has seen, with its general registers; ``first``, else the main one, leads."""
        found = [
            Thread(held.tid, held.name, held.was, held.waits_in, held.registers, signal=held.signal)
            for held in self._seen.values()
        ]
        found += self._stuck
        found.sort(key=lambda thread: (thread.tid != first, thread.tid != self.pid, thread.tid))
        return tuple(found)

    def whole(self, thread: Thread) -> Thread:
        """A thread of ours with its vector registers too."""
        if held := self._seen.get(thread.tid):
            floating, extended = map(self.vectors.content, (held.floating, held.extended))
            return replace(thread, floating=floating, extended=extended)
        return thread

    def seen(self) -> list[Held | Thread]:
        """Every thread that `read` has seen, cheaply."""
        return [*self._seen.values(), *self._stuck]

    def read(self) -> None:
        """Read the registers of every stopped thread.

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
            Thread(held.tid, held.name, held.was, held.waits_in)
            for held in self._held.values()
            if held.stuck and not held.stopped
        )

    def release(self) -> None:
        """Let every thread go on as before. Never raises; callable twice."""
        for held in self._held.values():
            if held.stopped:
                self._let_go(held)
        if self._since:
            self.seconds = time.monotonic() - self._since
            self._since = 0.0
        self._held = {tid: held for tid, held in self._held.items() if not held.stopped}

    def _listed(self) -> list[int]:
        try:
            return self.kernel.threads(self.pid)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESRCH) and not self._held:
                raise TargetGone(f"Process {self.pid} ended before it could be dumped.") from error
            if not self._held:
                raise
            return []

    def _seize(self, tid: int) -> OSError | None:
        """Begin to trace one thread; the error, if another one than that it has ended."""
        try:
            held = _before(self.kernel, self.pid, tid)
            self.kernel.seize(tid)
        except OSError as error:
            self._held[tid] = Held(tid)
            if error.errno in (errno.ESRCH, errno.ENOENT):
                return None
            self.gaps.append(Gap(f"thread {tid}", f"could not be stopped: {error.strerror}"))
            return error
        self._held[tid] = held
        return None

    def _interrupt(self, tid: int) -> None:
        try:
            if self._held[tid].was:
                self.kernel.interrupt(tid)
        except OSError as error:
            if error.errno != errno.ESRCH:
                self.gaps.append(Gap(f"thread {tid}", f"could not be stopped: {error.strerror}"))

    def _wait(self, fresh: list[Held]) -> None:
        """Wait until each has stopped or ended, or patience is at its end."""
        deadline = time.monotonic() + PATIENCE
        pause = 0.00005
        waiting = [held for held in fresh if held.was]
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
            raise AccessDenied(
                f"The system does not let this user stop process {self.pid}.", hint="See 'hangshot doctor'."
            )
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
        if registers[_RAX_AT] == _EINTR:
            held.rewind = self._rewound(held, registers)
            self._rewind(held)
        held.extended = place, kept, size = self._kept(held.tid, ffi.NT_X86_XSTATE, "AVX registers")
        # The area begins with what the older request gives.
        held.floating = (place, min(kept, ffi.FLOATING_SIZE), ffi.FLOATING_SIZE)
        if size < ffi.FLOATING_SIZE:
            held.floating = self._kept(held.tid, ffi.NT_PRFPREG, "floating-point registers")
        if held.deliver:
            held.signal = self._siginfo(held.tid)

    def _kept(self, tid: int, kind: int, what: str) -> Piece:
        return self.vectors.keep(self._optional(tid, kind, what))

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

    def _rewound(self, held: Held, registers: bytes) -> bytes:
        """Registers that enter the interrupted system call again; empty where the kernel does so itself.

        Some calls end with EINTR after any stop, so that being dumped would
        show: epoll_wait has been seen to return early under gdb's gcore. The
        call has done nothing, so it is entered again. Not if a signal is about
        to be handled, or was: then the program must see its EINTR.
        """
        if registers[_RAX_AT] != _EINTR:
            return b""
        values = list(struct.unpack("<27Q", registers))
        if values[ffi.ORIG_RAX] not in ffi.NOT_RESTARTED:
            return b""
        if held.deliver or held.was in "Tt" or self._signal_pending(held.tid):
            return b""
        if self._code_before(values[ffi.RIP]) != ffi.SYSCALL_INSTRUCTION:
            return b""
        values[ffi.RAX] = values[ffi.ORIG_RAX]
        values[ffi.RIP] -= len(ffi.SYSCALL_INSTRUCTION)
        return struct.pack("<27Q", *values)

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

    def _signal_pending(self, tid: int) -> bool:
        """Whether an unblocked signal waits for the thread; True where that cannot be told."""
        try:
            fields = dict(
                line.split(":", 1)
                for line in self.kernel.text(f"/proc/{self.pid}/task/{tid}/status").splitlines()
                if line.startswith(("Sig", "Shd"))
            )
            pending, shared, blocked = (int(fields[key], 16) for key in ("SigPnd", "ShdPnd", "SigBlk"))
        except (OSError, KeyError, ValueError):
            return True
        return bool((pending | shared) & ~blocked)

    def _code_before(self, address: int) -> bytes:
        """The two bytes of code before ``address``; empty where they cannot be read."""
        buffer = bytearray(len(ffi.SYSCALL_INSTRUCTION))
        try:
            descriptor = self.kernel.open(f"/proc/{self.pid}/mem")
        except OSError:
            return b""
        try:
            count = self.kernel.read_memory(descriptor, memoryview(buffer), address - len(buffer))
            return bytes(buffer[:count])
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def _let_go(self, held: Held) -> None:
        """Detach one stopped thread, and try once more if that fails, for nothing else may be left to do."""
        for _ in range(2):
            try:
                self.kernel.detach(held.tid, held.deliver)
            except OSError as error:
                if error.errno == errno.ESRCH:
                    return
            else:
                return


def _before(kernel: Kernel, pid: int, tid: int) -> Held:
    """What only the running thread tells: its state, and the kernel function it sleeps in."""
    folder = f"/proc/{pid}/task/{tid}"
    stat = kernel.text(f"{folder}/stat")
    name, rest = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :]
    try:
        waits_in = kernel.text(f"{folder}/wchan")
    except OSError:
        waits_in = ""
    return Held(tid, was=rest[:1] or "?", name=name, waits_in="" if waits_in == "0" else waits_in)
