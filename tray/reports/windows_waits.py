"""Who waits for what, held by whom: read from a minidump's memory, and from what Windows told before it was taken.

How sure a wait is, the surest first:

1. A critical section: the thread stands in ``RtlEnterCriticalSection``, found by
   walking its calls, and of all that these calls hold exactly one thing is a section
   with an owner and with waiters. Memory shows all threads at one instant, so a cycle
   of these is a deadlock beyond doubt.
2. A thread's end, or a window's answer: whose it is never changes.
3. A mutex, by the list of handles in the dump, which is of the same instant; the slim
   lock in a C++ mutex, which has its owner beside it.
4. What was asked for before the threads were stopped, as by the Wait Chain API: an
   owner counts for a deadlock only if it did not run meanwhile.
5. Everything else names no owner. What was not found out is never guessed.
"""

from __future__ import annotations

import time
from collections import Counter

from tray.lean import TYPE_CHECKING, dataclass, replace
from tray.reports import critical_section, slim_lock, windows_calls
from tray.reports.waits import names as named
from tray.reports.windows_blocking import (
    CALLS,
    FILES,
    OBJECTS,
    REASONS,
    SENDS,
    STUBS,
    SURE_OTHERWISE,
    SYSTEM,
)
from tray.reports.windows_calls import KEPT, RCX, RDX
from tray.reports.windows_handles import Handles
from tray.verdicts import Asked, Wait, WaitKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tray.formats.minidump import Minidump
    from tray.formats.minidump_wow64 import Narrow
    from tray.model import Thread
    from tray.reports.windows_calls import Call, Names
    from tray.verdicts import Party

BUSY = 0.6
"""Share of a CPU from which on a thread does not wait, wherever it stands."""
_ONE, _MANY, _SEND = "NtWaitForSingleObject", "NtWaitForMultipleObjects", "NtUserMessageCall"
_SECTION = "RtlEnterCriticalSection"
_WIDE = 8
"""Bytes of an address on x86-64."""
_LOADER_LOCK = {8: 0x110, 4: 0xA0}
"""Where the PEB points at the section that guards the loading of libraries."""
_PEB = {8: 0x60, 4: 0x30}
_NEAR = 32
"""Words above a system call's return address where its caller keeps the arguments once more."""
_MOST_HANDLES, _MOST_THREADS = 64, 16
_POINTED_AT = (0, 8, 24)
"""What of a section waiters may point at, on x86-64: its start, the lock count, the semaphore."""


def find(
    dump: Minidump | Narrow,
    names: Names,
    told: Mapping[int, Thread],
    asked: Asked | None = None,
    limit: float = float("inf"),
) -> tuple[Wait, ...]:
    """What each thread that waits waits for, in the order of the threads; then threads of others in a cycle with them.

    Args:
        dump: The minidump.
        names: Its libraries.
        told: Facts from the time of the capture, by thread id.
        asked: What Windows told then.
        limit: Monotonic time at which to give up.

    Raises:
        TimeoutError: ``limit`` was reached.
    """
    process = _Process(dump, names, told, asked or Asked())
    found = []
    for thread in dump.snapshot.threads:
        if time.monotonic() > limit:
            raise TimeoutError("so many threads take too long to look at")
        if wait := _wait(process, thread):
            found.append(wait)
    found = _counted(process, found)
    return (*found, *_others(process, found))


class _Process:
    """What is needed to tell about any one thread."""

    def __init__(
        self, dump: Minidump | Narrow, names: Names, told: Mapping[int, Thread], asked: Asked
    ) -> None:
        self.memory, self.pointer = dump.memory, dump.pointer
        self.pid = dump.snapshot.pid
        self.libraries, self.told, self.asked = names, told, asked
        self.names = named(dump.snapshot.threads, told)
        self.handles = Handles(dump, self.asked)
        self.stacks = [windows_calls.stack_pointer(thread) for thread in dump.snapshot.threads]
        self.loader_lock = self._loader_lock(dump.teb)
        self.waiters: dict[int, int] = {}

    def word(self, address: int) -> int | None:
        """An address-sized word; None where the dump has none."""
        return windows_calls.word(self.memory, address, self.pointer)

    def name(self, tid: int) -> str:
        """What to call a thread."""
        return self.names.get(tid, f"thread {tid}, which is not in this process")

    def _loader_lock(self, teb: int) -> int:
        block = self.word(teb + _PEB[self.pointer]) if teb else None
        return (self.word(block + _LOADER_LOCK[self.pointer]) or 0) if block else 0


