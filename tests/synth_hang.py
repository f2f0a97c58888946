"""Builder of minidumps of hung Windows programs: threads that stand in calls, and the locks that they are about."""

from __future__ import annotations

import io
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import synth_minidump
from synth_pe import RBP, RBX, Function, Library, alloc, push, save

from tray.formats import minidump, pe
from tray.reports import windows_calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SYSTEM = "C:\\Windows\\System32\\"
APP = "app"
"""A call of the program's own, which has no name."""
STUBS = [
    "NtWaitForAlertByThreadId",
    "NtWaitForSingleObject",
    "NtWaitForMultipleObjects",
    "NtDelayExecution",
    "NtReadFile",
    "NtAlpcSendWaitReceivePort",
    "NtUserGetMessage",
    "NtUserMessageCall",
    "NtSetEvent",
]
CALLS = {
    "ntdll.dll": [
        "RtlEnterCriticalSection",
        "RtlAcquireSRWLockExclusive",
        "RtlSleepConditionVariableSRW",
        "RtlpWait",
    ],
    "kernelbase.dll": ["WaitForSingleObjectEx", "Sleep", "ReadFile", "Framed"],
    "user32.dll": ["SendMessageW", "SendMessageTimeoutW", "GetMessageW"],
    "ws2_32.dll": ["recv"],
    "app.exe": [APP],
}
BASES = {name: 0x70000000 + 0x100000 * number for number, name in enumerate(CALLS)}
SIZE, STEP, RETURN = 0x9000, 0x40, 0x10
FRAME = 0x38
"""Bytes of each call's frame on x86-64, without its return address."""
PROLOGUES = {
    "RtlpWait": alloc(0x30) + push(RBX),
    "Framed": bytes([0, 3]) + save(RBX, 0x10) + alloc(0x30) + push(RBP),
}
"""Of calls that keep registers on the stack; the base of the second one's frame is 0x20 below RBP."""
SYSCALL = {True: b"\x0f\x05", False: b"\xff\xd2"}
HIDDEN = ("RtlpWait", APP)
"""Calls that no library exports."""
STACKS, LOCKS = 0x10000000, 0x20000000
PEB = 0x30010000


def library(name: str, *, wide: bool) -> Library:
    """One of the libraries; ntdll has all system calls."""
    own = [*(STUBS if name == "ntdll.dll" else []), *CALLS[name]]
    rows = [
        Function(
            0x1000 + STEP * number,
            STEP,
            b"" if one in STUBS else PROLOGUES.get(one, alloc(FRAME)),
            "" if one in HIDDEN else one,
            (RBP, 0x20) if one == "Framed" else (0, 0),
        )
        for number, one in enumerate(own)
    ]
    entered = dict.fromkeys((one.begin + 0x12 for one in rows if one.name in STUBS), SYSCALL[wide])
    return Library(rows, wide, SIZE, code=entered)


def place(call: str) -> int:
    """Where a call is in the process."""
    for name in CALLS:
        for function in library(name, wide=True).functions:
            if function.name == call:
                return BASES[name] + function.begin
    own = "ntdll.dll" if call == "RtlpWait" else "app.exe"
    return BASES[own] + 0x1000 + STEP * [*(STUBS if own == "ntdll.dll" else []), *CALLS[own]].index(call)


