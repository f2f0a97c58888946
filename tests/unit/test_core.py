"""Core files: what is written is read, ours and those of others."""

from __future__ import annotations

import itertools
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import synth
from hypothesis import given
from hypothesis import strategies as st

from tray.errors import BadDump
from tray.formats import core, core_head, core_write, elf
from tray.formats.pieces import Pieces
from tray.model import Memory, Module, Region, Snapshot, Thread

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 4096
small, address = st.integers(0, 2**31 - 1), st.integers(0, 2**64 - 1)
# What survives in the fixed fields of the kernel's notes: no NUL, no space at the end, not too long.
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)
paths = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
registers = st.binary(min_size=216, max_size=216)
threads = st.builds(
    Thread,
    small,
    registers=registers,
    floating=st.sampled_from([b"", b"f" * 512]),
    extended=st.binary(max_size=20),
)
regions = st.builds(
    Region, address, address, st.just(""), st.integers(0, 2**52 - 1).map(lambda n: n * PAGE), paths
)


@st.composite
def memories(draw) -> tuple[Memory, ...]:
    """Stretches that do not overlap."""
    found, start = [], 0
    for _ in range(draw(st.integers(0, 4))):
        start += draw(st.integers(0, 2**40)) * PAGE
        size = draw(st.integers(1, 4)) * PAGE
        stored = draw(st.integers(0, size))
        found.append(Memory(start, size, stored, draw(st.sampled_from(["rwx", "r--", "---", "rw-"]))))
        start += size
    return tuple(found)


snapshots = st.builds(
    Snapshot,
    small,
    small,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.sampled_from("RSDTZW"),
    words,
    words.map(str.rstrip),
    st.lists(threads, min_size=1, max_size=4).map(tuple),
    memories(),
    st.lists(regions, max_size=4).map(tuple),
    st.binary(max_size=64),
)


@given(snapshots, st.sampled_from([b"", b"s" * 128]))
def test_a_snapshot_survives(tmp_path: Path, shown: Snapshot, signal: bytes):
    """read(write(s)) is s, and so is every stored byte."""
    shown = replace(shown, threads=(replace(shown.threads[0], signal=signal), *shown.threads[1:]))
    contents = [bytes([65 + number]) * piece.stored for number, piece in enumerate(shown.memory)]
    path = synth.core_file(tmp_path / "core", shown, contents)
    with core.read(path) as file:
        assert file.snapshot == shown
        assert file.missing == 0
        for piece, content in zip(shown.memory, contents, strict=True):
            assert file.memory(piece.start, piece.size) == content
    with path.open("rb") as raw:
        core.verified(raw, len(shown.threads))


def test_the_layout_is_aligned():
    """Memory lies on page boundaries, as mapping a core file needs; unstored memory takes no room."""
    memory = Pieces(Memory(n << 20, 3 * PAGE, n * 1000) for n in range(5))
    place = core_write.layout(memory, 1001)
    offsets = [offset for _, _, offset in core_write.places(memory, place)]
    assert offsets == [place.start + n * PAGE for n in range(4)]
    assert place.start % PAGE == 0
    assert place.size == place.start + 4 * PAGE
    assert place.table + place.count * elf.PROGRAM.size <= place.start
    assert place.table % 8 == 0


@given(shown=snapshots, area=st.binary(max_size=8), alike=st.booleans())
def test_room_for_notes_is_told_before_they_are_there(*, shown: Snapshot, area: bytes, alike: bool):
    """To the byte where all threads have the same vector registers; else there is more than enough."""
    shown = replace(
        shown, threads=tuple(replace(one, floating=b"f" * 512, extended=area) for one in shown.threads)
    )
    if not alike:
        shown = replace(
            shown, threads=(*shown.threads, replace(shown.threads[0], floating=b"", extended=b""))
        )
    needed = sum(map(len, core_write.notes(shown, lambda thread: (thread.floating, thread.extended))))
    room = core_write.room(len(shown.threads), area, shown.auxv, shown.mappings)
    assert room == needed if alike else room > needed


