"""Who waits for what, held by whom: read from a core file's registers and memory."""

from __future__ import annotations

import struct
import sys
import time
from collections import Counter
from functools import cached_property, lru_cache

from tray.ffi import linux as ffi
from tray.formats import core
from tray.lean import TYPE_CHECKING, replace
from tray.model import Thread
from tray.printable import printable
from tray.reports import calls, futex, refused
from tray.reports.callers import Code
from tray.verdicts import Wait, WaitChain, WaitKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tray.model import Snapshot

    Memory = Callable[[int, int], bytes]

_LONGEST_PATH = 256
_PLACES = 64
"""Places whose content is kept for the next thread: many wait for the same lock."""
_REGISTERS = struct.Struct("<27Q")
_NOBODY = -1
_SIGN = 1 << 31
_GLIBC_SELF = 16
"""``tcbhead_t.self``: glibc's thread block points at itself, at 0 and here."""


def find(
    snapshot: Snapshot, memory: Memory, told: Mapping[int, Thread], limit: float = float("inf")
) -> tuple[Wait, ...]:
    """What each thread that waits waits for, in the order of the threads.

    Args:
        snapshot: The process.
        memory: Gives up to that many bytes of it.
        told: Facts from the time of the capture, by thread id.
        limit: Monotonic time at which to give up.

    Raises:
        TimeoutError: ``limit`` was reached.
    """
    process = _Process(snapshot, lru_cache(_PLACES)(memory), told)
    found = []
    for tid in process.registers:
        if time.monotonic() > limit:
            raise TimeoutError("so many threads take too long to look at")
        if wait := _wait(process, process.thread(tid)):
            found.append(wait)
    found = [_refused(process, wait, found) for wait in found]
    return (*found, *_outside(process, found))


def _refused(process: _Process, wait: Wait, found: Sequence[Wait]) -> Wait:
    """The wait; if it hides a mutex that was refused, because its owner waits for this thread, that."""
    if wait.kind not in (WaitKind.FUTEX, WaitKind.CONDITION):
        return wait
    thread = process.thread(wait.tid)
    if not refused.sleeps(thread.registers, process.memory):
        return wait
    if not process.code.is_library_alone(thread.registers, thread.registers[ffi.RDI]):
        return wait
    by_thread = {other.tid: other for other in found}
    for address, inside in refused.mutexes(thread.registers, process.memory):
        owner, name = process.owner(inside, "")
        does = "waits for a priority-inheriting mutex"
        real = Wait(wait.tid, wait.name, WaitKind.MUTEX, does, address, owner, name)
        if owner == wait.tid or follow(real, {**by_thread, wait.tid: real}).cycle:
            return real
    return wait


def _outside(process: _Process, found: Sequence[Wait]) -> list[Wait]:
    """Waits of threads of other processes that hold what one of ours wants, and want what one of ours holds."""
    return [
        Wait(wait.owner, wait.owner_name, WaitKind.MUTEX, "waits for a mutex", 0, back, process.names[back])
        for wait in found
        if wait.owner is not None and (back := process.told(wait.tid).back) in process.names
    ]


def names(threads: Sequence[Thread], told: Mapping[int, Thread]) -> dict[int, str]:
    """A name for each thread that tells it from the others; safe to show."""
    return _apart(
        {one.tid: printable(told[one.tid].name if one.tid in told else one.name) for one in threads}
    )


def _apart(bare: dict[int, str]) -> dict[int, str]:
    """The names of threads, with their ids where these are needed to tell them apart."""
    count = Counter(bare.values())
    if len(count) == len(bare) and "" not in count:
        return bare
    return {
        tid: name if name and count[name] == 1 else f"{name} ({tid})" if name else f"thread {tid}"
        for tid, name in bare.items()
    }


def chains(waits: Sequence[Wait]) -> Iterator[WaitChain]:
    """For each wait that has an owner, where it leads in the end; a cycle is given once."""
    by_thread = {wait.tid: wait for wait in waits}
    seen: set[int] = set()
    for wait in waits:
        if not wait.kind.has_owner or wait.tid in seen:
            continue
        chain = follow(wait, by_thread)
        if chain.cycle:
            seen.update(one.tid for one in chain.waits)
        yield chain