@dataclass(frozen=True, slots=True)
class _Here:
    """A thread that waits, with its calls."""

    tid: int
    calls: Sequence[Call]

    @property
    def stub(self) -> str:
        """The system call."""
        return self.calls[0].name


def _wait(process: _Process, thread: Thread) -> Wait | None:
    """What one thread waits for; None for one that runs."""
    told = process.told.get(thread.tid)
    if told and (told.busy or 0) >= BUSY:
        return None
    calls = windows_calls.calls(thread, process.memory, process.libraries, process.pointer)
    if not calls:
        return None
    here = _Here(thread.tid, calls)
    found = _section(process, here) or _slim(process, here) or _by_calls(process, here)
    return _with_chain(process, here.tid, found) if found else None


def _plain(process: _Process, here: _Here, kind: WaitKind, does: str) -> Wait:
    """A wait without an owner."""
    return Wait(here.tid, process.name(here.tid), kind, does)


# ---- critical sections


def _section(process: _Process, here: _Here) -> Wait | None:
    """The critical section that a thread is about to enter; None for one that is elsewhere."""
    inner = _inner(here.calls, {"ntdll.dll"})
    place = next((number for number, call in enumerate(inner) if call.name == _SECTION), None)
    if place is None:
        return None
    wait = _plain(process, here, *CALLS[_SECTION])
    sections = {found.address: found for found in _sections(process, here.tid, inner[: place + 1])}
    if len(sections) != 1:
        return wait
    [section] = sections.values()
    process.waiters[section.address] = section.waiters
    if section.address == process.loader_lock:
        wait = replace(wait, does="waits for the loader lock, which guards the loading of libraries,")
    owner = section.owner or None
    return replace(
        wait, address=section.address, owner=owner, owner_name=process.name(owner) if owner else ""
    )


def _sections(process: _Process, tid: int, calls: Sequence[Call]) -> Iterator[critical_section.Section]:
    """Every section that these calls hold a pointer to and that another thread is in; the last is the entering one."""
    if process.pointer == _WIDE:
        words = {call.registers[number] for call in calls for number in KEPT}
        words |= set(_words(process, calls[0].above, calls[-1].above + 4 * _WIDE))
        places = {word - part for word in words for part in _POINTED_AT if word > part}
    else:
        places = {process.word(calls[-1].above) or 0}  # its one argument
    for address in places:
        section = critical_section.at(address, process.memory, process.pointer)
        if section and section.owner != tid and section.waiters <= len(process.names):
            yield section


def _slim(process: _Process, here: _Here) -> Wait | None:
    """The slim lock that a thread waits for; None for one that is elsewhere. A C++ mutex's has an owner."""
    inner = _inner(here.calls, {"ntdll.dll"})
    place = next((number for number, call in enumerate(inner) if call.name in slim_lock.ENTERED), None)
    if place is None or place + 1 >= len(here.calls):
        return None
    wait = _plain(process, here, *CALLS[inner[place].name])
    slim = slim_lock.waited(here.calls[: place + 2], process.memory, process.pointer, process.stacks)
    if slim is None:
        return wait
    if slim.owner in process.names and slim.owner != here.tid:
        name = process.name(slim.owner)
        wait = replace(
            wait, kind=WaitKind.MUTEX, does="waits for a C++ mutex", owner=slim.owner, owner_name=name
        )
    elif slim.readers:
        wait = replace(wait, does=f"{wait.does} that readers hold")
    return replace(wait, address=slim.address)


