"""What the demo prints, word for word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tray.commands.demo import opening, told, typed
from tray.store import reason
from tray.verdicts import Verdict, VerdictKind, Wait, WaitKind

if TYPE_CHECKING:
    import pytest

DUMPED = {
    "path": "/home/ann/a b/hangshot-demo_70.core",
    "mode": "mini",
    "size": 300_000,
    "allocated": 280_000,
    "frozen_seconds": 0.012,
    "target": {"pid": 70, "name": "hangshot-demo", "executable": "/usr/bin/python3.11"},
    "gaps": [],
    "verdict": json.loads(
        reason.text(
            Verdict(
                VerdictKind.DEADLOCK,
                "Deadlock: worker-1 ↔ worker-2",
                certain=True,
                chain=(
                    Wait(71, "worker-1", WaitKind.MUTEX, "waits for a mutex", 0x1000, 72, "worker-2"),
                    Wait(72, "worker-2", WaitKind.MUTEX, "waits for a mutex", 0x2000, 71, "worker-1"),
                ),
            )
        )
    ),
}


def test_told() -> None:
    """Where the dump is, what it cost, and commands that can be pasted as they are."""
    assert told(DUMPED) == [
        "",
        "Saved: /home/ann/a b/hangshot-demo_70.core",
        "  280 kB, mini; the app stood still for 0.01 s.",
        "",
        "Open it:",
        *(f"  {line}" for line in opening("/usr/bin/python3.11", DUMPED["path"])),
        "  hangshot inspect last",
        "",
        "Deadlock: worker-1 ↔ worker-2.",
        "  worker-1 waits for a mutex at 0x1000 held by worker-2",
        "  worker-2 waits for a mutex at 0x2000 held by worker-1",
    ]


def test_no_verdict() -> None:
    """What was not found is not told from memory."""
    assert told({**DUMPED, "verdict": None})[-1] == "Why it hangs was not found out."


def test_gaps_are_told() -> None:
    """What is missing is not kept quiet."""
    assert told({**DUMPED, "gaps": [{"what": "1-2", "why": "unreadable", "size": 1}]})[2].endswith(
        "0.01 s. Missing: a stretch of memory; see the sidecar."
    )


def test_how_to_open_it_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """In gdb and lldb, by the name that it has here; paths with blanks are quoted as the shell wants them."""
    monkeypatch.setattr("shutil.which", {"lldb-16": "/usr/bin/lldb-16"}.get)
    assert opening("x", "y", "linux")[1].startswith("lldb-16 x --core y ")
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert opening("/usr/bin/python3.11", "/home/ann/a b/c.core", "linux") == [
        "gdb /usr/bin/python3.11 '/home/ann/a b/c.core' -ex 'thread apply all bt'",
        "lldb /usr/bin/python3.11 --core '/home/ann/a b/c.core' -o 'thread backtrace all'",
    ]


def test_how_to_open_it_on_windows() -> None:
    """In WinDbg, with the names of Windows' own functions; a path with blanks is quoted as Windows does it."""
    assert opening("x", r"C:\Users\Ann B\a.dmp", "win32") == [
        r'windbg -z "C:\Users\Ann B\a.dmp" -c ".symfix; .reload; ~*k"'
    ]


def test_our_command_can_be_pasted_too(monkeypatch) -> None:
    """By its path where it is not on the PATH; by its name where it is, or was started as a module."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert typed("/home/ann/.local/bin/hangshot", "linux") == "/home/ann/.local/bin/hangshot"
    assert typed("/home/a b/hangshot", "linux") == "'/home/a b/hangshot'"
    assert typed("/usr/lib/python3/site-packages/tray/__main__.py", "linux") == "hangshot"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert typed("/home/ann/.local/bin/hangshot", "linux") == "hangshot"


def test_our_command_on_windows(monkeypatch) -> None:
    """By the path of whichever of our programs was started; the console finds the extension."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert typed(r"dist\hangshot\hangshot-cli", "win32") == r"dist\hangshot\hangshot-cli"
    assert typed(r"C:\a b\hangshot.com", "win32") == r'"C:\a b\hangshot.com"'
    assert typed(r"C:\Python311\python.exe", "win32") == "hangshot"