def follow(wait: Wait, by_thread: Mapping[int, Wait]) -> WaitChain:
    """The chain from a wait on. One that runs into a cycle without being part of it is no cycle itself."""
    path, seen = [wait], {wait.tid}
    while path[-1].owner is not None and (after := by_thread.get(path[-1].owner)):
        if after is wait:
            return WaitChain(tuple(path), cycle=True)
        if after.tid in seen:
            break
        path.append(after)
        seen.add(after.tid)
    return WaitChain(tuple(path))


class _Here:
    """A thread with its registers unpacked.

    Attributes:
        call: Number of the system call it waits in; -1 if it runs.
    """

    __slots__ = ("call", "registers", "tid", "told")

    def __init__(self, tid: int, registers: tuple[int, ...], told: Thread) -> None:
        self.tid, self.registers, self.told = tid, registers, told
        number = registers[ffi.ORIG_RAX]
        self.call = number if number < _SIGN and registers[ffi.RAX] in ffi.INTERRUPTED else -1


class _Process:
    """What is needed to tell about any one thread; of what may be much, nothing before it is needed."""

    def __init__(self, snapshot: Snapshot, memory: Memory, told: Mapping[int, Thread]) -> None:
        rows = core.registers(snapshot.threads)
        self.memory = memory
        self.names = _apart({tid: printable(told[tid].name) if tid in told else "" for tid, _ in rows})
        self.registers = {tid: registers for tid, registers in rows if len(registers) == ffi.REGISTERS_SIZE}
        self._told = told
        self._mappings = snapshot.mappings
        self._locks: dict[futex.Call, futex.Lock | None] = {}

    def thread(self, tid: int) -> _Here:
        """A thread with its registers unpacked."""
        return _Here(tid, _REGISTERS.unpack(self.registers[tid]), self.told(tid))

    def told(self, tid: int) -> Thread:
        """What its capture told of it."""
        return self._told.get(tid) or Thread(tid)

    @cached_property
    def code(self) -> Code:
        """Whose code is where."""
        return Code(self._mappings, self.memory)

    @cached_property
    def _blocks(self) -> dict[int, int]:
        """Thread id → address of its thread block."""
        place = 8 * ffi.FS_BASE
        return {tid: struct.unpack_from("<Q", one, place)[0] for tid, one in self.registers.items()}

    @cached_property
    def _ours(self) -> dict[int, int]:
        return _counted_inside(self._blocks, self.memory)

    @cached_property
    def inside(self) -> dict[int, int]:
        """Our number for a thread → the process's own."""
        return {ours: tid for tid, ours in self._ours.items()}

    @cached_property
    def blocks(self) -> futex.Threads:
        """The threads as the process counts them."""
        return futex.Threads({self.inside[tid]: block for tid, block in self._blocks.items()})

    def lock(self, thread: _Here) -> futex.Lock | None:
        """What a futex call waits for; None for one that does not wait.

        Of a crowd at one lock only its holder is looked at apart: who asks makes a
        difference only where he would wait for himself.
        """
        registers = thread.registers
        call = futex.Call(
            _NOBODY,
            registers[ffi.RDI],
            registers[ffi.RSI] & 0xFFFFFFFF,
            registers[ffi.RDX] & 0xFFFFFFFF,
            registers[ffi.R10] != 0,
            self.code.is_foreign(registers),
        )
        if call not in self._locks:
            if len(self._locks) == _PLACES:
                self._locks.clear()
            self._locks[call] = self._lock(call)
        found, tid = self._locks[call], self.inside[thread.tid]
        return self._lock(replace(call, tid=tid)) if found and found.owner == tid else found

    def _lock(self, call: futex.Call) -> futex.Lock | None:
        return futex.lock(call, self.blocks, self.memory) if call.operation >= 0 else None

    def owner(self, inside: int, process: str) -> tuple[int, str]:
        """A thread, by the number that the process knows it by: our number for it, and its name."""
        tid = self._ours.get(inside, inside)
        if process and inside not in self._ours:
            return tid, f"a thread of {printable(process)}"
        known = self.names if inside in self._ours else {}
        return tid, known.get(tid, f"thread {inside}, which is not in this process")


