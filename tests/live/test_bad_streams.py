"""Whoever starts us may have closed our streams, or point them at a full disk: the dump is taken, and is told."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import dumping
import pytest

if TYPE_CHECKING:
    from programs import Program

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]


def said(folder: Path, words: list[str], streams: str) -> subprocess.CompletedProcess[str]:
    """What a command of ours says with its streams redirected as a shell does."""
    environment = dumping.environment(folder) | {"PYTHONUNBUFFERED": ""}
    return subprocess.run(
        ["sh", "-c", f"{shlex.join(words)} {streams}"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=Path(__file__).parents[2],
    )


@pytest.fixture
def program(target) -> Program:
    """Something to dump."""
    return target("threads")


@pytest.mark.parametrize("streams", ["2>/dev/full", "2>&-", "<&- 2>&-"])
def test_without_talk_the_path_comes_all_the_same(program: Program, tmp_path: Path, streams: str) -> None:
    """And the dump is whole: nothing of what was said went into it."""
    output = tmp_path / "a.core"
    result = said(tmp_path, dumping.command("dump", program.pid, "--output", output), streams)
    assert (result.returncode, result.stdout) == (0, f"{output}\n")
    assert output.read_bytes().startswith(b"\x7fELF")
    assert output.with_suffix(".txt").exists()


def test_without_any_stream(program: Program, tmp_path: Path) -> None:
    """As a program may start us that has none itself."""
    output = tmp_path / "a.core"
    result = said(tmp_path, dumping.command("dump", program.pid, "--output", output), "<&- >&- 2>&-")
    assert result.returncode == 0
    assert output.read_bytes().startswith(b"\x7fELF")


def test_a_path_that_cannot_be_printed_is_told(program: Program, tmp_path: Path) -> None:
    """The dump is there, so it is said where."""
    output = tmp_path / "a.core"
    result = said(tmp_path, dumping.command("dump", program.pid, "--output", output), ">/dev/full")
    assert result.returncode == 1
    assert "could not be printed: No space left on device." in result.stderr
    assert f"It is {output}" in result.stderr
    assert "Traceback" not in result.stderr
    assert output.exists()


@pytest.mark.parametrize(
    "command", ["list --json", "doctor", "hotkey", "--version", "--help", "inspect", "demo"]
)
def test_a_full_disk_behind_standard_output_is_told(program: Program, tmp_path: Path, command: str) -> None:
    """In a sentence, with what to do, for every command."""
    subprocess.run(
        dumping.command("dump", program.pid),
        env=dumping.environment(tmp_path),
        check=True,
        capture_output=True,
    )
    result = said(tmp_path, dumping.command(*command.split()), ">/dev/full")
    assert result.returncode == 1
    assert "Standard output cannot be written: No space left on device." in result.stderr
    assert "Traceback" not in result.stderr