@dataclass
class Hang:
    """A process; add threads and locks to it.

    Attributes:
        pointer: Bytes of an address.
    """

    pointer: int = 8
    threads: dict[int, bytes] = field(default_factory=dict)
    memory: dict[int, bytes] = field(default_factory=dict)
    pid: int = 70
    extra: tuple[str, ...] = ()
    """More modules, of which there is no file."""
    handles: dict[int, tuple[object, ...]] = field(default_factory=dict)
    """See `synth_minidump.Process`."""

    def thread(
        self,
        tid: int,
        *calls: str,
        keeps: Sequence[int] = (),
        arguments: Sequence[int] = (),
        **registers: int,
    ):
        """Add a thread in these calls, the system call first.

        Args:
            tid: Its id.
            calls: Names, innermost first.
            keeps: Words in the frame of the system call's caller.
            arguments: Words where the arguments of the system call are, on x86.
            **registers: By name.
        """
        sp = STACKS + tid * 0x1000
        stack = (self._stack if self.pointer == 8 else self._stack_32)(sp, calls, keeps, arguments)
        pc = place(calls[0]) + 0x14
        self.memory[sp] = stack
        self.memory[pc - 2] = SYSCALL[self.pointer == 8]
        if self.pointer == 8:
            self.threads[tid] = synth_minidump.context(pc, sp, **registers)
        else:
            frame = sp + 4 * (1 + len(arguments) + len(keeps))
            self.threads[tid] = synth_minidump.context_32(pc, sp, ebp=frame)
        return self

    def _stack(self, sp: int, calls: Sequence[str], keeps: Sequence[int], arguments: Sequence[int]) -> bytes:
        words = [*arguments, *keeps]
        frame = struct.pack(f"<{len(words)}Q", *words).ljust(FRAME, b"\0")
        assert len(frame) == FRAME, sp
        found = b""
        for call in calls[1:]:
            found += struct.pack("<Q", place(call) + RETURN) + (frame if not found else bytes(FRAME))
        return found + struct.pack("<Q", 0)

    def _stack_32(
        self, sp: int, calls: Sequence[str], keeps: Sequence[int], arguments: Sequence[int]
    ) -> bytes:
        """Frames that point at each other; after each return address come a call's arguments, here always the same."""
        words = [*arguments, *keeps]
        found = struct.pack(f"<I{len(words)}I", place(calls[1]) + RETURN if len(calls) > 1 else 0, *words)
        for number, call in enumerate([*calls[2:], ""]):
            after = sp + len(found) + 12
            back = place(call) + RETURN if call else 0
            found += struct.pack("<III", after, back, self.entered.get((sp, number), 0))
        return found + bytes(64)

    entered: dict[tuple[int, int], int] = field(default_factory=dict)

    def enters(self, tid: int, address: int, **registers: int):
        """Add a thread that waits for a critical section, and holds other words as well."""
        if self.pointer == 4:
            self.entered[STACKS + tid * 0x1000, 1] = address
            return self.thread(tid, "NtWaitForAlertByThreadId", "RtlpWait", "RtlEnterCriticalSection", APP)
        return self.thread(
            tid,
            "NtWaitForAlertByThreadId",
            "RtlpWait",
            "RtlEnterCriticalSection",
            APP,
            rbx=address,
            **registers,
        )

    def loader_lock(self, address: int):
        """Say which section guards the loading of libraries."""
        teb, peb = (0x60, 0x110) if self.pointer == 8 else (0x30, 0xA0)
        self.memory[synth_minidump.TEB + teb] = PEB.to_bytes(self.pointer, "little")
        self.memory[PEB + peb] = address.to_bytes(self.pointer, "little")
        return self

    def streams(self, *handles: int):
        """Say which handles the standard streams are."""
        teb, peb, block = (0x60, 0x20, 0x20) if self.pointer == 8 else (0x30, 0x10, 0x18)
        self.memory[synth_minidump.TEB + teb] = PEB.to_bytes(self.pointer, "little")
        self.memory[PEB + peb] = (PEB + 0x1000).to_bytes(self.pointer, "little")
        for number, handle in enumerate(handles):
            place = PEB + 0x1000 + block + number * self.pointer
            self.memory[place] = handle.to_bytes(self.pointer, "little")
        return self

    def section(  # noqa: PLR0913 - as many as it has fields
        self, address: int, owner: int, count: int, *, recursions: int = 1, debug: int = -1, spins: int = 2000
    ):
        """Add a critical section."""
        form, mask = ("<QiiQQQ", (1 << 64) - 1) if self.pointer == 8 else ("<IiiIII", (1 << 32) - 1)
        self.memory[address] = struct.pack(form, debug & mask, count, recursions, owner, 0, spins)
        return self

    @contextmanager
    def opened(self, path: Path) -> Iterator[tuple[minidump.Minidump, windows_calls.Names]]:
        """The dump, and its libraries."""
        wide = self.pointer == 8
        modules = {
            f"C:\\app\\{name}" if name == "app.exe" else SYSTEM + name: (base, SIZE)
            for name, base in BASES.items()
        }
        modules |= {
            SYSTEM + name: (0x60000000 + 0x10000 * number, SIZE) for number, name in enumerate(self.extra)
        }
        process = synth_minidump.Process(
            self.pid, 9 if wide else 0, self.threads, dict(sorted(modules.items())), self.memory,
            handles=self.handles,
        )  # fmt: skip
        path.write_bytes(synth_minidump.build(process))
        with (
            minidump.read(path) as dump,
            windows_calls.Names(tuple(dump.modules()), dump.times, files(wide=wide)) as names,
        ):
            yield dump, names


def files(*, wide: bool, missing: Sequence[str] = ()):
    """Opens the libraries as if they lay on the disk."""

    def opened(path: str) -> pe.Image:
        name = path.rpartition("\\")[2].casefold()
        if name not in CALLS or name in missing:
            raise FileNotFoundError(path)
        return pe.Image(io.BytesIO(library(name, wide=wide).build()).read())

    return opened