def _counted_inside(blocks: Mapping[int, int], memory: Memory) -> dict[int, int]:
    """Thread ids as the process itself counts them → as we do: they differ in a container.

    glibc keeps each thread's own id in its block. It is believed only if every
    block is one of glibc's and no two are the same; else ids are taken as they are.
    """
    same = {tid: tid for tid in blocks}
    found: dict[int, int] = {}
    for tid, block in blocks.items():
        head = memory(block, futex.TID_AT + 4) if block else b""
        if len(head) < futex.TID_AT + 4:
            return same
        if struct.unpack_from("<Q", head)[0] != block or head[:8] != head[_GLIBC_SELF : _GLIBC_SELF + 8]:
            return same
        found[struct.unpack_from("<I", head, futex.TID_AT)[0]] = tid
    return found if len(found) == len(same) and 0 not in found else same


def _wait(process: _Process, thread: _Here) -> Wait | None:
    """What one thread waits for; None for one that runs."""
    number = thread.call
    if number < 0:
        return None
    if number == ffi.FUTEX or (number == ffi.RESTART_SYSCALL and _is_futex(thread)):
        return _futex(process, thread)
    kind, does = _restarted(thread) if number == ffi.RESTART_SYSCALL else _call(process, thread, number)
    return Wait(thread.tid, process.names[thread.tid], kind, sys.intern(does))


def _is_futex(thread: _Here) -> bool:
    """Whether a call that goes on after an earlier stop is a futex wait; its arguments still stand there.

    The number is lost. The kernel function tells, unless the thread had yet to go on
    when it was stopped anew; then only operations are believed that no other call
    could have in its second argument.
    """
    if "futex" in thread.told.waits_in:
        return True
    if calls.place(thread.told.waits_in)[0] is not WaitKind.KERNEL:
        return False
    return thread.registers[ffi.RSI] in {0x80, 0x89, 0x109, 0x180, 0x189}


def _restarted(thread: _Here) -> tuple[WaitKind, str]:
    """A call that goes on after an earlier stop: only those with a time limit do so under this number."""
    kind, does = calls.place(thread.told.waits_in)
    return (kind, does) if kind is not WaitKind.KERNEL else (WaitKind.EVENTS, "waits for some time")


def _futex(process: _Process, thread: _Here) -> Wait | None:
    lock = process.lock(thread)
    if lock is None:
        return None
    owner, owner_name = (None, "") if lock.owner is None else process.owner(lock.owner, thread.told.other_end)
    does = sys.intern(f"waits for {lock.words}")
    if lock.kind is WaitKind.JOIN:
        does = "waits for a thread to end"
    timed = thread.registers[ffi.R10] != 0
    return Wait(
        thread.tid, process.names[thread.tid], lock.kind, does, lock.address, owner, owner_name, timed
    )


def _call(process: _Process, thread: _Here, number: int) -> tuple[WaitKind, str]:
    """A system call other than a futex."""
    if number in calls.OPENING:
        address = thread.registers[(ffi.RDI, ffi.RSI)[calls.OPENING[number]]]
        return WaitKind.FILE, f"opens {_path(process.memory, address)}"
    told = thread.told
    return _said(number, thread.registers[ffi.RDI] & 0xFFFFFFFF, told.waits_on, told.other_end, told.waits_in)


@lru_cache(_PLACES)
def _said(number: int, descriptor: int, waits_on: str, other_end: str, waits_in: str) -> tuple[WaitKind, str]:
    """A system call that opens nothing; kept for the next thread, for many wait for the same."""
    if known := calls.waits(number, descriptor, waits_on, other_end):
        return known[0], printable(known[1])
    kind, words = calls.place(waits_in)
    return kind, f"{words} (system call {number})" if kind is WaitKind.KERNEL else words


def _path(memory: Memory, address: int) -> str:
    """The path at an address, if the dump has it."""
    text, end, _ = memory(address, _LONGEST_PATH).partition(b"\0")
    return printable(text.decode("utf-8", "replace")) if end and text else "a file"
