"""The nouns: frozen values, no I/O. Bytes, seconds, aware UTC, addresses as plain ints in the target's space."""

from __future__ import annotations

from tray.frames import Frame as Frame  # noqa: PLC0414 - given on: whoever needs nouns finds them here
from tray.frames import Stack as Stack  # noqa: PLC0414, TC001
from tray.frames import Trust as Trust  # noqa: PLC0414
from tray.lean import TYPE_CHECKING, Flag, StrEnum, dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from tray.verdicts import Asked, Crash, Verdict, Wait


class Trigger(StrEnum):
    """Why a dump was taken."""

    HOTKEY = "hotkey"
    MENU = "menu"
    CLI = "cli"
    HANG = "hang"
    CRASH = "crash"


class Include(Flag):
    """What a dump keeps, in words that no system owns; each back end of ``capture`` maps them once."""

    CALLS = 1
    """Every thread's calls and registers; alone, it is a promise to leave out what else a stack holds."""
    STACKS = 2
    """Every thread's stack as it is, and what a debugger needs to name the frames."""
    GLOBALS = 4
    """Every module's own data."""
    HEAP = 8
    """Private writable memory, and memory shared without a file."""
    MAPPED_FILES = 16
    """Everything else that can be read: code, and files mapped into memory."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A dump type.

    Attributes:
        name: As in settings, on the command line and in file names.
        include: What it keeps.
        help: What it is good for, one short line.
        aim: What to add to the name in the menu.
    """

    name: str
    include: Include
    help: str
    aim: str = ""


TIME_TO_ANSWER = 0.18
"""Seconds that a window has to answer a ping before it counts as hung, but for those in which we held it still."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was in front.

    Attributes:
        pid: Process that owns the window, in our own pid namespace.
        title: May hold private text: shown to the user, never logged.
        hung: Whether it stopped answering; None when that cannot be told.
        thread: Thread id that owns the window, where the system knows it.
    """

    pid: int
    title: str = ""
    hung: bool | None = None
    thread: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A process as it was when the key went down.

    Attributes:
        pid: Process id. Reused by the system, so never trust it alone.
        started: Start time (ticks since boot, or FILETIME), only ever compared: ``pid`` may be another's by now.
        name: What the user knows it by, without its folder.
        executable: None where the system hides it, as for another user's process.
        window: Its window, or None when it was picked by pid.
    """

    pid: int
    started: int
    name: str
    executable: Path | None = None
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Something the dump should hold and does not.

    Attributes:
        what: The thing, as ``thread 812`` or ``7f00-8000 /dev/dri/card0``.
        why: The cause, as ``device memory (VM_IO)``.
        size: Bytes that are missing; 0 where that means nothing.
    """

    what: str
    why: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread, stopped.

    Attributes:
        tid: Thread id.
        name: Its own name (``comm``); empty where the dump does not say.
        state: One letter of proc(5), from before it was stopped; empty if unknown.
        waits_in: Kernel function it slept in (``wchan``), or of one among hundreds its system call; empty if unknown.
        registers: General ones, in the order of Linux's ``struct user_regs_struct``: 216 bytes.
        floating: FPU and SSE state (``struct user_fpregs_struct``, 512 bytes).
        extended: XSAVE area with AVX and beyond; empty where there is none.
        signal: ``siginfo_t`` of the stop, 128 bytes; empty where there is none.
        waits_on: File behind the descriptor that its system call waits on; empty if unknown.
        other_end: Who must act for that call to end, as ``app (70)``, or where its file is; empty if unknown.
        back: Thread that the one at the other end waits for in turn, proven; 0 for none.
        busy: Share of one CPU that it wanted just before the stop, 0 to 1; None where not measured.
        slept: Seconds since it last ran, at the stop; None where not told.
    """

    tid: int
    name: str = ""
    state: str = ""
    waits_in: str = ""
    registers: bytes = b""
    floating: bytes = b""
    extended: bytes = b""
    signal: bytes = b""
    waits_on: str = ""
    other_end: str = ""
    back: int = 0
    busy: float | None = None
    slept: float | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """One mapping of the target's address space, with its file if it has one.

    Attributes:
        start: First address.
        end: First address after it.
        access: Four letters as in ``/proc/PID/maps``: ``rwxp``, ``-`` for what is missing.
        offset: Offset of ``start`` in the file, in bytes.
        path: File, or a name in brackets such as ``[heap]``; empty for anonymous memory.
    """

    start: int
    end: int
    access: str = "rw-p"
    offset: int = 0
    path: str = ""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Memory:
    """A stretch of the target's address space in a dump (one ``PT_LOAD``).

    Attributes:
        start: First address.
        size: Length in the target.
        stored: How many bytes of it, from ``start`` on, the dump holds; 0 says only that it was there.
        access: Three letters, ``rwx`` or ``-``.
    """

    start: int
    size: int
    stored: int
    access: str = "rw-"


@dataclass(frozen=True, slots=True)
class Module:
    """An executable or shared library in the target.

    Attributes:
        path: As the target saw it.
        start: Lowest address it is mapped at.
        end: First address after its last mapping.
        build_id: Hexadecimal; empty where the dump does not hold it.
    """

    path: str
    start: int
    end: int
    build_id: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A process at one instant, read from a dump or about to be written to one.

    Attributes:
        pid: Process id.
        parent: Its parent's process id.
        uid, gid: Real user and group id.
        state: One letter of proc(5).
        name: Short name, at most 15 bytes survive in a core file.
        arguments: Command line, words separated by spaces; at most 79 bytes survive.
        threads: The first is the one that a debugger shows first.
        memory: Sorted by address, without overlap.
        mappings: File mappings, the executable first.
        auxv: The auxiliary vector as the kernel gave it: pairs of u64.
    """

    pid: int
    parent: int = 0
    uid: int = 0
    gid: int = 0
    state: str = "S"
    name: str = ""
    arguments: str = ""
    threads: Sequence[Thread] = ()
    memory: Sequence[Memory] = ()
    mappings: Sequence[Region] = ()
    auxv: bytes = b""


