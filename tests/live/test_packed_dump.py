"""A packed dump of a real program: gdb and our own reader see in it what they see in a plain one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tray import packed

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.linux, pytest.mark.ptrace, pytest.mark.gdb]


def hangshot(*words: object, scratch: Path, **settings) -> subprocess.CompletedProcess[str]:
    """Run a command that unpacks in ``scratch``."""
    scratch.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "tray", *map(str, words)],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True, text=True, check=True, timeout=120, **settings,
    )  # fmt: skip


def test_packed_and_plain_tell_the_same(target, tmp_path: Path) -> None:
    """The packed one is smaller; both have the same threads and calls, and nothing unpacked is left."""
    program, scratch = target("threads"), tmp_path / "scratch"
    paths = []
    for kind in ("none", "zstd"):
        folder = tmp_path / kind
        words = (
            "dump",
            program.pid,
            "--mode",
            "heap",
            "--compress",
            kind,
            "--output",
            f"{folder}/",
            "--json",
        )
        event = json.loads(hangshot(*words, scratch=scratch).stdout.splitlines()[-1])
        paths.append(Path(event["path"]))
        assert event["size"] == paths[-1].stat().st_size
    plain, packed = paths
    assert (plain.suffix, "".join(packed.suffixes[-2:])) == (".core", ".core.zst")
    assert packed.stat().st_size < plain.stat().st_size
    told = [json.loads(hangshot("inspect", path, "--json", scratch=scratch).stdout) for path in paths]
    calls = [
        {one["tid"]: [frame["function"] for frame in one["frames"]] for one in each["threads"]}
        for each in told
    ]
    assert calls[0] == calls[1]
    assert len(calls[0]) == len(program.tids)
    assert not list(scratch.iterdir())


def test_a_packed_dump_that_was_given_a_name(target, tmp_path: Path) -> None:
    """It ends in what it is, the user is told, and it is read by that name."""
    program, chosen = target("threads"), tmp_path / "mine.core"
    done = hangshot(
        "dump", program.pid, "--compress", "zstd", "--output", chosen, scratch=tmp_path / "scratch"
    )
    assert done.stdout == f"{chosen}.zst\n"
    assert ".zst was added to its name" in done.stderr
    assert not chosen.exists()
    told = json.loads(hangshot("inspect", f"{chosen}.zst", "--json", scratch=tmp_path / "scratch").stdout)
    assert {one["tid"] for one in told["threads"]} == {*program.tids}


def test_a_packed_dump_opens_in_gdb(target, tmp_path: Path) -> None:
    """``open --debugger`` unpacks it for gdb, which names the frames, and tidies up."""
    program, scratch = target("threads"), tmp_path / "scratch"
    words = ("dump", program.pid, "--compress", "zstd", "--output", f"{tmp_path}/", "--json")
    event = json.loads(hangshot(*words, scratch=scratch).stdout.splitlines()[-1])
    asked = hangshot("open", event["path"], "--debugger", scratch=scratch, input="bt\nquit\n")
    assert "main" in asked.stdout, asked.stdout + asked.stderr
    assert not list(scratch.iterdir())


KILLED = """
import os, signal, sys, tempfile
from pathlib import Path
from tray import packed
tempfile.tempdir = sys.argv[1]
print(packed.plain(Path(sys.argv[2])), flush=True)
sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_reader_unpacked_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next that unpacks something, but not as long as its reader lives; and nobody else's folder does."""
    scratch, path, raw = tmp_path / "scratch", tmp_path / "dump.core.zst", tmp_path / "raw"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    raw.write_bytes(b"x" * (1 << 20))
    with raw.open("rb") as source, path.open("w+b", buffering=0) as made:
        packed.pack(source, made)
    other = scratch / f"{packed._PREFIX}notes"
    other.mkdir(mode=0o700)
    (other / "notes.txt").write_text("mine")
    words = [sys.executable, "-c", KILLED, str(scratch), str(path)]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout
        unpacked = Path(reader.stdout.readline().strip())
        assert unpacked.stat().st_mode & 0o777 == 0o600
        packed.sweep(scratch)
        assert unpacked.exists()
        reader.communicate()
    assert unpacked.exists()
    mine = packed.plain(path)
    assert not unpacked.parent.exists()
    packed.sweep(scratch)
    assert mine.exists()
    assert (other / "notes.txt").exists()
