"""The worker as the tray starts it: without a console, told by lines, in the width of its target."""

from __future__ import annotations

import ctypes
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from judges_windbg import accepted, stacks, windbg
from windows_worker import ROOT, STALLED, Asked, files, with_32

from tray.program import command, narrow
from tray.worker import LAST

WIDTH = ctypes.sizeof(ctypes.c_void_p) * 8
I386 = 0


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is started finds our package."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_dumps(program, tmp_path: Path):
    """The line is a request, the answer a dump, and the input that stays open keeps nobody waiting."""
    target = program("deadlock", bits=WIDTH)
    asked = Asked(tmp_path / "dumps")
    asked.ask(target.pid, "mini")
    event = asked.until("dumped")
    assert accepted(Path(event["path"]))
    assert len(files(asked.folder)) == 2


def test_cancel(program, tmp_path: Path):
    """In the midst of a big dump; the target runs on, and nothing is left of the file."""
    target = program("big_heap", 512, bits=WIDTH)
    asked = Asked(tmp_path / "dumps")
    asked.assert_cancelled(target)


def test_cancel_before_the_request(tmp_path: Path):
    """A worker that still waits for one ends as politely."""
    asked = Asked(tmp_path)
    asked.worker.cancel()
    assert asked.until(*LAST)["error"] == "Cancelled"


def test_the_end_of_the_input_is_no_cancel(program, tmp_path: Path):
    """When the tray dies in the midst of a dump, the dump is finished."""
    target = program("big_heap", 64, bits=WIDTH)
    asked = Asked(tmp_path / "dumps")
    asked.ask(target.pid, "full")
    asked.until("started")
    asked.worker._process.stdin.close()
    assert accepted(Path(asked.until("dumped")["path"]))


def machine(dump: Path) -> int:
    """ProcessorArchitecture of its system stream: 0 is x86, 9 is AMD64."""
    content = dump.read_bytes()
    count, at = struct.unpack_from("<II", content, 8)
    for number in range(count):
        kind, _, place = struct.unpack_from("<III", content, at + 12 * number)
        if kind == 7:
            return struct.unpack_from("<H", content, place)[0]
    raise AssertionError("no system stream")


@pytest.mark.parametrize("mode", ["mini", "full"])
def test_a_dump_that_hangs_is_tried_without_handles(program, tmp_path: Path, mode: str):
    """Once, in a fresh process; the target was let go before, and what is missing is told."""
    target = program("deadlock", bits=WIDTH)
    asked = Asked(tmp_path / "dumps", [sys.executable, "-c", STALLED, "dump", "--json", "--request"])
    asked.ask(target.pid, mode)
    event = asked.until("dumped")
    assert [(gap["what"], gap["why"]) for gap in event["gaps"]] == [
        ("handles", "listing them made Windows' dbghelp hang")
    ]
    assert len(files(asked.folder)) == 2
    assert set(accepted(Path(event["path"]))) == set(target.tids)


def test_a_dump_that_hangs_on_the_command_line(program, tmp_path: Path):
    """The same, and the exit code is that of the second try."""
    target = program("deadlock", bits=WIDTH)
    words = [sys.executable, "-c", STALLED, "dump", str(target.pid), "--output", f"{tmp_path}\\"]
    ended = subprocess.run(words, capture_output=True, check=True, stdin=subprocess.DEVNULL, text=True)
    assert "missing: handles" in ended.stderr
    assert accepted(Path(ended.stdout.strip()))


@pytest.mark.wide  # is about the 64-bit program
@pytest.mark.parametrize("mode", ["mini", "full"])
def test_a_32_bit_target_gets_a_32_bit_dump(program, tmp_path: Path, mode: str):
    """By the 32-bit worker; its own engine names the deadlock, and nothing is missing."""
    target = program("deadlock", bits=32)
    asked = Asked(tmp_path / "dumps", with_32())
    asked.ask(target.pid, mode)
    event = asked.until("dumped")
    path = Path(event["path"])
    assert (machine(path), event["gaps"]) == (I386, [])
    assert set(accepted(path)) == set(target.tids)
    printed = windbg(path, "~*k", bits=32)
    for tid in map(int, target.words):
        names = stacks(printed)[tid]
        assert names.index("ntdll!RtlEnterCriticalSection") < names.index("deadlock!take_second"), printed


@pytest.mark.wide  # is about the 64-bit program
def test_on_the_command_line(program, tmp_path: Path):
    """``hangshot dump PID`` does the same, with the options that it was given."""
    target = program("deadlock", bits=32)
    words = [*with_32()[:3], "dump", str(target.pid), "--mode", "heap", "--json", "--output", f"{tmp_path}\\"]
    ended = subprocess.run(words, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    event = json.loads(ended.stdout.splitlines()[-1])
    path = Path(event["path"])
    assert (event["mode"], path.parent, machine(path)) == ("heap", tmp_path, I386)


@pytest.mark.wide  # is about the 64-bit program
def test_cancel_of_a_32_bit_worker(program, tmp_path: Path):
    """It is passed on."""
    target = program("big_heap", 512, bits=32)
    asked = Asked(tmp_path / "dumps", with_32())
    asked.assert_cancelled(target)


@pytest.mark.wide  # is about the 64-bit program
def test_a_32_bit_worker_ends_with_ours(program, tmp_path: Path, expected_warnings):
    """Whoever ends the worker that was started ends both; no thread stays suspended."""
    target = program("big_heap", 512, bits=32)
    asked = Asked(tmp_path / "dumps", with_32())
    asked.ask(target.pid, "full")
    asked.until("progress")
    asked.worker.kill()
    assert asked.until(*LAST)["error"] == "CaptureFailed"
    target.assert_unharmed()


@pytest.mark.wide  # is about the 64-bit program
def test_without_a_32_bit_worker(program, tmp_path: Path, expected_warnings):
    """A 64-bit dump where Windows gives one, with the word how to read it; a plain failure where not (Wine)."""
    target = program("deadlock", bits=32)
    asked = Asked(tmp_path / "dumps")
    asked.ask(target.pid, "mini")
    event = asked.until(*LAST)
    if event["event"] == "dumped":
        assert "wow64exts" in event["gaps"][0]["what"]
    else:
        assert event["error"] == "CaptureFailed"
        assert files(asked.folder) == []
    target.assert_unharmed()


def test_command():
    """From source the worker is this interpreter; no other width is known."""
    assert command("dump")[0] == sys.executable
    assert narrow() == []