@dataclass(frozen=True, slots=True)
class Captured:
    """What a back end tells about the dump it has just written.

    Attributes:
        format: ``elf-core`` or ``minidump``.
        threads: As they were, without their registers.
        frozen: Seconds from the first stopped thread to the last one let go.
        method: How memory was read, as ``stop and copy``.
        gaps: What is missing.
        stuck: Threads that could not be stopped; of these the dump has only what is seen from outside.
        asked: What Windows told of its waits before it was stopped.
    """

    format: str
    threads: tuple[Thread, ...]
    frozen: float
    method: str
    gaps: tuple[Gap, ...] = ()
    stuck: tuple[Thread, ...] = ()
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Dump:
    """A finished file in the store, with what its sidecar says.

    Attributes:
        id: File name without its ending; unique in its folder.
        path: The dump itself.
        format: ``elf-core`` or ``minidump``.
        mode: Name of the `Mode`.
        trigger: Why it was taken.
        target: Whom it shows.
        taken: When the key went down.
        seconds: From the start of the capture to the renamed file.
        frozen: How long the target stood still.
        method: How memory was read.
        size, allocated: Apparent size, as ``ls -l`` shows it; what it takes on the disk, without holes.
        threads: As they were, without their registers.
        gaps: What is missing.
        version: Hangshot's own.
        system: Kernel and machine, one line.
        stuck: Threads that could not be stopped; of these the dump has only what is seen from outside.
        verdict: Why the target hangs; None where it was not looked for or not found out.
        waits: What the verdict was made from.
        calls: Calls of its interpreter as the running process told, where the dump itself does not hold them.
        calls_after: Seconds from the end of the capture until it was asked for them.
        calls_missing: Why it did not tell them, as the end of a sentence; empty if it did or was not asked.
    """

    id: str
    path: Path
    format: str
    mode: str
    trigger: Trigger
    target: Target
    taken: datetime
    seconds: float
    frozen: float
    method: str
    size: int
    allocated: int
    threads: tuple[Thread, ...] = ()
    gaps: tuple[Gap, ...] = ()
    version: str = ""
    system: str = ""
    stuck: tuple[Thread, ...] = ()
    verdict: Verdict | None = None
    waits: tuple[Wait, ...] = ()
    calls: tuple[Stack, ...] = ()
    calls_after: float = 0.0
    calls_missing: str = ""

    @property
    def sidecar(self) -> Path:
        """Where its JSON sidecar lies."""
        return self.path.with_name(self.path.name.removesuffix(".zst")).with_suffix(".json")


@dataclass(frozen=True, slots=True)
class Report:
    """What a person reads about a dump.

    Attributes:
        path: The dump file.
        size, allocated: As in `Dump`.
        snapshot: What the file itself says.
        modules: Executable and libraries, the executable first.
        missing: Bytes that the file promises and does not have, because it was cut.
        dump: What the sidecar says; None where there is none, as for another tool's dump.
        stacks: One for each thread, in the order of the snapshot; empty if nobody asked for them.
        lacks: What would make the stacks better and how to get it, a sentence each.
        format: ``elf-core`` or ``minidump``.
        comment: What a minidump's writer left in it for the reader.
        crash: The exception that a minidump was written for.
    """

    path: Path
    size: int
    allocated: int
    snapshot: Snapshot
    modules: tuple[Module, ...]
    missing: int = 0
    dump: Dump | None = None
    stacks: tuple[Stack, ...] = ()
    lacks: tuple[str, ...] = ()
    format: str = "elf-core"
    comment: str = ""
    crash: Crash | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """How much the store may keep, 0 for no limit; the newest dump is kept whatever this says.

    Attributes:
        count: Number of dumps.
        days: Their age.
        size: Bytes on disk, all together.
    """

    count: int = 0
    days: int = 0
    size: int = 0
