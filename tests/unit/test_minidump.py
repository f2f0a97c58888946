"""Minidumps: what is read from one is what is in it, whoever wrote it; and ours are seen to be whole."""

from __future__ import annotations

import io
import struct
import tempfile
from typing import TYPE_CHECKING

import pytest
import synth_minidump as synth
from hypothesis import given, settings
from hypothesis import strategies as st
from synth_minidump import CODE, HEAP, STACK, Process

from tray import reports
from tray.errors import BadDump
from tray.formats import minidump, minidump_crash, minidump_threads
from tray.model import Memory
from tray.reports import brief, render, threads

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def read(tmp_path: Path):
    """Reads the minidump of a process."""

    def read(process: Process | None = None) -> minidump.Minidump:
        with minidump.read(synth.minidump_file(tmp_path / "app.dmp", process)) as found:
            return found

    return read


def test_who_it_shows(read):
    """Pid, name and command line; the last from the process's own memory."""
    found = read()
    assert (found.snapshot.pid, found.snapshot.name) == (70, "app.exe")
    assert found.snapshot.arguments == synth.COMMAND
    assert found.comment == "Hangshot; mode mini"
    assert found.missing == 0


def test_threads(read):
    """In the file's order, with their registers where readers of core files look for them."""
    threads = {7: synth.context(pc=5, sp=6, rax=1, r15=2), 9: synth.context()}
    found = read(Process.usual(threads=threads)).snapshot.threads
    assert [thread.tid for thread in found] == [7, 9]
    registers = struct.unpack("<27Q", found[0].registers)
    assert (registers[16], registers[19], registers[10], registers[0]) == (5, 6, 1, 2)
    assert found[0].floating == b"\x7f" * 512


def test_a_32_bit_process(read):
    """Its registers are widened."""
    found = read(Process.usual(architecture=0, threads={7: synth.context_32(pc=5, sp=6, eax=0xFFFFFFFF)}))
    registers = struct.unpack("<27Q", found.snapshot.threads[0].registers)
    assert (registers[16], registers[19], registers[10]) == (5, 6, 0xFFFFFFFF)


def test_a_context_of_unknown_size(read):
    """Says nothing, and costs nothing else."""
    assert read(Process.usual(threads={7: b"x" * 100})).snapshot.threads[0].registers == b""


def test_modules(read):
    """The executable first, with what symbol servers know them by."""
    found = list(read().modules())
    assert [(one.path, one.start, one.end) for one in found] == [
        (r"C:\app\app.exe", CODE, CODE + 0x5000),
        (r"C:\Windows\ntdll.dll", 0x7FF000000, 0x7FF009000),
    ]
    assert found[0].build_id == synth.BUILD_ID


@pytest.mark.parametrize("full", [False, True])
def test_memory(tmp_path: Path, full: bool):  # noqa: FBT001
    """Both lists hold it; nothing is read beyond a stretch."""
    with minidump.read(synth.minidump_file(tmp_path / "dmp", Process.usual(full=full))) as found:
        assert found.memory(HEAP + 4090, 100) == b"h" * 6
        assert found.memory(HEAP, 3) == b"hhh"
        assert found.memory(HEAP - 1, 3) == b""
        assert found.memory(0, 8) == b""


def test_what_is_not_in_the_dump_is_shown_too(read):
    """A stretch of the map around what is kept, in pieces that do not overlap."""
    found = read().snapshot.memory
    assert Memory(STACK - 0x1000, 0x1000, 0, "rw-") in found
    assert Memory(STACK, 512, 512, "rw-") in found
    assert Memory(STACK + 512, 0x2000 - 512, 0, "rw-") in found
    assert Memory(CODE, 0x5000, 0, "r-x") in found
    assert Memory(0x700000, 0x2000, 0, "r--") in found
    assert not [piece for piece in found if piece.start == 0x600000]


ADDRESSES = st.integers(0, 60)


@settings(max_examples=200)
@given(
    held=st.dictionaries(ADDRESSES, st.integers(1, 9), max_size=6),
    mapped=st.dictionaries(ADDRESSES, st.integers(1, 20), max_size=6),
)
def test_any_memory(tmp_path_factory, held: dict[int, int], mapped: dict[int, int]):
    """Whatever overlaps, each address is told once, and stored if and only if the dump holds it."""
    process = Process(memory={at: bytes([at + 1]) * size for at, size in held.items()})
    process.map = [(at, size, 0x1000, 4, 0x20000) for at, size in mapped.items()]
    with minidump.read(synth.minidump_file(tmp_path_factory.mktemp("d") / "dmp", process)) as found:
        told = [at for piece in found.snapshot.memory for at in range(piece.start, piece.start + piece.size)]
        stored = {
            at for piece in found.snapshot.memory for at in range(piece.start, piece.start + piece.stored)
        }
    everything = {at + i for spans in (held, mapped) for at, size in spans.items() for i in range(size)}
    assert told == sorted(everything)
    assert stored == {at + i for at, size in held.items() for i in range(size)}


