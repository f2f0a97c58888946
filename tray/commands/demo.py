"""``hangshot demo``: a program that deadlocks, dumped the way the hotkey does it."""

from __future__ import annotations

import queue
import shlex
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from tray.commands import UNTOLD
from tray.errors import CaptureFailed, TrayError
from tray.model import Trigger, Window
from tray.modes import MODES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tray.desktop import Desktop, Toast
    from tray.model import Target
    from tray.settings import Settings
    from tray.shot import Event

HELP = "dump a program that deadlocks, to see how it all works"

_NAME = "hangshot"
_START = 10.0
"""Seconds the program may take to freeze."""
_GLANCE = 0.25
"""Seconds between two looks for a dump that the tray has taken."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--mode", choices=MODES, help="what to keep (default: as in the settings)")
    parser.add_argument(
        "--seconds", type=float, default=12, help="how long to wait for the hotkey (default: %(default)s)"
    )
    parser.add_argument("--program", metavar="HOTKEY", help=UNTOLD)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; or, with ``--program``, be the program that it dumps."""
    if arguments.program is not None:
        from tray.demo import deadlock

        return deadlock.main(arguments.program)
    from tray import settings
    from tray.desktop import desktop

    wanted = settings.load(settings.path())
    here = desktop()
    try:
        with _program(_label(wanted.hotkey)) as frozen:
            return _Demo(here, wanted, arguments, frozen).run()
    finally:
        here.close()


def _label(hotkey: str) -> str:
    from tray.desktop.hotkey import parse

    return parse(hotkey).label


@dataclass(frozen=True, slots=True)
class _Program:
    """The frozen program."""

    pid: int
    has_window: bool


@contextmanager
def _program(hotkey: str) -> Iterator[_Program]:
    """The program, once it is frozen; ended afterwards."""
    from tray.program import command
    from tray.worker import spawn

    process = spawn(command("demo", "--program", hotkey))
    try:
        _end_with_us(process)
        yield _ready(process)
    finally:
        process.kill()
        process.communicate()


def _end_with_us(process: subprocess.Popen[str]) -> None:
    """Nothing but our end closes the job; on Linux the program asks for this itself."""
    if sys.platform == "win32":
        from tray.ffi.win32 import System

        system = System()
        system.join_job(system.job(), process.pid)


def _ready(process: subprocess.Popen[str]) -> _Program:
    """Read the line that the program says before it freezes."""
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    out = process.stdout
    # On a thread of its own: Windows waits for no pipe with a time limit.
    threading.Thread(target=lambda: told.put(out.readline() if out else ""), daemon=True).start()
    try:
        words = told.get(timeout=_START).split()
    except queue.Empty:
        words = []
    if words[:1] != ["ready"]:
        raise CaptureFailed(
            "The demo program did not start.", hint="Its own message is above, if it had one."
        )
    return _Program(int(words[1]), words[2:] == ["window"])


class _Demo:
    """Waits for the key, takes the dump, and says how to open it.

    All but `_pressed` runs on the loop's thread, which is the one of `run`.
    """

    def __init__(
        self, desktop: Desktop, wanted: Settings, arguments: argparse.Namespace, program: _Program
    ) -> None:
        from tray.shot import Shot
        from tray.shot.loop import Loop
        from tray.worker import Worker

        self._desktop, self._wanted, self._program = desktop, wanted, program
        self._mode: str = arguments.mode or wanted.mode
        self._seconds: float = arguments.seconds
        self._loop = Loop(self._failed)
        say = desktop.toast if program.has_window else _hush
        self._shot = Shot(desktop, self._loop, Worker, say)
        self._result: Event | None = None
        self._error: Exception | None = None
        self._interrupted = False

    def run(self) -> int:
        """Run to the end; gives the exit code.

        Raises:
            TrayError: There is no dump.
        """
        self._loop.stop_on_signals(self._interrupt)
        self._loop.post(self._begin)
        self._loop.run()
        if self._error:
            raise self._error
        if self._result is None:
            return 130
        return _report(self._result)

    def _begin(self) -> None:
        _say(f"A program has just deadlocked: hangshot-demo ({self._program.pid}).")
        if self._program.has_window and self._seconds > 0 and self._can_be_pressed():
            _say(f"Its window is frozen: click on it and press {_label(self._wanted.hotkey)}.")
            _say(f"If nobody does, it is dumped in {self._seconds:g} seconds anyway.")
            self._loop.after(self._seconds, self._by_itself)
        else:
            self._by_itself()

    def _can_be_pressed(self) -> bool:
        """Have the hotkey lead here, or to the tray if one runs; False, and why, if it cannot."""
        from tray.shot.asked import HELLO

        if self._desktop.ask(HELLO):
            _say("The tray that runs takes the key.")
            self._loop.after(_GLANCE, self._glance)
            return True
        try:
            self._desktop.bind(self._wanted.hotkey, self._pressed)
        except TrayError as error:
            _say(f"The hotkey cannot be used: {error}")
            return False
        return True

    def _pressed(self) -> None:
        """The hotkey went down; on the desktop's thread."""
        from tray.shot.aim import aimed

        try:
            target = aimed(self._desktop.foreground())
        except TrayError as error:
            _say(str(error))
            return
        if target.pid == self._program.pid:
            self._loop.post(lambda: self._fire(target, Trigger.HOTKEY))
        else:
            _say(f"In front is {target.name}, not the demo: click on the demo's window and press again.")

    def _glance(self) -> None:
        """Look whether the tray has dumped the program."""
        from tray.store import Store, as_json

        for dump in Store(self._wanted.folder, self._wanted.retention).dumps():
            if dump.target.pid == self._program.pid and dump.target.started == self._target().started:
                self._ended({**as_json(dump), "event": "dumped"})
                return
        if not self._shot.running:
            self._loop.after(_GLANCE, self._glance)

    def _by_itself(self) -> None:
        """Nobody pressed the key."""
        if self._result is None:
            self._fire(self._target(), Trigger.CLI)

    def _target(self) -> Target:
        from dataclasses import replace

        from tray.shot.aim import aimed

        target = aimed(Window(self._program.pid, "Hangshot demo"))
        return target if self._program.has_window else replace(target, window=None)

    def _fire(self, target: Target, trigger: Trigger) -> None:
        if self._shot.running is None:
            _say("Dumping it…")
        self._shot.fire(target, self._mode, trigger, self._wanted, answer=self._answered)

    def _answered(self, event: Event) -> None:
        if event.get("error") != "Busy":  # a second press, told by a toast
            self._ended(event)

    def _ended(self, event: Event) -> None:
        self._result = event
        self._loop.stop()

    def _interrupt(self) -> None:
        """Ctrl+C: let go of the program first."""
        if self._shot.running:
            self._shot.cancel()
        else:
            self._loop.stop()

    def _failed(self, error: Exception) -> None:
        self._error = error
        self._loop.stop()