def test_long_names_are_cut():
    """The fields for name and command line have the kernel's sizes."""
    shown = synth.snapshot(name="n" * 20, arguments="a" * 100)
    block = {kind: payload for _, kind, payload in elf.notes(notes_of(shown))}
    assert len(block[core_write.NT_PRPSINFO]) == 136
    assert len(block[core_write.NT_PRSTATUS]) == 336
    assert block[core_write.NT_PRPSINFO][40:56] == b"n" * 15 + b"\0"
    assert block[core_write.NT_PRPSINFO][56:] == b"a" * 79 + b"\0"


def test_an_unknown_state_is_sleeping():
    """Linux has letters that the note cannot hold, as I for idle."""
    letters = [elf_state(synth.snapshot(state=state)) for state in ("I", "", "Z", "T")]
    assert letters == [(1, b"S", 0), (1, b"S", 0), (4, b"Z", 1), (3, b"T", 0)]


def elf_state(shown: Snapshot) -> tuple[int, bytes, int]:
    """State, its letter, and whether it is a zombie, in the note."""
    [payload] = [payload for _, kind, payload in elf.notes(notes_of(shown)) if kind == core_write.NT_PRPSINFO]
    return struct.unpack_from("<BcB", payload)


def notes_of(shown: Snapshot) -> bytes:
    """The notes of a core file without memory."""
    head = synth.head(shown)
    table = elf.HEADER.unpack_from(head)[5]
    note = next(elf.programs(head[table : table + elf.PROGRAM.size]))
    return head[note.offset : note.offset + note.filesz]


def test_notes_come_in_the_order_of_the_kernel():
    """Process-wide notes stand inside the first thread: lldb hangs on those after the last."""
    shown = synth.snapshot(replace(synth.thread(1), extended=b"avx"), synth.thread(2))
    kinds = [kind for _, kind, _ in elf.notes(notes_of(shown))]
    whole = [core_write.NT_PRPSINFO, core_write.NT_SIGINFO, core_write.NT_AUXV, core_write.NT_FILE]
    first = [core_write.NT_PRSTATUS, *whole, core_write.NT_FPREGSET, core_write.NT_X86_XSTATE]
    assert kinds == [*first, core_write.NT_PRSTATUS, core_write.NT_FPREGSET]


def test_very_many_stretches(tmp_path: Path):
    """More program headers than their number's field can tell."""
    count = 65_534
    memory = tuple(Memory(n * 2 * PAGE, PAGE, 0) for n in range(count))
    path = synth.core_file(tmp_path / "core", synth.snapshot(memory=memory))
    with core.read(path) as file:
        assert file.snapshot.memory == memory
    with path.open("rb") as raw:
        core.verified(raw, 1)


def status(tid: int) -> bytes:
    """A thread's note, as others write it: with a signal, and a parent."""
    fields = struct.pack("<12shxxQQiiii64s216si4x", b"", 5, 0, 0, tid, 9, 0, 0, b"", synth.registers(tid), 1)
    return elf.note("CORE", core_write.NT_PRSTATUS, fields)


def foreign(path: Path, notes: bytes, *programs: elf.Program) -> Path:
    """A core file with these notes."""
    table = [elf.Program(elf.PT_NOTE, 0, 64 + 56 * (1 + len(programs)), 0, len(notes), 0, 4), *programs]
    packed = b"".join(program.pack() for program in table)
    path.write_bytes(elf.header(len(table)) + packed + notes)
    return path


