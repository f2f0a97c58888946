"""Reading ELF core files of x86-64 Linux: ours, the kernel's and gdb's. See `core_write` for ours.

Source: core(5); Linux ``fs/binfmt_elf.c``; ``include/linux/elfcore.h``.
"""

from __future__ import annotations

import os

from tray.errors import BadDump
from tray.formats import elf
from tray.formats.core_head import Head
from tray.formats.core_write import (
    NT_AUXV,
    NT_FILE,
    NT_FPREGSET,
    NT_PRPSINFO,
    NT_PRSTATUS,
    NT_SIGINFO,
    NT_X86_XSTATE,
    PAGE,
    PROCESS,
    STATUS,
)
from tray.formats.file_note import FileNote, Stored
from tray.formats.made import Made
from tray.formats.pieces import Pieces
from tray.formats.spool import Spool
from tray.formats.stretches import Stretches
from tray.lean import TYPE_CHECKING
from tray.model import Module, Snapshot, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO, Self

    from tray.formats.core_head import Note

_SMALL = frozenset({NT_PRSTATUS, NT_PRPSINFO, NT_SIGINFO, NT_AUXV})
"""Notes that tell who waits for what; the others are most of the bytes."""
_ALL = _SMALL | {NT_FILE, NT_FPREGSET, NT_X86_XSTATE}
_ACCESS = ("---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx")
"""By PF_X, PF_W and PF_R."""


class Core:
    """An open core file, ours or the kernel's or gdb's; `close` it.

    Attributes:
        snapshot: What it says, without the memory.
        memory: See `Stretches.memory`.
        format: As in `Captured`.
        comment: Always empty: a core file has no place for one.
        crash: Always None: why it was written stands with its threads.

    Args:
        file: Open for reading; `close` closes it.
        whole: Also bring each thread's floating-point and vector registers, most of the notes,
            and the list of what memory there is, which `modules` needs; who waits for whom is found
            without. The list of mapped files then stays in the file, and little memory is taken
            whatever the dump; what does not fit lies in a file without a name beside it.

    Raises:
        BadDump: It is no x86-64 core file, or its head is damaged.
    """

    format = "elf-core"
    comment = ""
    crash = None

    def __init__(self, file: BinaryIO, *, whole: bool = True) -> None:
        self._file = file
        self._spool = Spool(-1 if whole else file.fileno())
        self._head = Head(file)
        self._size = os.fstat(file.fileno()).st_size
        self._code: set[int] = set()
        self.missing = 0
        """Bytes that the headers promise and the file does not have: it was cut."""
        pieces, about = Pieces(), dict[int, bytes]()
        places = self._places(pieces if whole else None)
        self.memory = Stretches(places, self._head.at, None if whole else self._spool).memory
        threads = _threads(self._head, about) if whole else Statuses(self._head, about)
        files = threads.files if isinstance(threads, Statuses) else about.get(NT_FILE, b"")
        self.snapshot = _snapshot(threads, about, pieces.sorted(), FileNote(files))

    def _places(self, pieces: Pieces | None) -> Iterator[tuple[int, int, int]]:
        """Where each stored stretch of memory is, in one pass that also takes note of everything else about them."""
        for kind, flags, offset, start, _, stored, size, _ in self._head.programs():
            if kind != elf.PT_LOAD or not size:
                continue
            if pieces is not None:
                pieces.add(start, size, min(stored, size), _ACCESS[flags & 7])
            if offset + stored > self._size:
                self.missing += min(stored, offset + stored - self._size)
            if pieces is not None and flags & elf.PF_X:
                self._code.add(start)
            if stored:
                yield start, stored, offset

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._spool.close()
        self._file.close()

    def modules(self) -> Iterator[Module]:
        """Executable and libraries: the mapped files that begin with an ELF header, in file-note order.

        A file whose first page the dump does not hold counts as a module if part of it is code.
        """
        found: dict[str, tuple[int, int, int, bool]] = {}
        for one in self.snapshot.mappings:
            start, end, offset, code = found.get(one.path, (one.start, one.end, one.offset, False))
            code = code or one.start in self._code
            found[one.path] = min(start, one.start), max(end, one.end), offset, code
        for path, (start, end, offset, code) in found.items():
            image = self.memory(start, PAGE) if offset == 0 else b""
            if image.startswith(elf.MAGIC[:4]) or (not image and code):
                yield Module(path, start, end, elf.build_id(image))


def read(path: str | os.PathLike[str]) -> Core:
    """Open a core file.

    Raises:
        BadDump: It is none, or damaged.
        OSError: It cannot be opened.
    """
    file = open(path, "rb", buffering=0)  # noqa: SIM115, PTH123 - Core closes it
    try:
        return Core(file)
    except BaseException:
        file.close()
        raise


