"""The nouns of why a program hangs: who waits for what, and what that comes to."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING, StrEnum, dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping


class WaitKind(StrEnum):
    """What a thread waits for."""

    MUTEX = "mutex"
    RWLOCK = "rwlock"
    STREAM = "stream"
    """The lock inside a ``FILE`` of the C library."""
    JOIN = "join"
    MESSAGE = "message"
    """An answer from a window."""
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
        return self in (
            WaitKind.MUTEX,
            WaitKind.RWLOCK,
            WaitKind.STREAM,
            WaitKind.JOIN,
            WaitKind.MESSAGE,
        )


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
        timed: Whether it gives up by itself after some time; None where that cannot be told.
        function: The program's own function that it is in, as a sentence names it; empty if unknown.
        sure: Whether the owner held it at the very moment of the dump, for certain.
            A cycle with one that may have changed hands is no deadlock.
    """

    tid: int
    name: str
    kind: WaitKind
    does: str
    address: int = 0
    owner: int | None = None
    owner_name: str = ""
    timed: bool | None = False
    function: str = ""
    sure: bool = True


@dataclass(frozen=True, slots=True)
class WaitChain:
    """Waits of which each is for the thread of the next.

    Attributes:
        waits: From the outermost on; at least one.
        cycle: Whether the last waits for the first: nobody will ever go on.
    """

    waits: tuple[Wait, ...]
    cycle: bool = False


class VerdictKind(StrEnum):
    """Why a program hangs, as far as a dump can tell."""

    DEADLOCK = "deadlock"
    BLOCKED = "blocked"
    """By a lock that someone else holds."""
    BUSY = "busy"
    STOPPED = "stopped"
    """By a signal, as from a shell: nothing of it runs."""
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


@dataclass(frozen=True, slots=True)
class Party:
    """What a handle, a window or a wait of a Windows process leads to.

    Attributes:
        kind: As the system calls it: ``Mutant``, ``Thread``, ``Event``, ``SendMessage`` …
        pid: Process of the thread that ends the wait, or the process itself; 0 where there is none.
        tid: That thread; 0 where there is none, or nobody tells.
        name: Of that process's program, or of the object.
    """

    kind: str
    pid: int = 0
    tid: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What Windows told about the waits of a process that still ran.

    It was asked twice, and what differed is left out.

    Attributes:
        handles: Handle → its object.
        windows: Window → the thread that it belongs to.
        chains: Thread id, of this process or another → whom it waits for, by the Wait Chain API.
        resting: Threads that did not run in between: what these hold, they still held when they were stopped.
        main: The thread that people wait for; 0 where it is the first one.
        stopped: The dump was written while all threads stood still, so what it lists of handles is of that moment.
    """

    handles: Mapping[int, Party] = field(default_factory=dict)
    windows: Mapping[int, Party] = field(default_factory=dict)
    chains: Mapping[int, Party] = field(default_factory=dict)
    resting: frozenset[int] = frozenset()
    main: int = 0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Crash:
    """The exception that another tool's dump was written for.

    Attributes:
        tid: The thread that raised it.
        code: As the system counts exceptions.
        pc: Where it was raised.
        name: What it was, in words; empty for one that is not known.
    """

    tid: int
    code: int
    pc: int
    name: str = ""