def test_verify_passes_a_whole_one():
    """As many threads as were captured, modules, and all the memory."""
    with _file(synth.build()) as file:
        minidump.verify(file, 2)


@pytest.mark.parametrize(
    ("content", "threads", "cause"),
    [
        (synth.build(), 3, "2 of 3 threads"),
        (synth.build(Process.usual(threads={})), 0, "0 of 0 threads"),
        (synth.build()[:-100], 2, "streams"),
        (synth.build(Process.usual(full=True))[:-100], 2, "100 bytes"),
        (synth.build()[:40], 2, "list of streams"),
        (synth.build()[:20], 2, "no minidump"),
        (b"", 2, "no minidump"),
        (synth.build()[:32] + b"\0" * 4096, 2, "which processor"),
        (b"MDMP" + b"\0" * 4096, 2, "header"),
        (synth.build(Process.usual(architecture=12)), 2, "other than x86"),
    ],
)
def test_verify_says_what_is_wrong(content: bytes, threads: int, cause: str):
    """A half file, or a directory of zeros, never gets a dump's name."""
    with _file(content) as file, pytest.raises(BadDump, match=cause):
        minidump.verify(file, threads)


def test_verify_wants_modules():
    """A dump without modules tells no stack."""
    content = bytearray(synth.build())
    content[32 + 12 * 4] = 0x77  # another stream's number
    with _file(bytes(content)) as file, pytest.raises(BadDump, match="modules"):
        minidump.verify(file, 2)


def test_a_report(tmp_path: Path):
    """It is made for minidumps as for core files, whatever the file is called."""
    report = reports.make(synth.minidump_file(tmp_path / "called.core"), None)
    text = render.text(report)
    assert "minidump, " in text
    assert "comment   Hangshot; mode mini" in text
    assert "app.exe+0x1000" in text
    assert render.as_json(report)["format"] == "minidump"


def _file(content: bytes):
    """An open file of these bytes, with a descriptor."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the tests close it
    file.write(content)
    file.seek(0, io.SEEK_SET)
    return file


@pytest.mark.parametrize(
    ("exception", "sentence"),
    [
        (
            (71, 0xC0000005, CODE + 0x10, 1, 0x18),
            "thread 71 raised exception 0xc0000005 (access violation: 0x18 could not be written) at app.exe+0x10",
        ),
        ((70, 0xC0000005, 0x10, 5, 5), "thread 70 raised exception 0xc0000005 (access violation) at 0x10"),
        ((70, 0xC0000094, CODE), "thread 70 raised exception 0xc0000094 (division by zero) at app.exe+0x0"),
        ((70, 0x1234, CODE), "thread 70 raised exception 0x1234 at app.exe+0x0"),
    ],
)
def test_a_crash_is_told(tmp_path: Path, exception: tuple[int, ...], sentence: str):
    """Which thread raised what and where, as another tool's dump says; its thread comes first."""
    path = synth.minidump_file(tmp_path / "app.dmp", Process.usual(exception=exception))
    report = reports.make(path, None)
    assert f"  crash     {sentence}\n" in render.text(report)
    assert sentence in brief.text(report)
    assert render.as_json(report)["crash"]["tid"] == exception[0]
    assert threads.matter(report) == (exception[0],)


def test_a_hang_is_no_crash(read):
    """Neither without the stream, nor with an empty one, nor with one that is cut."""
    assert read().crash is None
    assert read(Process.usual(exception=(0, 0, 0))).crash is None
    assert minidump_crash.crash(b"\1" * 30) is None


def test_threads_have_names(read):
    """Where the dump has them; Windows 10 and later write them."""
    found = read(Process.usual(names={71: "worker \N{SNOWMAN}", 99: "gone"}))
    assert [thread.name for thread in found.snapshot.threads] == ["", "worker \N{SNOWMAN}"]


def test_damaged_names_are_no_error():
    """A list that is cut off gives what there is."""
    assert minidump_threads.names(struct.pack("<IIQI", 5, 70, 100, 71)) == {70: 100}
    assert minidump_threads.names(b"") == {}


def test_pdbs(tmp_path: Path):
    """As the linker wrote their paths."""
    with minidump.read(synth.minidump_file(tmp_path / "app.dmp")) as found:
        assert list(found.pdbs()) == [(module.start, "app.pdb") for module in found.modules()]
