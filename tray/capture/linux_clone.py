"""A copy-on-write clone of a stopped process, to be read while the process runs on.

A thread of the target starts a middleman that shares its memory and its files; the
middleman lets go of the files, starts the clone, and ends; the thread collects it.
All that happens within one stop, so the target never has a child that it could see.
The clone's parent is then whoever takes in orphans: it collects the clone too, also
if we are killed, for the kernel kills the clone when its tracer ends.

The clone holds no file open: a pipe or socket that the target closes is closed.
"""

from __future__ import annotations

import errno
import os
import struct

from tray.capture import linux_inject, linux_net
from tray.capture.linux_inject import Astray, Caller, Ended
from tray.errors import TargetGone
from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING, dataclass
from tray.model import Gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray.capture.linux_freeze import Freeze, Held
    from tray.capture.linux_maps import Mappings
    from tray.capture.linux_pages import Pages
    from tray.ffi.linux import Kernel

_NEAR = 64 << 20
_EVERY_FILE = 0xFFFFFFFF
_RSEQ_SECTION_AT = 8
_MOST_TRIED = 8
_SHOWING = {struct.pack("<Q", ffi.MASK + 1 - 516): 1, struct.pack("<Q", ffi.EINTR): 2}
"""What an interrupted call answers → how unfit its thread is."""


class NoClone(Exception):
    """There is no clone, and the target is as it was; the text says why, as a clause."""


