"""The nouns of why a program hangs: who waits for what, and what that comes to."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class WaitKind(enum.StrEnum):
    """What a thread waits for."""

    MUTEX = "mutex"
    RWLOCK = "rwlock"
    STREAM = "stream"
    """The lock inside a ``FILE`` of the C library."""
    JOIN = "join"
    CONDITION = "condition"
    SEMAPHORE = "semaphore"
    FUTEX = "futex"
    """Some lock or event of the process's own; who holds it is written nowhere."""
    FILE = "file"
    """A file, pipe, terminal or connection."""
    PROCESS = "process"
    KERNEL = "kernel"
    """A system call that Hangshot knows nothing more about, or one that nothing can interrupt."""
    EVENTS = "events"
    """What idle programs do: poll, epoll, select, signals."""
    SLEEP = "sleep"

    @property
    def has_owner(self) -> bool:
        """Whether someone in the process may be named who ends the wait."""
        return self in (WaitKind.MUTEX, WaitKind.RWLOCK, WaitKind.STREAM, WaitKind.JOIN)


@dataclass(frozen=True, slots=True)
class Wait:
    """One thread that waits.

    Attributes:
        tid: The thread.
        name: Its name, unique among its process's threads.
        kind: What it waits for.
        does: The same as words that follow the name, as ``waits for a mutex``.
        address: Of the lock, or of the word waited on; 0 where there is none.
        owner: Thread id of who holds it; None where nobody can tell.
        owner_name: Its name; ``thread N`` for one that is not in the process.
        timed: Whether it gives up by itself after some time.
        function: The program's own function that it is in, as a sentence names it; empty if unknown.
    """

    tid: int
    name: str
    kind: WaitKind
    does: str
    address: int = 0
    owner: int | None = None
    owner_name: str = ""
    timed: bool = False
    function: str = ""


@dataclass(frozen=True, slots=True)
class WaitChain:
    """Waits of which each is for the thread of the next.

    Attributes:
        waits: From the outermost on; at least one.
        cycle: Whether the last waits for the first: nobody will ever go on.
    """

    waits: tuple[Wait, ...]
    cycle: bool = False


class VerdictKind(enum.StrEnum):
    """Why a program hangs, as far as a dump can tell."""

    DEADLOCK = "deadlock"
    BLOCKED = "blocked"
    """By a lock that someone else holds."""
    BUSY = "busy"
    OUTSIDE = "outside"
    """It waits for a file, another machine or another process."""
    WAITING = "waiting"
    """It waits for something of its own that names no owner."""
    IDLE = "idle"
    """Nothing wrong was seen."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a program hangs.

    Attributes:
        kind: Which of the few ways.
        sentence: For people, one line without a full stop.
        certain: Whether the dump proves it; else it is the likeliest reading.
        chain: The waits that it rests on; for a deadlock the cycle, once round.
    """

    kind: VerdictKind
    sentence: str
    certain: bool
    chain: tuple[Wait, ...] = ()