def test_a_core_of_gdb(tmp_path: Path):
    """Gdb puts the process first, a siginfo behind every thread, and the rest at the end."""
    whole = struct.pack("<BcBb4xQIIiiii16s80s", 1, b"S", 0, 0, 0, 8, 9, 70, 1, 0, 0, b"app", b"app -x ")
    notes = elf.note("CORE", core_write.NT_PRPSINFO, whole)
    for tid in (71, 70):
        notes += status(tid) + elf.note("CORE", core_write.NT_FPREGSET, b"f" * 512)
        notes += elf.note("LINUX", core_write.NT_X86_XSTATE, b"x%d" % tid)
        notes += elf.note("CORE", core_write.NT_SIGINFO, b"%d" % tid + b"i" * 126)
    notes += elf.note("CORE", core_write.NT_AUXV, b"v" * 16)
    notes += elf.note("CORE", core_write.NT_FILE, struct.pack("<5Q", 1, 1, 16, 32, 7) + b"/opt/app\0")
    with core.read(foreign(tmp_path / "core", notes)) as file:
        shown = file.snapshot
    assert (shown.pid, shown.parent, shown.uid, shown.gid) == (70, 1, 8, 9)
    assert (shown.name, shown.arguments, shown.auxv) == ("app", "app -x", b"v" * 16)
    assert [one.tid for one in shown.threads] == [71, 70]
    assert [one.extended for one in shown.threads] == [b"x71", b"x70"]
    assert shown.threads[0].signal == b"71" + b"i" * 126
    assert shown.mappings == (Region(16, 32, "", 7, "/opt/app"),)


def test_a_core_without_the_process(tmp_path: Path):
    """The first thread's number, and the parent that it tells, stand for the process."""
    notes = (
        elf.note("LINUX", core_write.NT_X86_XSTATE, b"nobody's")
        + status(42)
        + elf.note("CORE", core_write.NT_FILE, b"")
    )
    with core.read(foreign(tmp_path / "core", notes)) as file:
        assert (file.snapshot.pid, file.snapshot.parent, file.snapshot.mappings) == (42, 9, ())


def test_an_unreadable_list_of_files(tmp_path: Path):
    """One that promises more than it has is damage; one with too few names ends early."""
    promise = elf.note("CORE", core_write.NT_FILE, struct.pack("<2Q", 1 << 60, 1))
    with pytest.raises(BadDump):
        core.read(foreign(tmp_path / "core", status(1) + promise))
    few = elf.note("CORE", core_write.NT_FILE, struct.pack("<8Q", 2, 1, 0, 1, 0, 1, 2, 0) + b"/one")
    with core.read(foreign(tmp_path / "core", status(1) + few)) as file:
        assert [region.path for region in file.snapshot.mappings] == ["/one"]


def test_modules(tmp_path: Path):
    """Those that begin with ELF, or of which code was mapped; each with its build id."""
    with core.read(synth.core_file(tmp_path / "core")) as file:
        assert list(file.modules()) == [
            Module("/opt/app", synth.CODE, synth.CODE + 6 * PAGE, synth.APP_ID),
            Module("/lib/libc.so.6", synth.LIBRARY, synth.LIBRARY + 2 * PAGE, synth.LIBRARY_ID),
        ]


def test_files_that_are_no_modules(tmp_path: Path):
    """Data is none; code is one even if its first page is not there, or was mapped elsewhere."""
    memory = (
        Memory(0, PAGE, PAGE, "r--"),
        Memory(2 * PAGE, PAGE, 0, "r-x"),
        Memory(4 * PAGE, PAGE, 0, "r--"),
    )
    names = ((0, 0, "/data"), (2 * PAGE, PAGE, "/lost"), (4 * PAGE, 0, "/unread"))
    mappings = tuple(Region(start, start + PAGE, "", offset, path) for start, offset, path in names)
    shown = synth.snapshot(memory=memory, mappings=mappings)
    with core.read(synth.core_file(tmp_path / "core", shown, [b"x" * PAGE, b"", b""])) as file:
        assert list(file.modules()) == [Module("/lost", 2 * PAGE, 3 * PAGE)]


def test_memory_that_is_not_there(tmp_path: Path):
    """Below, between and behind all stretches nothing is read; of a hole neither."""
    memory = (Memory(PAGE, 2 * PAGE, 10), Memory(8 * PAGE, PAGE, 0))
    with core.read(
        synth.core_file(tmp_path / "core", synth.snapshot(memory=memory), [b"0123456789", b""])
    ) as file:
        assert file.memory(PAGE + 4, 3) == b"456"
        assert file.memory(PAGE + 4, 100) == b"456789"
        for start in (0, PAGE + 10, 5 * PAGE, 8 * PAGE, 1 << 60):
            assert file.memory(start, 10) == b""