def _counted(process: _Process, found: list[Wait]) -> list[Wait]:
    """The waits, without the owner of a section that counts fewer waiters than were found: one of them is wrong."""
    counts = Counter(wait.address for wait in found if wait.address in process.waiters)
    wrong = {address for address, count in counts.items() if count > process.waiters[address]}
    return [replace(wait, owner=None, owner_name="") if wait.address in wrong else wait for wait in found]


def _inner(calls: Sequence[Call], modules: frozenset[str] | set[str]) -> Sequence[Call]:
    """The innermost calls, as long as they are in these libraries."""
    count = next((number for number, call in enumerate(calls) if call.module not in modules), len(calls))
    return calls[:count]


def _words(process: _Process, start: int, end: int) -> Iterator[int]:
    """The words of a stretch of the stack."""
    for address in range(start, end, process.pointer):
        if (value := process.word(address)) is not None:
            yield value


# ---- everything else


def _by_calls(process: _Process, here: _Here) -> Wait | None:
    """By the outermost of the system's calls that says more, else by the system call itself."""
    inner = _inner(here.calls, SYSTEM)
    name = next((call.name for call in reversed(inner) if call.name in CALLS), "")
    if name in SENDS:
        return _sent(process, here, name)
    return _plain(process, here, *CALLS[name]) if name else _by_stub(process, here)


def _by_stub(process: _Process, here: _Here) -> Wait | None:
    """By the system call."""
    if here.stub in (_ONE, _MANY):
        return _object(process, here)
    if here.stub in FILES:
        return _file(process, here)
    if here.stub in STUBS:
        return _plain(process, here, *STUBS[here.stub])
    if here.tid not in process.asked.resting:
        return None
    return _plain(process, here, WaitKind.KERNEL, f"waits in the system, in {here.stub}")


def _sent(process: _Process, here: _Here, name: str) -> Wait:
    """A thread that has sent a message to a window."""
    wait = replace(_plain(process, here, *CALLS[name]), timed="Timeout" in name)
    window = _argument(process, here, process.asked.windows.__contains__) if here.stub == _SEND else None
    return wait if window is None else _owned(process, wait, process.asked.windows[window], sure=True)


def _file(process: _Process, here: _Here) -> Wait:
    """A thread that reads or writes, with what, where that has a name."""
    handle = _argument(process, here, process.handles.__contains__)
    name = process.handles.file(handle) if handle is not None else ""
    return _plain(process, here, WaitKind.FILE, f"{FILES[here.stub]} {name}" if name else STUBS[here.stub][1])


def _object(process: _Process, here: _Here) -> Wait:
    """A thread that waits for objects of the system, by their handles."""
    known = process.handles
    if here.stub == _ONE:
        handle = _argument(process, here, known.__contains__)
        handles = [] if handle is None else [handle]
        late = process.word(here.calls[0].above + 8) if process.pointer != _WIDE else None
        timed = None if late is None else bool(late)
    else:
        handles = _array(process, here)
        late = process.word(here.calls[0].above + (32 if process.pointer == _WIDE else 16))
        timed = None if late is None else bool(late)
    wait = replace(_plain(process, here, *STUBS[here.stub]), timed=timed)
    if len(handles) > 1:
        return replace(wait, does=f"waits for {len(handles)} objects of the system")
    if not handles or (party := known.party(handles[0])) is None or party.kind not in OBJECTS:
        return wait
    kind, does = OBJECTS[party.kind]
    if kind is WaitKind.MUTEX and party.name and party.pid in (0, process.pid):
        does += f" ({party.name})"
    wait = replace(wait, kind=kind, does=does)
    if kind is WaitKind.PROCESS and party.pid:
        return replace(wait, does=f"waits for {_program(party)} to end")
    sure = kind is WaitKind.JOIN or known.is_sure(handles[0], party)
    return _owned(process, wait, party, sure=sure) if kind.has_owner and party.tid else wait


