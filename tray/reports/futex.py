"""Which lock a futex wait belongs to, and who holds it: glibc's own layouts, without debug info.

A lock is named only if every field that its kind has makes sense at once, for a
wrong owner would make a wrong deadlock. All of it was seen on glibc 2.36; the
layouts are part of its ABI since 2.25 (``bits/struct_mutex.h``,
``bits/struct_rwlock.h``, ``bits/thread-shared-types.h``).

Source: futex(2); glibc ``nptl/``.
"""

from __future__ import annotations

import struct

from tray.lean import TYPE_CHECKING, dataclass
from tray.verdicts import WaitKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2 = 0, 6, 9, 11, 13
_FLAGS = 0x180
"""FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME."""
TID_AT = 0x2D0
"""``struct pthread``'s ``tid``, at which a join waits; glibc 2.17 to 2.41 on x86-64."""
_BEFORE, _SIZE = 44, 96
_TID = 0x3FFFFFFF
_KINDS = 0x3FF
_ROBUST, _PI = 0x10, 0x20
_RECURSIVE, _ERRORCHECK = 1, 2
_MUSL_WAITED, _MUSL_FLAGS = 1 << 31, 0x84
"""Somebody waits; robust, and shared by processes."""
_CONTENDED = 2
_LARGEST_TID = 1 << 22
_COUNTS = range(1, _LARGEST_TID)
_FUTEX_USED = 3
_WRITE_PHASE, _WRITE_LOCKED = 1, 2


@dataclass(frozen=True, slots=True)
class Call:
    """One thread's futex call.

    Attributes:
        tid: Who waits.
        address: The word waited on.
        op: Operation, with its flags.
        value: What the word was expected to hold.
        timed: Whether the wait has an end.
        foreign: Whether the C library did not make it, so that nothing is known of what stands beside the word.
    """

    tid: int
    address: int
    op: int
    value: int
    timed: bool
    foreign: bool = False

    @property
    def operation(self) -> int:
        """The operation alone; -1 for one that is no wait."""
        command = self.op & ~_FLAGS
        known = command in (WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2)
        return command if known else -1


@dataclass(frozen=True, slots=True)
class Lock:
    """What is waited for.

    Attributes:
        kind: Which kind of lock.
        words: What follows "waits for", as ``a mutex``.
        address: Where it begins.
        owner: Thread id in the target's own counting; None where nobody can tell.
    """

    kind: WaitKind
    words: str
    address: int
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class Threads:
    """The process's threads as its own memory knows them.

    Attributes:
        blocks: Thread id, as the process counts it → address of its thread block.
    """

    blocks: Mapping[int, int]

    def __contains__(self, tid: int | None) -> bool:
        return tid in self.blocks

    def at(self, block: int) -> int | None:
        """The thread whose block is there."""
        return next((tid for tid, place in self.blocks.items() if place == block and block), None)


def lock(call: Call, threads: Threads, memory: Callable[[int, int], bytes]) -> Lock:
    """What a futex call waits for.

    Args:
        call: The call.
        threads: All threads of the process.
        memory: Gives up to that many bytes of the dump.
    """
    around = _Around(call.address, memory)
    if found := _priority(call, threads, around):  # the kernel's own layout, whoever asks
        return found
    for known in (_join, _robust, _musl, _mutex, _stream, _rwlock, _condition, _semaphore):
        if not call.foreign and (found := known(call, threads, around)):
            return found
    return Lock(WaitKind.FUTEX, "a lock or event that names no owner", call.address)


class _Around:
    """Memory around the word."""

    def __init__(self, address: int, memory: Callable[[int, int], bytes]) -> None:
        before = memory(address - _BEFORE, _BEFORE) if address >= _BEFORE else b""
        after = memory(address, _SIZE - _BEFORE)
        self._before = before if len(before) == _BEFORE else b""
        self._after = after

    def word(self, offset: int = 0) -> int | None:
        """Unsigned 32 bits at an offset from the word; None where the dump does not hold them."""
        return self._field("<I", 4, offset)

    def address(self, offset: int) -> int | None:
        """Unsigned 64 bits at an offset from the word."""
        return self._field("<Q", 8, offset)

    def _field(self, kind: str, size: int, offset: int) -> int | None:
        part, place = (self._after, offset) if offset >= 0 else (self._before, _BEFORE + offset)
        if place + size > len(part):
            return None
        return int(struct.unpack_from(kind, part, place)[0])


def _join(call: Call, threads: Threads, around: _Around) -> Lock | None:
    """``pthread_join`` waits for the kernel to clear the thread's id in its block."""
    tid = around.word()
    if call.operation != WAIT_BITSET or tid is None or tid != call.value or tid == call.tid:
        return None
    if threads.blocks.get(tid) != call.address - TID_AT:
        return None
    return Lock(WaitKind.JOIN, "the end of a thread", call.address, tid)


def _kind(around: _Around) -> int | None:
    """``__kind`` of a mutex whose counters make sense, too."""
    users, kind = around.word(12), around.word(16)
    if users is None or kind is None or not 1 <= users <= _LARGEST_TID or kind & ~_KINDS or kind & 0xF > 3:  # noqa: PLR2004
        return None
    return kind


def _owned(call: Call, kind: int, owner: int, words: str) -> Lock | None:
    """A mutex of this owner; None for one that its owner could not wait for."""
    if owner == call.tid and kind & 3 in (_RECURSIVE, _ERRORCHECK):
        return None
    return Lock(WaitKind.MUTEX, words, call.address, owner)


def _priority(call: Call, _threads: Threads, around: _Around) -> Lock | None:
    """A priority-inheriting mutex: the kernel itself reads the owner from the word."""
    word = around.word()
    if call.operation not in (LOCK_PI, LOCK_PI2) or word is None or not 0 < word & _TID <= _LARGEST_TID:
        return None
    return Lock(WaitKind.MUTEX, "a priority-inheriting mutex", call.address, word & _TID)


