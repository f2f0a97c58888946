"""What a person reads about a dump, word for word, and what a program gets."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import synth

from tray import reports
from tray.errors import BadDump, NoDump
from tray.formats.pieces import Pieces
from tray.model import Frame, Gap, Memory, Report, Snapshot, Stack, Target, Thread, Window
from tray.reports import render, stacks

GOLDEN = """\
Nothing wrong seen: worker-70 was running (likely, not proven)

app (70)
  file      {path}
  what      ELF core file, heap mode, {size}
  command   /opt/app --fast
  taken     {taken}, by cli, Hangshot 0.1.0
  pause     stood still for 0.250 s of 1.500 s (stop and copy)
  window    Ein Fenster, was not responding

4 threads

  worker-70 (70)  S in futex_wait
    #0  libc.so.6+0x1234

  3 threads like this: worker (71), worker (72), worker (73)  S in futex_wait
    #0  libc.so.6+0x1500

2 modules
  000000400000-000000406000  {app}  /opt/app
  7f0000000000-7f0000002000  {library}  /lib/libc.so.6

Memory by kind            address space  in the dump  stretches
  heap and other private         1.1 MB       4.1 kB          2
  code                            25 kB       4.1 kB          2
  stack                           12 kB        12 kB          1
  module constants               4.1 kB       4.1 kB          1
  module data                    4.1 kB       4.1 kB          1

1 gap: what this mode should hold and this dump does not
  9000-a000 /dev/x: device memory (VM_IO)"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A core file of `synth.app`."""
    return synth.core_file(tmp_path / "app.core")


def report_of(snapshot: Snapshot, **fields: object) -> Report:
    """A report made by hand, of a dump that lies nowhere."""
    usual = {"path": Path("/dumps/app.core"), "size": 4096, "allocated": 4096, "modules": ()}
    return Report(snapshot=snapshot, **{**usual, **fields})


def section(text: str, start: str) -> list[str]:
    """The lines of one section, without its head."""
    [found] = [part for part in re.split(r"\n\n(?=\S)", text) if re.search(start, part.splitlines()[0])]
    return found.splitlines()[1:]


def test_the_whole_report(path: Path):
    """All that is known of a dump with its sidecar."""
    window = Window(70, "Ein Fenster", hung=True)
    gaps = (Gap("9000-a000 /dev/x", "device memory (VM_IO)", 4096),)
    dump = synth.dump(path, target=Target(70, 7, "app", window=window), gaps=gaps)
    report = replace(reports.make(path, dump), size=40_000, allocated=30_000)
    taken = dump.taken.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    expected = GOLDEN.format(path=path, size="30 kB", taken=taken, app=synth.APP_ID, library=synth.LIBRARY_ID)
    assert [line.rstrip() for line in render.text(report).splitlines()] == expected.splitlines()


def test_without_a_sidecar(path: Path):
    """What the file itself says, and why there is no more."""
    text = render.text(reports.make(path, None))
    assert f"\n\napp (70)\n  file      {path}\n  what      ELF core file, " in text
    assert "  taken " not in text
    assert text.endswith("nor what it lacks.")
    assert section(text, "threads") == [
        "",
        "  70",
        "    #0  libc.so.6+0x1234",
        "",
        "  3 threads like this: 71, 72, 73",
        "    #0  libc.so.6+0x1500",
    ]


@pytest.mark.linux
def test_sizes(path: Path):
    """The file's own, and what it takes on the disk."""
    report = reports.make(path, None)
    assert report.size == path.stat().st_size
    assert report.allocated == path.stat().st_blocks * 512


def test_holes_are_named():
    """A file that looks much bigger than it is says so."""
    big = render.text(report_of(synth.snapshot(), size=70_000_000_000, allocated=270_000_000))
    assert "what      ELF core file, 270 MB on disk (70 GB with its holes)\n" in big
    assert "holes" not in render.text(report_of(synth.snapshot(), size=8192, allocated=4096))


def test_damage_is_named():
    """A file that was cut off says so at its head."""
    assert "\n  DAMAGED   4.1 kB are missing" in render.text(report_of(synth.snapshot(), missing=4096))
    assert "DAMAGED" not in render.text(report_of(synth.snapshot()))


def test_a_nameless_process():
    """Some writers leave it out."""
    assert render.text(report_of(synth.snapshot())).startswith("a process (70)\n")


def test_nothing_is_missing():
    """Is said: silence could mean that nobody looked."""
    dump = synth.dump(Path("/dumps/app.core"))
    assert render.text(report_of(synth.snapshot(), dump=dump)).endswith("\n\nNothing is missing.")


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (Window(70, "Title", hung=True), "Title, was not responding"),
        (Window(70, "Title", hung=False), "Title, was responding"),
        (Window(70), "without a title, cannot tell if it responded"),
    ],
)
def test_windows(window: Window, words: str):
    """Its title, and whether it answered."""
    dump = synth.dump(Path("/dumps/app.core"), target=Target(70, 7, "app", window=window))
    assert f"  window    {words}\n" in render.text(report_of(synth.snapshot(), dump=dump))