def test_verify_counts_threads(tmp_path: Path):
    """A lost thread is a damaged dump."""
    with synth.core_file(tmp_path / "core").open("rb") as file:
        core.verified(file, 4)
        with pytest.raises(BadDump, match="4 of 5"):
            core.verified(file, 5)


def test_verify_misses_memory(tmp_path: Path):
    """So is lost memory, by a single byte; the reader tells how much, and shows the rest."""
    path = synth.core_file(tmp_path / "core")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
        with pytest.raises(BadDump, match="1 bytes"):
            core.verified(file, 4)
    with core.read(path) as read:
        assert read.missing == 1
        assert read.snapshot == synth.app()[0]


def test_a_file_that_cannot_be_opened(tmp_path: Path):
    """Is the caller's business."""
    with pytest.raises(OSError, match="No such file"):
        core.read(tmp_path / "nothing")


def test_write_wants_the_contents_of_every_stretch(tmp_path: Path):
    """Too few contents are a mistake of the caller's."""
    with (tmp_path / "core").open("w+b") as file, pytest.raises(ValueError, match="shorter"):
        core_write.write(synth.snapshot(memory=(Memory(0, PAGE, 1),)), file, [])


def test_lean_reading_leaves_out_vectors(tmp_path: Path):
    """For the verdict the general registers do: the rest, most of the notes, is not read."""
    shown = synth.snapshot(replace(synth.thread(1), extended=b"avx"), synth.thread(2))
    with synth.core_file(tmp_path / "core", shown).open("rb") as file:
        [first, second] = core.Core(file, whole=False).snapshot.threads
    assert (first.registers, second.registers) == tuple(one.registers for one in shown.threads)
    assert (first.floating, first.extended, second.floating) == (b"", b"", b"")


def test_lean_reading_finds_the_same_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A crowd whose notes look alike is read at once; where some look different, one by one, and none is missed."""
    monkeypatch.setattr(core_head, "_WINDOW", 5000)
    extended = [b"", b"", b"avx" * 9, b"avx" * 9, b"avx" * 9, b"", b"a" * 6000, b"a" * 6000, b"a" * 6000]
    extended += [b"x"] * 40 + [b"y" * 2, b""]
    shown = synth.snapshot(
        *(
            replace(synth.thread(100 + number, pc=number), extended=some)
            for number, some in enumerate(extended)
        )
    )
    with synth.core_file(tmp_path / "core", shown).open("rb") as file:
        found = core.verified(file, len(extended)).snapshot
    expected = [(one.tid, one.registers) for one in shown.threads]
    assert core.registers(found.threads) == core.registers(shown.threads) == expected
    assert [(one.tid, one.registers) for one in found.threads] == expected
    assert found.mappings == shown.mappings


def test_many_stretches_in_little_room():
    """A list of stretches gives back what was put in, sorted on demand, whatever their number."""
    pieces = [Memory(n << 20, PAGE, n % 3 * 1000, ("rw-", "r-x")[n % 2]) for n in range(3000, 0, -1)]
    found = Pieces(pieces)
    assert found == pieces
    assert found[-1] == pieces[-1]
    assert found[1:3] == pieces[1:3]
    assert found.sorted() == pieces[::-1]
    assert found.sorted().sorted() != pieces
    assert found != pieces[1:]
    place = core_write.layout(found, 100)
    blocks = [*core_write.headers(found, place)]
    assert [at for at, _ in blocks][:2] == [0, place.table]
    assert sum(len(block) for _, block in blocks[1:]) == 3001 * elf.PROGRAM.size
    assert all(one[0] + len(one[1]) == other[0] for one, other in itertools.pairwise(blocks[1:]))