def _robust(call: Call, _threads: Threads, around: _Around) -> Lock | None:
    """A robust mutex holds its owner in the word and beside it; processes may share it."""
    word, owner, kind = around.word(), around.word(8), _kind(around)
    if call.operation not in (WAIT, WAIT_BITSET) or word is None or kind is None or not kind & _ROBUST:
        return None
    if kind & _PI or word != call.value or word & _TID != owner or not 0 < owner <= _LARGEST_TID:
        return None
    return _owned(call, kind, owner, "a robust mutex")


def _musl(call: Call, threads: Threads, around: _Around) -> Lock | None:
    """A mutex of musl that knows its owner, recursive or error-checking; its plain ones know only that they are held.

    Its kind stands before the word, the number of those who wait after it.
    Source: musl ``src/internal/pthread_impl.h``, ``src/thread/pthread_mutex_timedlock.c``.
    """
    word, kind, waiters = around.word(), around.word(-4), around.word(4)
    if call.operation != WAIT or word is None or word != call.value or not word & _MUSL_WAITED:
        return None
    if kind is None or kind & ~_MUSL_FLAGS not in (_RECURSIVE, _ERRORCHECK):
        return None
    owner = word & _TID
    if owner == call.tid or owner not in threads or waiters is None or not 0 < waiters <= len(threads.blocks):
        return None
    words = "a recursive mutex" if kind & 3 == _RECURSIVE else "a mutex"
    return Lock(WaitKind.MUTEX, words, call.address - 4, owner)


def _mutex(call: Call, threads: Threads, around: _Around) -> Lock | None:
    """Any other mutex; also one whose owner is not in the process, as after a fork or a thread's end.

    A wait without a time limit is FUTEX_WAIT in glibc. Rust's own mutex uses
    FUTEX_WAIT_BITSET, and what follows it is the program's data, not an owner.
    """
    owner, kind = around.word(8), _kind(around)
    plain = call.operation == WAIT or (call.operation == WAIT_BITSET and call.timed)
    if not plain or call.value != _CONTENDED or around.word() != _CONTENDED:
        return None
    if kind is None or kind & (_ROBUST | _PI) or not owner or owner > _LARGEST_TID:
        return None
    if owner not in threads and kind & 3 in (_RECURSIVE, _ERRORCHECK) and not around.word(4):
        return None
    words = "a recursive mutex" if kind & 3 == _RECURSIVE else "a mutex"
    return _owned(call, kind, owner, words)


def _stream(call: Call, threads: Threads, around: _Around) -> Lock | None:
    """The lock of a ``FILE``: the word, how often, and the owner's thread block."""
    count, block = around.word(4), around.address(8)
    if call.operation != WAIT or call.value != _CONTENDED or around.word() != _CONTENDED:
        return None
    if not count or not block or (owner := threads.at(block)) in (None, call.tid):
        return None
    return Lock(WaitKind.STREAM, "the lock of a stdio stream", call.address, owner)


def _rwlock(call: Call, threads: Threads, around: _Around) -> Lock | None:
    """A reader-writer lock: the writer has its id in it, readers are only counted."""
    if call.operation != WAIT_BITSET or around.word() != call.value or not call.value & _CONTENDED:
        return None
    for base in (-8, -12):
        readers, writers, owner = (around.word(base + offset) for offset in (0, 4, 24))
        shared, preference = around.word(base + 28), around.word(base + 48)
        if readers is None or writers is None or shared not in (0, 1) or preference not in (0, 1, 2):
            continue
        if (writers & 0x7FFFFFFF) > len(threads.blocks) or around.word(base + 20) or around.word(base + 16):
            continue
        address = call.address + base
        if readers & _WRITE_LOCKED and owner in threads and call.value == _FUTEX_USED and owner != call.tid:
            return Lock(WaitKind.RWLOCK, "a reader-writer lock", address, owner)
        count = readers >> 3
        waits = readers & (_WRITE_PHASE | _WRITE_LOCKED) == _WRITE_LOCKED
        if not owner and waits and 0 < count <= len(threads.blocks):
            who = "a reader holds" if count == 1 else f"{count} readers hold"
            return Lock(WaitKind.RWLOCK, f"a reader-writer lock that {who}", address)
    return None


def _condition(call: Call, _threads: Threads, around: _Around) -> Lock | None:
    """A condition variable: it counts those who wait, in all and in this one of its two groups.

    It holds 64-bit numbers, so it begins at a multiple of 8. What stands there before a semaphore,
    as ``malloc`` writes it, would pass for its counts else.
    """
    if call.operation not in (WAIT_BITSET, WAIT_REQUEUE_PI):
        return None
    for group in (0, 1):
        base = -40 - 4 * group
        if (call.address + base) % 8:
            continue
        waiters, references = around.word(base + 36), around.word(base + 16 + 4 * group)
        sequence = around.address(base)
        if waiters is None or references is None or sequence is None:
            continue
        if waiters >> 3 in _COUNTS and references >> 1 in _COUNTS and sequence >> 1:
            return Lock(WaitKind.CONDITION, "a condition variable", call.address + base)
    return None


def _semaphore(call: Call, threads: Threads, around: _Around) -> Lock | None:
    """A semaphore at 0: its value, those who wait, and whether processes share it."""
    waiters = around.word(4)
    if call.operation != WAIT_BITSET or call.value or around.word() or not waiters:
        return None
    if waiters > len(threads.blocks) or around.word(8) not in (0, 128):
        return None
    return Lock(WaitKind.SEMAPHORE, "a semaphore", call.address)