def verified(file: BinaryIO, threads: int) -> Core:
    """A core file of ours, read without ``whole``, that is whole: one status note a thread, and room for all memory.

    Raises:
        BadDump: It is not; the text says what is missing.
    """
    read = Core(file, whole=False)
    if (found := len(read.snapshot.threads)) != threads:
        raise BadDump(f"It holds {found} of {threads} threads.")
    if read.missing:
        raise BadDump(f"{read.missing} bytes of memory are missing at its end.")
    return read


class Statuses(Made[Thread]):
    """The threads of a core file, of each no more than its id and its general registers.

    Args:
        head: Of the file.
        about: Gets the notes about the process, and the first thread's status.

    Raises:
        BadDump: The notes are damaged.
    """

    def __init__(self, head: Head, about: dict[int, bytes]) -> None:
        self.rows: list[tuple[int, bytes]] = []
        """Id and registers of each."""
        self.files: bytes | Stored = b""
        """The list of mapped files, which stays in the file."""
        position, end = head.notes_at()
        while position < end:
            position = self._some(head, position, end, about)

    def _some(self, head: Head, position: int, end: int, about: dict[int, bytes]) -> int:
        """Take two threads, and all behind these that have the same notes as the second; gives where they end."""
        begins: list[int] = []
        for begin, owner, kind, payload in head.notes(position, end, _SMALL):
            if owner != "CORE":
                continue
            about.setdefault(kind, payload)
            if kind == NT_FILE:
                self.files = head.stored(begin)
            if kind == NT_PRSTATUS:
                if len(begins) == 2:  # noqa: PLR2004
                    size, before = begin - begins[1], len(self.rows)
                    self.rows += head.alike(begin, end, size)
                    return begin + (len(self.rows) - before) * size
                begins.append(begin)
                status = _status(payload)
                self.rows.append((status[4], status[9]))
        return end

    def __len__(self) -> int:
        return len(self.rows)

    def made(self, index: int) -> Thread:
        """One of them; see `Made`."""
        tid, registers = self.rows[index]
        return Thread(tid, registers=registers)


def registers(threads: Sequence[Thread]) -> Sequence[tuple[int, bytes]]:
    """Id and general registers of each thread."""
    return threads.rows if isinstance(threads, Statuses) else [(one.tid, one.registers) for one in threads]


def _snapshot(
    threads: Sequence[Thread], about: Mapping[int, bytes], memory: Pieces, files: FileNote
) -> Snapshot:
    """What the notes say."""
    if not threads:
        raise BadDump("The core file names no thread.")
    process = _process(about.get(NT_PRPSINFO, b""), threads[0].tid, _status(about[NT_PRSTATUS])[5])
    return Snapshot(
        **process,
        threads=threads,
        memory=memory,
        mappings=files,
        auxv=about.get(NT_AUXV, b""),
    )


def _threads(head: Head, about: dict[int, bytes]) -> tuple[Thread, ...]:
    """The threads with all that is known of them; ``about`` as for `Statuses`."""
    found = list(_each(head.notes(*head.notes_at(), _ALL), about))
    if found and (signal := about.get(NT_SIGINFO, b"")).strip(b"\0"):
        first = found[0]
        found[0] = Thread(first.tid, "", "", "", first.registers, first.floating, first.extended, signal)
    return tuple(found)


def _each(notes: Iterable[Note], about: dict[int, bytes]) -> Iterator[Thread]:
    """Each thread as soon as its notes are through."""
    fields: dict[str, bytes] = {}
    for _, owner, kind, payload in notes:
        if kind == NT_X86_XSTATE and owner == "LINUX" and fields:
            fields["extended"] = payload
        elif owner != "CORE":
            continue
        elif kind == NT_PRSTATUS:
            if fields:
                yield _thread(**fields)
            about.setdefault(kind, payload)
            fields = {"note": payload}
        elif kind == NT_FPREGSET and fields:
            fields["floating"] = payload
        else:
            about.setdefault(kind, payload)
    if fields:
        yield _thread(**fields)


def _thread(note: bytes, floating: bytes = b"", extended: bytes = b"") -> Thread:
    status = _status(note)
    return Thread(status[4], registers=status[9], floating=floating, extended=extended)


def _status(note: bytes) -> tuple[Any, ...]:
    """The fields of `STATUS`."""
    if len(note) != STATUS.size:
        raise BadDump("A thread's note has a size that x86-64 does not have.")
    return STATUS.unpack(note)


def _process(note: bytes, pid: int, parent: int) -> dict[str, Any]:
    """Fields of `Snapshot` from an NT_PRPSINFO note."""
    if len(note) != PROCESS.size:
        return {"pid": pid, "parent": parent}
    fields = PROCESS.unpack(note)
    return {
        "pid": fields[7],
        "parent": fields[8],
        "uid": fields[5],
        "gid": fields[6],
        "state": fields[1].decode("latin-1"),
        "name": _text(fields[11]),
        "arguments": _text(fields[12]).rstrip(),
    }


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
