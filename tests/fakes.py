"""Fakes of the two ports and of the worker: hand-written, and true to the contract.

The same contract classes run against these and against the real back ends.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tray.capture import Hold, nothing
from tray.desktop import Desktop, Health, Toast
from tray.desktop.hotkey import parse
from tray.errors import Cancelled, HotkeyTaken, NoTarget, TargetGone
from tray.formats import core_write
from tray.model import Captured, Gap, Memory, Snapshot, Target, Thread, Window

if TYPE_CHECKING:
    from tray.capture import Capture


class FakeDesktop:
    """A desktop in memory; tests press its keys, show its windows and click its menu.

    As on a real one, callbacks come on another thread than the caller's.

    Attributes:
        front: What is in front; None for nothing.
        dead: Pids whose windows do not answer.
        taken: Hotkeys that other programs have.
        refuses: Raised by `bind` and `foreground` where the desktop has neither.
        has_icons: Whether something shows tray icons.
        has_toasts: Whether something shows toasts.
        has_clipboard: Whether there is one.
        other: Answers requests as another tray would; None when none runs.
        toasts: All that were shown.
        did: What was opened, revealed and copied, in order.
    """

    name = "fake"

    def __init__(self) -> None:
        self.front: Window | None = None
        self.dead: set[int] = set()
        self.taken: set[str] = set()
        self.refuses: Exception | None = None
        self.has_icons = self.has_toasts = self.has_clipboard = True
        self.other = None
        self.toasts: list[Toast] = []
        self.showing: dict[str, Toast] = {}
        self.did: list[tuple[str, object]] = []
        self.looks: list[str] = []
        self.tooltip = ""
        self.menu = None
        self.menus = 0
        self.hotkey: str | None = None
        self.at_login = False
        self.closed = False
        self._pressed = self._seen = self._near = self._greeted = self._asked = self._ending = None

    # ---- the port

    def foreground(self) -> Window:
        if self.refuses:
            raise self.refuses
        if self.front is None:
            raise NoTarget("No window is in front.")
        return replace(self.front, hung=None)

    def hung(self, window: Window, patience: float = 0.25) -> bool | None:
        return window.pid in self.dead

    def watch(self, seen) -> None:
        self._seen = seen
        if self.front:
            _elsewhere(lambda: seen(self.front))

    def approaching(self, near) -> None:
        self._near = near

    def bind(self, hotkey: str, pressed) -> None:
        if self.refuses:
            raise self.refuses
        name = str(parse(hotkey))
        if name in self.taken:
            raise HotkeyTaken(f"Another program has {hotkey}.")
        self.hotkey, self._pressed = name, pressed

    def unbind(self) -> None:
        self.hotkey = self._pressed = None

    def show_icon(self, menu, tooltip: str, clicked) -> bool:
        if self.has_icons:
            self.menu, self.tooltip, self._near = menu, tooltip, clicked
            self.looks.append("idle")
        return self.has_icons

    def update_icon(self, look: str, tooltip: str, menu=None) -> None:
        if not self.has_icons:
            return
        self.looks.append(look)
        self.tooltip = tooltip
        if menu is not None:
            self.menu = menu
            self.menus += 1

    def toast(self, toast: Toast) -> bool:
        if toast.update and toast.topic not in self.showing:
            return True
        if self.has_toasts:
            self.toasts.append(toast)
            self.showing[toast.topic] = toast
        return self.has_toasts

    def dismiss(self, topic: str) -> None:
        self.showing.pop(topic, None)

    def reveal(self, path: Path) -> None:
        self.did.append(("reveal", path))

    def open(self, path: Path) -> None:
        self.did.append(("open", path))

    def copy(self, text: str) -> bool:
        if self.has_clipboard:
            self.did.append(("copy", text))
        return self.has_clipboard

    def starts_at_login(self) -> bool:
        return self.at_login

    def start_at_login(self, *, wanted: bool) -> None:
        self.at_login = wanted

    def claim(self, greeted, asked) -> bool:
        if self.other:
            return False
        self._greeted, self._asked = greeted, asked
        return True

    def ask(self, request: str) -> str | None:
        return self.other(request) if self.other else None

    def ending(self, ending) -> None:
        self._ending = ending

    def health(self, hotkey: str) -> list[Health]:
        return [Health("display", ok=True, found="A fake one.")]

    def close(self) -> None:
        self.closed = True
        self.unbind()

    # ---- what a person does

    def show(self, pid: int, title: str = "") -> None:
        """Bring a window of this process to the front."""
        self.front = Window(pid, title)
        if self._seen:
            _elsewhere(lambda: self._seen(self.front))

    def press(self) -> None:
        """Press the hotkey once."""
        assert self._pressed, "no hotkey is bound"
        _elsewhere(self._pressed)

    def approach(self) -> None:
        """Move the pointer to the panel."""
        _elsewhere(self._near)

    def click(self, *labels: str) -> None:
        """Click a row of the menu, named by how it starts, through its submenus."""
        row = self.row(*labels)
        assert row.enabled, f"{row.text} is greyed out"
        _elsewhere(lambda: row(None))

    def row(self, *labels: str):
        """A row of the menu, named by how it starts, through its submenus."""
        rows, row = self.menu, None
        for label in labels:
            found = [one for one in rows if one.text.startswith(label)]
            assert len(found) == 1, f"{label!r} is not one of {[one.text for one in rows]}"
            row, rows = found[0], found[0].submenu
        return row

    def rows(self, *labels: str) -> list[str]:
        """The texts of the menu, or of a submenu."""
        return [row.text for row in (self.row(*labels).submenu if labels else self.menu)]

    def button(self, label: str) -> None:
        """Click a button of the newest toast."""
        buttons = dict(self.toasts[-1].buttons)
        _elsewhere(buttons[label])

    def greet(self) -> None:
        """Start a second tray."""
        _elsewhere(self._greeted)

    def log_out(self) -> None:
        """End the session."""
        _elsewhere(self._ending)

    def asked(self, request: str) -> str:
        """What the running tray answers to a request; waits for it."""
        return self._asked(request)


def _elsewhere(act) -> None:
    """Call on another thread, as real back ends do, and wait until it has returned."""
    failed: list[BaseException] = []

    def call() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failed.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "a callback must return at once"
    if failed:
        raise failed[0]


class FakeCapture:
    """Processes in memory, and small but true core files of them.

    Attributes:
        processes: Those that run, by pid.
        failure: Raised by `write`, after half the bytes.
        steps: How often `write` tells its progress.
        pause: Seconds between two steps.
        gaps: What the dumps lack.
        held: Pids of those that somebody has hold of.
    """

    format = "elf-core"
    suffix = ".core"
    contents = b"all that it had in mind".ljust(4096, b"\0")

    def __init__(self, *processes: Target) -> None:
        self.processes = {target.pid: target for target in processes}
        self.failure: Exception | None = None
        self.steps = 4
        self.pause = 0.0
        self.gaps: tuple[Gap, ...] = ()
        self.held: list[int] = []

    def hold(self, pid: int) -> Hold:
        """As `tray.capture.hold`."""
        found = Hold(self.started(pid), lambda: self.held.remove(pid))
        self.held.append(pid)
        return found

    def started(self, pid: int) -> int:
        """As `tray.capture.started`."""
        return self.target(pid).started

    def target(self, pid: int, started: int | None = None, window: Window | None = None) -> Target:
        found = self.processes.get(pid)
        if found is None:
            raise NoTarget(f"There is no process {pid}.")
        if started not in {None, found.started}:
            raise TargetGone(f"{found.name} ({pid}) ended.")
        return replace(found, window=window)

    def estimate(self, target: Target, mode) -> int:
        return {"triage": 90_000, "mini": 200_000, "heap": 30_000_000, "full": 2_100_000_000}[mode.name]

    def write(self, target: Target, mode, file, progress, trigger=None, *, written=nothing) -> Captured:  # noqa: PLR0913 - as the port
        self.target(target.pid, target.started)
        total = len(self.contents)
        for step in range(self.steps):
            if progress(total * step // self.steps, total):
                raise Cancelled("The dump was cancelled.")
            if self.failure and step >= self.steps // 2:
                raise self.failure
            time.sleep(self.pause)
        threads = (Thread(target.pid, target.name, "S", "futex_wait"),)
        memory = (Memory(0x1000, total, total),)
        core_write.write(
            Snapshot(target.pid, name=target.name, threads=threads, memory=memory), file, [self.contents]
        )
        progress(total, total)
        written()
        return Captured(self.format, threads, 0.01, "stop and copy", self.gaps)


class FakeWorker:
    """A worker that says what the test has it say.

    Attributes:
        requests: What it was asked.
        answers: What it was told of the ping.
        cancelled: How often it was asked to stop.
    """

    def __init__(self, told) -> None:
        self._told = told
        self.requests: list[dict] = []
        self.answers: list[bool | None] = []
        self.cancelled = 0

    def ask(self, request) -> None:
        self.requests.append(dict(request))

    def answered(self, hung: bool | None) -> None:  # noqa: FBT001
        self.answers.append(hung)

    def cancel(self) -> None:
        self.cancelled += 1

    def tell(self, event: str, **fields: object) -> None:
        """Tell an event, as the real one does from a thread of its own."""
        _elsewhere(lambda: self._told({"schema": 1, "event": event, **fields}))

    def dumped(self, path: str = "/dumps/editor_70_20261122-195605_mini.core", **fields: object) -> None:
        """Tell that the dump is done."""
        request = self.requests[-1]
        target = {"pid": request["pid"], "started": request["started"], "name": "editor"}
        window = request["window"]
        if request["pinged"]:
            window = {**window, "hung": self.answers[0] if self.answers else True}
        done = {
            "id": Path(path).stem,
            "path": path,
            "sidecar": str(Path(path).with_suffix(".json")),
            "format": "elf-core",
            "mode": request["mode"],
            "trigger": request["trigger"],
            "size": 204_800,
            "allocated": 180_224,
            "seconds": 0.3,
            "frozen_seconds": 0.18,
            "target": {**target, "executable": "/usr/bin/editor"},
            "window": window,
            "gaps": [],
            "removed": [],
        }
        self.tell("dumped", **{**done, **fields})


class FakeWorkers:
    """Starts workers and keeps them.

    Attributes:
        made: All that were started, oldest first.
        failure: Raised instead of starting one.
    """

    def __init__(self) -> None:
        self.made: list[FakeWorker] = []
        self.failure: Exception | None = None

    def __call__(self, told) -> FakeWorker:
        if self.failure:
            raise self.failure
        self.made.append(FakeWorker(told))
        return self.made[-1]

    @property
    def last(self) -> FakeWorker:
        """The newest."""
        return self.made[-1]


_desktop: Desktop = FakeDesktop()
_capture: Capture = FakeCapture()