def _argument(process: _Process, here: _Here, known: Callable[[int], bool]) -> int | None:
    """The first argument of the system call that a thread is in; None where it is not certain.

    On x86 it lies on the stack. On x86-64 it was in a register that the system may
    not have kept: it is believed only if the caller has the same value elsewhere.
    """
    stub = here.calls[0]
    if process.pointer != _WIDE:
        value = process.word(stub.above)
        return value if value is not None and known(value) else None
    value = stub.registers[RCX]
    return value if known(value) and _is_kept(process, stub, value) else None


def _is_kept(process: _Process, stub: Call, value: int) -> bool:
    """Whether the caller of a system call has a value of its own, too."""
    if value in (stub.registers[number] for number in KEPT):
        return True
    return value in _words(process, stub.above, stub.above + _NEAR * process.pointer)


def _array(process: _Process, here: _Here) -> list[int]:
    """The handles that a thread waits for; empty where that is not certain."""
    stub = here.calls[0]
    if process.pointer != _WIDE:
        count, start = process.word(stub.above) or 0, process.word(stub.above + 4) or 0
        counts = {count}
    else:
        start = stub.registers[RDX]
        counts = {stub.registers[number] for number in (RCX, *KEPT)}
        if not _is_kept(process, stub, start):
            return []
    found = [_handles(process, start, count) for count in sorted(counts) if 0 < count <= _MOST_HANDLES]
    whole = [handles for handles in found if handles]
    return whole[0] if len(whole) == 1 else []


def _handles(process: _Process, start: int, count: int) -> list[int]:
    """So many handles from an address on; empty unless all of them are handles."""
    found = list(_words(process, start, start + count * process.pointer))
    return found if len(found) == count and all(one in process.handles for one in found) else []


# ---- owners


def _owned(process: _Process, wait: Wait, party: Party, *, sure: bool) -> Wait:
    """A wait for a thread, of this process or another."""
    if party.pid == process.pid or party.tid in process.names or _comes_back(process, wait.tid, party):
        name = process.names.get(party.tid) or f"thread {party.tid} of {_program(party)}"
        return replace(wait, owner=party.tid, owner_name=name, sure=sure)
    held = {WaitKind.MUTEX: "held by", WaitKind.MESSAGE: "of", WaitKind.JOIN: "in"}.get(wait.kind, "of")
    return replace(wait, kind=WaitKind.PROCESS, does=f"{wait.does} {held} {_program(party)}")


def _program(party: Party) -> str:
    """Another process."""
    return f"{party.name or 'process'} ({party.pid})"


def _with_chain(process: _Process, tid: int, wait: Wait) -> Wait:
    """A wait with what the Wait Chain API told of it, if the thread did not run since."""
    party = process.asked.chains.get(tid)
    if party is None or party.kind not in REASONS or tid not in process.asked.resting:
        return wait
    if wait.owner is not None or wait.kind in SURE_OTHERWISE:
        return wait
    kind, does = REASONS[party.kind]
    wait = replace(wait, kind=kind, does=does)
    if not party.tid:
        return replace(wait, does=f"waits for {_program(party)} to end") if party.pid else wait
    return _owned(process, wait, party, sure=party.tid in process.asked.resting)


def _comes_back(process: _Process, tid: int, party: Party) -> bool:
    """Whether a thread of another process waits in turn for this one."""
    for _ in range(_MOST_THREADS):
        if party.tid == tid:
            return True
        if (after := process.asked.chains.get(party.tid)) is None:
            return False
        party = after
    return False


def _others(process: _Process, found: Sequence[Wait]) -> Iterator[Wait]:
    """Threads of other processes that waits lead through and come back from."""
    seen = set(process.names)
    for wait in found:
        tid, name = wait.owner, wait.owner_name
        while tid is not None and tid not in seen and (party := process.asked.chains.get(tid)):
            seen.add(tid)
            kind, does = REASONS.get(party.kind, (WaitKind.MESSAGE, "waits"))
            sure = party.tid in process.asked.resting
            yield _owned(process, Wait(tid, name, kind, does), party, sure=sure)
            tid, name = party.tid, f"thread {party.tid} of {_program(party)}"
