"""The help page: one local text file, made when it is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray.program import command
from tray.worker import spawn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAGE = """\
HANGSHOT

An app hangs: press {hotkey} while its window is in front.
A dump of it is saved, and a toast says where. The app is stopped for a moment
while its memory is read, then goes on as before.

You can also click the icon and choose an app under "Recent apps", or type
    hangshot dump NAME          one that you know by name
{foreground}

WHY IT HANGS
"Show report" in the toast, or under "Last dumps" in the menu: a page in your
browser. As text, for a bug tracker, without names, paths and arguments:
    hangshot inspect last --text --redact

HOW TO OPEN A DUMP
    hangshot inspect last       what it is: threads, modules, what is missing
{opening}

MODES
    mini    every thread's stack; small enough to mail
    heap    mini, and the app's own memory
    full    everything that can be read
    triage  the calls alone, for sharing: no variables, texts or command line

A dump holds what the app had in memory, so perhaps passwords and private text.
Hangshot sends nothing anywhere. Look before you share one.

WHERE THINGS ARE
    dumps     {folder}
    settings  {settings}
    log       {log}

WHAT WORKS HERE (hangshot doctor)
{health}
"""


_FOREGROUND = """\
    hangshot dump --foreground  the app in front; bind this to a key where
                                Hangshot can take no hotkey itself (Wayland)"""
_FOREGROUND_ON_WINDOWS = """\
    hangshot dump --foreground  the app in front, for a shortcut of your own
    hangshot hotkey --record    choose another key by pressing it"""

_OPENING = """\
    gdb PROGRAM DUMP.core       then: thread apply all bt
    lldb --core DUMP.core       then: thread backtrace all
PROGRAM is the app's own file; 'hangshot inspect last' names it."""
_OPENING_ON_WINDOWS = """\
    WinDbg                      File, Open dump file; then: ~*k
    Visual Studio               File, Open, File; then: Debug with Native Only
WinDbg comes with: winget install Microsoft.WinDbg. For the names of Windows'
own functions type in it first: .symfix; .reload"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page tells of this computer."""

    hotkey: str
    folder: Path
    settings: Path
    log: Path


def page(facts: Facts, health: str) -> str:
    """The text of the page."""
    hotkey = facts.hotkey or "the hotkey (none works right now, see below)"
    return _PAGE.format(
        hotkey=hotkey,
        foreground=_FOREGROUND_ON_WINDOWS if sys.platform == "win32" else _FOREGROUND,
        opening=_OPENING_ON_WINDOWS if sys.platform == "win32" else _OPENING,
        folder=facts.folder,
        settings=facts.settings,
        log=facts.log,
        health=health.rstrip(),
    )


def write(path: Path, facts: Facts) -> None:
    """Write the page; takes as long as ``hangshot doctor``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(page(facts, health()), encoding="utf-8")


def health(patience: float = 20) -> str:
    """What ``hangshot doctor`` says."""
    doctor = spawn(command("doctor", "--json"), stderr=subprocess.DEVNULL)
    with doctor:
        try:
            return "\n".join(told(doctor.communicate(timeout=patience)[0]))
        except subprocess.TimeoutExpired:
            doctor.kill()
            return "It did not answer in time."


def told(findings: str) -> Iterator[str]:
    """Findings of the doctor as lines of text; JSON, for it comes through any encoding."""
    for line in findings.splitlines():
        found = json.loads(line)
        yield f"{'ok ' if found['ok'] else 'BAD'}  {found['part']}: {found['found']}"
        if found["hint"]:
            yield f"     → {found['hint']}"