def _hush(_toast: Toast) -> None:
    """No toast without a screen; what is printed says it all."""


def _say(line: str) -> None:
    print(line, flush=True)


def _report(event: Event) -> int:
    """Tell the end of it; gives the exit code."""
    if event["event"] == "error":
        print(f"hangshot: {event['title']}: {event['message']}\n  {event['hint']}", file=sys.stderr)
        return int(event["exit_code"])
    for line in [*told(_explained(event)), *_rights()]:
        _say(line)
    return 0


def _explained(dumped: Event) -> Event:
    """The event with what the call stacks tell, where they can be read."""
    from pathlib import Path

    from tray import flow
    from tray.reports import why

    try:
        report, _ = flow.explain(Path(dumped["path"]))
    except TrayError:
        return dumped  # the tray may be at it just now; the dump is what counts
    return {**dumped, "verdict": why.as_json(report)["verdict"] or dumped.get("verdict")}


def told(dumped: dict[str, Any]) -> list[str]:
    """Where the dump is and how to open it, line by line."""
    from tray.shot.words import missing, seconds
    from tray.sizes import shown

    target = dumped["target"]
    program = target["executable"] or target["name"]
    size = shown(dumped["allocated"] or dumped["size"])
    gaps = missing(dumped.get("gaps", ()))
    return [
        "",
        f"Saved: {dumped['path']}",
        f"  {size}, {dumped['mode']}; the app stood still for {seconds(dumped['frozen_seconds'])}."
        + (f" {gaps}." if gaps else ""),
        "",
        "Open it:",
        *(f"  {line}" for line in opening(program, dumped["path"])),
        f"  {typed(sys.argv[0])} inspect last",
        *_why(dumped.get("verdict")),
    ]


def opening(program: str, path: str, system: str = sys.platform) -> list[str]:
    """The commands that open a dump in a debugger, to be pasted as they are."""
    if system == "win32":
        return [subprocess.list2cmdline(["windbg", "-z", path, "-c", ".symfix; .reload; ~*k"])]
    from tray.commands.debugger import LLDBS

    program, path = shlex.quote(program), shlex.quote(path)
    lldb = next((name for name in LLDBS if shutil.which(name)), LLDBS[0])
    return [
        f"gdb {program} {path} -ex 'thread apply all bt'",
        f"{lldb} {program} --core {path} -o 'thread backtrace all'",
    ]


def typed(started: str, system: str = sys.platform) -> str:
    """What to type for our own command, given how it was typed: its folder need not be on the PATH."""
    path = PureWindowsPath(started) if system == "win32" else PurePosixPath(started)
    if shutil.which(_NAME) or path.stem.casefold() not in {_NAME, f"{_NAME}-cli"}:
        return _NAME
    return subprocess.list2cmdline([started]) if system == "win32" else shlex.quote(started)


def _why(verdict: dict[str, Any] | None) -> list[str]:
    """The verdict that was found, with who waits for whom."""
    if verdict is None:
        return ["", "Why it hangs was not found out."]
    edges = [
        f"  {wait['name']} {wait['does']} at 0x{wait['address']:x} held by {wait['owner_name']}"
        for wait in verdict["chain"]
        if wait["owner"] is not None
    ]
    return ["", f"{verdict['sentence']}.", *edges]


def _rights() -> list[str]:
    """What this system will not let the user dump, if there is something; the demo lets itself be dumped."""
    from tray import capture

    return [f"\nNote: here {found}. {hint}" for _, fine, found, hint in capture.health() if not fine]