@dataclass(slots=True)
class Clone:
    """A clone of a process, between `take` and `end`; both on the thread that traces.

    Attributes:
        kernel: The requests.
        freeze: Holds the process still while the clone is taken.
        pid: Of the clone; 0 when there is none.
    """

    kernel: Kernel
    freeze: Freeze
    pid: int = 0
    _middle: int = 0
    _memory: int = -1
    _before: bytes = b""
    _net_at: int = 0
    _dismissed: bool = False

    def take(self, mappings: Mappings, pages: Pages, code: linux_net.Code) -> None:
        """Take the clone.

        Raises:
            NoClone: It cannot be taken; the target is as it was, or will be when it is let go.
            TargetGone: The target was killed meanwhile.
        """
        self._memory = self.kernel.open_memory(self.freeze.pid)
        try:
            held, net = self._prepared(mappings, pages, code)
            self._take(held, net, code)
        except Ended as error:
            raise TargetGone(f"Process {self.freeze.pid} ended while it was being dumped.") from error
        finally:
            os.close(self._memory)

    def mend(self, memory: int) -> None:
        """Take the net out of the clone's memory too, by its descriptor for reading and writing."""
        self.kernel.write_memory(memory, self._before, self._net_at)

    def give_way(self) -> None:
        """Have it be the one of the two that goes when memory runs short."""
        try:
            self.kernel.set_text(f"/proc/{self.pid}/oom_score_adj", "1000")
        except OSError:
            pass

    def dismiss(self) -> None:
        """Have the clone end while there is other work; `end` must still be called, and waits for it. Never raises."""
        try:
            self.kernel.end(self.pid)
            self._dismissed = True
        except OSError:
            pass

    def end(self) -> None:
        """End the clone and wait until it is gone. Never raises; callable twice."""
        for child in (self._middle, self.pid):
            if child:
                self._end(child)
        self._middle = self.pid = 0

    def _end(self, child: int) -> None:
        for _ in range(2):
            try:
                if not self._dismissed:
                    self.kernel.end(child)
                while True:
                    linux_inject.stop(self.kernel, child)
                    self.kernel.wait(child)
            except (Ended, ChildProcessError):
                return
            except (Astray, OSError):
                continue

    def _prepared(self, mappings: Mappings, pages: Pages, code: linux_net.Code) -> tuple[Held, linux_net.Net]:
        """A thread that may be borrowed, and its net, which is in place."""
        for held in _candidates(self.freeze.held()):
            net = self._net_for(held, code)
            if net and self._fits(held, net, mappings, pages):
                self._write_net(net)
                return held, net
        raise NoClone("no thread of it is where it may be borrowed")

    def _net_for(self, held: Held, code: linux_net.Code) -> linux_net.Net | None:
        """The net of one thread; None where something stands against borrowing it."""
        registers = struct.unpack("<27Q", held.rewind or held.registers)
        try:
            if (
                registers[ffi.CS] != ffi.USER_CODE
                or self.kernel.dispatches(held.tid)
                or self._in_section(held.tid)
            ):
                return None
            mask = self.kernel.signal_mask(held.tid)
            area = self.kernel.regset(held.tid, ffi.NT_X86_XSTATE)
        except OSError:
            return None
        return linux_net.net(linux_net.again(registers), mask, area, code)

    def _in_section(self, tid: int) -> bool:
        """Whether it is in a restartable sequence, which the kernel would forget when the thread goes elsewhere."""
        address = self.kernel.rseq(tid)
        return bool(address) and any(self._read(address + _RSEQ_SECTION_AT, 8))

    def _fits(self, held: Held, net: linux_net.Net, mappings: Mappings, pages: Pages) -> bool:
        """Whether the net lies in the thread's own stack, where that has been in use already."""
        registers = struct.unpack("<27Q", held.registers)
        pointer, block = registers[ffi.RSP], registers[ffi.FS_BASE]
        place = mappings.at(pointer)
        if place is None or place.inode or place.access != "rw-p":
            return False
        if place.path != "[stack]" and not pointer < block < min(place.end, pointer + _NEAR):
            return False
        first, last = net.start - net.start % ffi.PAGE, pointer - pointer % ffi.PAGE + ffi.PAGE
        return first >= place.start and pages.touched(first, last)

    def _write_net(self, net: linux_net.Net) -> None:
        self._before = self._read(net.start, len(net.content))
        if len(self._before) != len(net.content):
            raise NoClone("its stack cannot be read")
        self._net_at = net.start
        self._put(net.start, net.content)

    def _take(self, held: Held, net: linux_net.Net, code: linux_net.Code) -> None:
        """The clone by way of a thread, which is as it was afterwards whatever happens, or on its way there."""
        mask = self.kernel.signal_mask(held.tid)
        caller = Caller(self.kernel, held.tid, list(struct.unpack("<27Q", held.registers)), code.call)
        try:
            self.kernel.options(held.tid, linux_inject.OPTIONS)
            # First the registers, with which it finds home from here on, then the mask: home has the old one.
            caller.set(net.home, ffi.PRCTL, ffi.PR_GET_CHILD_SUBREAPER, net.answer)
            self.kernel.set_signal_mask(held.tid, linux_net.ALL_SIGNALS)
            reason = self._reason(caller, net)
            self._put_back(held, mask, net)
        except (OSError, Astray) as error:
            self.end()  # the thread finds home by the net when it is let go
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise NoClone(f"it could not be cloned: {why}") from error
        if reason:
            self.end()
            raise NoClone(reason)

    def _reason(self, caller: Caller, net: linux_net.Net) -> str:
        """Have the clone made; gives why there is none, or nothing."""
        result = caller.call(net.home, ffi.PRCTL, ffi.PR_GET_CHILD_SUBREAPER, net.answer)
        if result < 0 or any(self._read(net.answer, 4)):
            return "orphans among its descendants become its children"
        flags = ffi.CLONE_VM | ffi.CLONE_FILES | ffi.CLONE_PARENT_SETTID
        known_as = caller.call(net.wait, ffi.CLONE, flags, net.end, net.child, 0, 0)
        if known_as < 0:
            return f"the system refuses it another process ({os.strerror(-known_as)})"
        [self._middle] = caller.children
        reason = self._by_middleman(caller.code, net)
        for _ in range(100):
            collected = caller.call(net.home, ffi.WAIT4, known_as, 0, ffi.WALL | ffi.WNOHANG, 0)
            if collected:
                break
        if collected != known_as:
            raise Astray("the process between did not end")
        return reason

    def _by_middleman(self, code: int, net: linux_net.Net) -> str:
        """Have the middleman make the clone and end; gives why there is none, or nothing."""
        kernel, tid = self.kernel, self._middle
        linux_inject.stop(kernel, tid)
        kernel.options(tid, linux_inject.OPTIONS | ffi.PTRACE_O_EXITKILL)
        registers = list(struct.unpack("<27Q", kernel.regset(tid, ffi.NT_PRSTATUS)))
        middle = Caller(kernel, tid, registers, code)
        result = middle.call(net.end, ffi.CLOSE_RANGE, 0, _EVERY_FILE, ffi.CLOSE_RANGE_UNSHARE)
        if result == 0:
            result = middle.call(net.end, ffi.CLONE, 0, 0, 0, 0, 0)
        if result > 0:
            [self.pid] = middle.children
            linux_inject.stop(kernel, self.pid)
            kernel.options(self.pid, ffi.PTRACE_O_EXITKILL)
        self._end(tid)
        self._middle = 0
        return f"the system refuses to clone it ({os.strerror(-result)})" if result < 0 else ""

    def _put_back(self, held: Held, mask: int, net: linux_net.Net) -> None:
        """Everything as it was; the net last, for it must hold until then."""
        self.kernel.set_signal_mask(held.tid, mask)
        self.kernel.set_regset(held.tid, ffi.NT_PRSTATUS, held.rewind or held.registers)
        try:
            self._put(net.start, self._before)
        except OSError as error:  # below the stack pointer, where nothing lives
            self.freeze.gaps.append(
                Gap(f"stack of thread {held.tid}", f"its unused part was changed: {error}")
            )

    def _read(self, address: int, size: int) -> bytes:
        buffer = bytearray(size)
        try:
            return bytes(buffer[: self.kernel.read_memory(self._memory, memoryview(buffer), address)])
        except OSError:
            return b""

    def _put(self, address: int, content: bytes) -> None:
        if self.kernel.write_memory(self._memory, content, address) != len(content):
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))


def _candidates(held: Sequence[Held]) -> list[Held]:
    """Threads that might be borrowed, the best first: one that waits in a call that the kernel restarts."""
    fit = [one for one in held if one.stopped and one.registers and not one.deliver and one.state not in "Tt"]
    return sorted(fit, key=_unfitness)[:_MOST_TRIED]


def _unfitness(held: Held) -> int:
    """0 for the best, higher for what would show more if we died meanwhile."""
    if held.registers[8 * ffi.ORIG_RAX + 7] >> 7:
        return 3
    return _SHOWING.get(held.registers[8 * ffi.RAX : 8 * ffi.RAX + 8], 0)