def test_equal_threads_are_folded():
    """Those at the same place in the same state; who runs comes first, then the main thread, then the odd ones."""
    threads = [synth.thread(tid, pc=0x1000) for tid in range(70, 80)] + [synth.thread(80, pc=0x2000)]
    names = ["main", "main", *["pool"] * 7, "late", "pool"]
    told = tuple(
        Thread(one.tid, name, "R" if one.tid == 75 else "S")
        for one, name in zip(threads, names, strict=True)
        if one.tid != 79
    )
    dump = synth.dump(Path("/dumps/app.core"), threads=told)
    rows = section(render.text(report_of(synth.snapshot(*threads), dump=dump)), "11 threads")
    folded = "main (70), main (71), pool (72), pool (73), pool (74), pool (76), …"
    assert [row.strip() for row in rows if row and "#0" not in row] == [
        "pool (75)  R",
        f"8 threads like this: {folded}  S",
        "79",
        "pool (80)  S",
    ]


def test_one_thread():
    """Is not threads."""
    assert "\n\n1 thread\n" in render.text(report_of(synth.snapshot()))


def test_very_many_kinds():
    """A report stays readable; the rest is counted."""
    threads = [synth.thread(tid, pc=tid * 16) for tid in range(1, 101)]
    gaps = tuple(Gap(f"thread {n}", "gone") for n in range(50))
    dump = synth.dump(Path("/dumps/app.core"), threads=(), gaps=gaps)
    text = render.text(report_of(synth.snapshot(*threads), dump=dump))
    assert section(text, "100 threads")[-1] == "  … and 60 more threads of 60 kinds"
    assert section(text, "50 gaps")[-1] == "  … and 30 more, in the sidecar"
    assert len(section(text, "50 gaps")) == 21


def test_a_thread_without_registers():
    """Is there, without a call."""
    assert section(render.text(report_of(synth.snapshot(Thread(7)))), "1 thread") == ["", "  7"]


def test_memory_by_kind(tmp_path: Path):
    """A mapped file is no module, memory shared without one is not private, and reserved is not used."""
    shown, contents = synth.app()
    font, shared = (replace(shown.mappings[0], start=at, end=at + 0x1000, path=path) for at, path in (
        (0x9000, "/usr/font"), (0xA000, "/memfd:wayland (deleted)")
    ))  # fmt: skip
    memory = (
        Memory(0x9000, 4096, 0, "r--"),
        Memory(0xA000, 4096, 0, "rw-"),
        Memory(0xB000, 1 << 36, 0, "---"),
    )
    shown = replace(shown, memory=(*memory, *shown.memory), mappings=(*shown.mappings, font, shared))
    path = synth.core_file(tmp_path / "core", shown, [b"", b"", b"", *contents])
    rows = section(render.text(reports.make(path, None)), "Memory by kind")
    assert ["mapped", "file", "4.1", "kB", "0", "B", "1"] in [row.split() for row in rows]
    assert ["shared", "memory", "4.1", "kB", "0", "B", "1"] in [row.split() for row in rows]
    assert rows[-1].split() == ["reserved", "69", "GB", "0", "B", "1"]


def test_memory_is_counted_without_an_object_for_each(path: Path, monkeypatch: pytest.MonkeyPatch):
    """A process may have a million stretches, and somebody waits for the report."""
    report = reports.make(path, None)
    before, told = render.text(report), stacks.Told((Stack(70, (Frame(0x401234),)),))
    read = stacks.read(told, report.snapshot, report.modules)
    assert isinstance(report.snapshot.memory, Pieces)
    monkeypatch.delattr(Pieces, "made")
    assert render.text(report) == before
    assert stacks.read(told, report.snapshot, report.modules) == read


def test_json(path: Path):
    """The same for programs; numbers are numbers, and it is plain JSON."""
    gaps = (Gap("thread 9", "gone", 1),)
    dump = synth.dump(path, gaps=gaps)
    fields = json.loads(json.dumps(render.as_json(reports.make(path, dump))))
    assert (fields["schema"], fields["event"], fields["path"]) == (1, "report", str(path))
    assert fields["target"] == {
        "pid": 70,
        "name": "app",
        "arguments": "/opt/app --fast",
        "uid": 1000,
        "parent": 1,
    }
    assert fields["threads"][1] == {
        "tid": 71,
        "name": "worker",
        "state": "S",
        "waits_in": "futex_wait",
        "pc": synth.LIBRARY + 0x1500,
        "sp": synth.STACK + 2 * synth.PAGE,
    }
    assert fields["modules"][0]["build_id"] == synth.APP_ID
    assert [row["kind"] for row in fields["mappings"]] == [
        "module constants",
        "code",
        "module data",
        "heap and other private",
        "heap and other private",
        "code",
        "stack",
    ]
    assert fields["gaps"] == [{"what": "thread 9", "why": "gone", "size": 1}]
    assert fields["missing"] == 0


def test_json_without_a_sidecar(path: Path):
    """Names and gaps are then unknown, and empty."""
    fields = render.as_json(reports.make(path, None))
    assert fields["gaps"] == []
    assert {row["name"] for row in fields["threads"]} == {""}


def test_what_cannot_be_reported(tmp_path: Path):
    """Nothing, a folder, an empty file, another file."""
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no core file at all, but long enough to look like one " * 9)
    for name in ("nothing", "."):
        with pytest.raises(NoDump, match="cannot be read"):
            reports.make(tmp_path / name, None)
    with pytest.raises(BadDump, match="empty"):
        reports.make(tmp_path / "empty", None)
    with pytest.raises(BadDump, match="neither a core file"):
        reports.make(tmp_path / "text", None)
