"""System calls made by a thread of the target on our behalf, without a trace of them afterwards.

No single-stepping, which would end in a SIGTRAP that the kernel forces upon the
thread and that may cost it its handler: the thread stops where it enters and leaves
the call, and once more before it is back in its own code. That last stop is inside
the kernel's signal delivery, where an interrupted call is restarted from whatever
registers the thread has when it is let go. So all that is needed is to put back the
registers that were found.

Source: ptrace(2); Linux ``kernel/signal.c``, ``get_signal()``, ``do_jobctl_trap()``.
"""

from __future__ import annotations

import struct
import time

from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING, dataclass, field

if TYPE_CHECKING:
    from tray.ffi.linux import Kernel

PATIENCE = 20.0
"""Seconds that a call may take: a clone copies the page tables, about 25 ms for each GiB in use."""
_EAGER, _NAP = 0.0002, 0.00002
"""Seconds to ask again and again, giving way each time, for the thread may be in line for our processor: a rest of
any length takes longer than most stops. And the rests after that."""
OPTIONS = (
    ffi.PTRACE_O_TRACESYSGOOD | ffi.PTRACE_O_TRACECLONE | ffi.PTRACE_O_TRACEFORK | ffi.PTRACE_O_TRACEVFORK
)


class Ended(Exception):
    """The process ended where it should have stopped."""


class Astray(Exception):
    """The thread does not do what it should; its registers are as the last call left them."""


def stop(kernel: Kernel, tid: int, patience: float = PATIENCE) -> int:
    """The status with which a traced thread stops; its signal stays with it, also if we are killed.

    Raises:
        Ended: It ended instead.
        Astray: It does not stop.
    """
    began = time.monotonic()
    while True:
        status = kernel.stop_of(tid)
        if status is not None:
            if status & 0xFF != 0x7F:  # noqa: PLR2004 - not WIFSTOPPED
                raise Ended(f"process {tid} ended")
            return status
        passed = time.monotonic() - began
        if passed > patience:
            raise Astray(f"thread {tid} does not stop")
        if passed > _EAGER:
            time.sleep(_NAP)
        else:
            kernel.give_turn()


@dataclass(slots=True)
class Caller:
    """A stopped thread that makes system calls for us.

    Attributes:
        kernel: The requests.
        tid: The thread, traced with `OPTIONS`.
        registers: Those that every call starts from.
        code: Address of ``syscall; ret``.
        children: What its calls have started, the last one last.
    """

    kernel: Kernel
    tid: int
    registers: list[int]
    code: int
    children: list[int] = field(default_factory=list)

    def set(self, stack: int, number: int, *arguments: int) -> None:
        """Give it the registers of a call that returns to what is at ``stack``."""
        values = list(self.registers)
        values[ffi.RIP], values[ffi.RSP] = self.code, stack
        values[ffi.RAX], values[ffi.ORIG_RAX] = number, ffi.MASK
        for index, value in zip((ffi.RDI, ffi.RSI, ffi.RDX, ffi.R10, ffi.R8), arguments, strict=False):
            values[index] = value
        self.kernel.set_regset(self.tid, ffi.NT_PRSTATUS, struct.pack("<27Q", *values))

    def call(self, stack: int, number: int, *arguments: int) -> int:
        """Have it make a call, and give the result, which is -errno for a failure.

        It stands right behind the call then. After any error it is somewhere inside,
        and must be let go to find home by the net.

        Raises:
            OSError: A request of ours failed.
            Ended: The process was killed.
            Astray: It does not come back.
        """
        self.set(stack, number, *arguments)
        self._to_call()
        while self._to_call() >> 16:
            self.children.append(self.kernel.event(self.tid))
        result = struct.unpack("<27Q", self.kernel.regset(self.tid, ffi.NT_PRSTATUS))[ffi.RAX]
        self._to_user_code()
        return int(result) - (ffi.MASK + 1 if result >> 63 else 0)

    def _to_call(self) -> int:
        """Let it run to where it enters or leaves a call, or starts a child; gives the status."""
        given = 0
        while True:
            self.kernel.proceed_to_call(self.tid, given)
            status = stop(self.kernel, self.tid)
            number, event = status >> 8 & 0xFF, status >> 16
            if number == ffi.SYSCALL_STOP or event not in (0, ffi.PTRACE_EVENT_STOP):
                return status
            given = self._given(number, event)

    def _to_user_code(self) -> None:
        """Let it leave the call, up to the last stop before its own code."""
        given = 0
        while True:
            self.kernel.interrupt(self.tid)
            self.kernel.proceed(self.tid, given)
            status = stop(self.kernel, self.tid)
            if status >> 16 == ffi.PTRACE_EVENT_STOP:
                return
            given = self._given(status >> 8 & 0xFF, status >> 16)

    def _given(self, number: int, event: int) -> int:
        """The signal to go on with after a stop that was not asked for; 0 after news about job control.

        No mask holds SIGSTOP back. It is given to the thread at once: the whole process counts as
        stopped from then on, whatever becomes of us, and a SIGCONT takes it back, while this thread
        may be let run all the same.
        """
        if event == ffi.PTRACE_EVENT_STOP:
            return 0
        if event == 0 and number == ffi.SIGSTOP:
            return number
        raise Astray(f"thread {self.tid} was stopped by signal {number}")
