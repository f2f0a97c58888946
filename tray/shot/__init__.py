"""The one way from a key press to a toast: target → worker → result.

The hotkey, the menu, ``hangshot dump --foreground`` and the demo all go this
way. It holds no dump code: the worker does that, in a process of its own.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from tray.errors import AccessDenied, Busy, TrayError
from tray.model import TIME_TO_ANSWER
from tray.shot import toasts, words
from tray.shot.aim import held

if TYPE_CHECKING:
    from pathlib import Path

    from tray.capture import Hold
    from tray.desktop import Desktop, Toast
    from tray.model import Target, Trigger, Window
    from tray.settings import Settings
    from tray.shot.loop import Loop

log = logging.getLogger(__name__)

Event = dict[str, Any]
"""One JSON line of the worker."""
Explain = Callable[[str, Callable[[Event], None]], None]
"""Has the dump at a path read, and tells why its app hangs, later and on another thread, or never."""
Start = Callable[[Callable[[Event], None]], "Worker"]
"""Makes a worker that tells its events to the callable given."""
Answer = Callable[[Event], None]
"""Gets the last event of a shot, or why there was no shot."""

MOMENT = 0.1
"""Seconds after which it is shown that a dump runs: a new icon costs us and the panel time that the worker needs."""


class Worker(Protocol):
    """The worker process, as far as a shot needs it (see `tray.worker.Worker`)."""

    def ask(self, request: Mapping[str, Any]) -> None:
        """Hand it the request it waits for."""

    def answered(self, hung: bool | None) -> None:  # noqa: FBT001 - three states, as `Window.hung`
        """Tell it what the ping has shown, if the request said that the window is being pinged."""

    def cancel(self) -> None:
        """Ask it to stop."""


@dataclass(slots=True, eq=False)
class Running:
    """A dump on its way.

    Attributes:
        target: Whom it shows.
        mode: Name of the mode.
        trigger: Why it is taken.
        wanted: The settings in force when the key went down.
        answer: Who else wants to know how it ends.
        output: A folder or file instead of the store's own folder.
        hung: Whether the window left a ping unanswered; None also as long as that is not known.
        estimate: Bytes the dump may take; 0 until the worker has told.
        done: Bytes read.
        total: Bytes to read; 0 until the worker has told.
        elevated: Whether its worker may do more than we.
        cancelled: Whether the user has asked to stop.
        hold: Keeps the target's pid from being reused as long as this runs.
        since: When the key went down, on the monotonic clock.
    """

    target: Target
    mode: str
    trigger: Trigger
    wanted: Settings
    answer: Answer | None = None
    output: str | None = None
    worker: Worker | None = None
    hung: bool | None = None
    estimate: int = 0
    done: int = 0
    total: int = 0
    elevated: bool = False
    cancelled: bool = False
    timers: list[int] = field(default_factory=list)
    hold: Hold | None = None
    since: float = field(default_factory=time.monotonic)

    @property
    def so_far(self) -> float:
        """Seconds since the key went down."""
        return time.monotonic() - self.since


class Shot:
    """Takes one dump at a time and tells how it goes; all methods belong to the loop's thread.

    Args:
        desktop: Pings the window and carries out what the toasts' buttons ask for.
        loop: Whose thread this lives on.
        start: Makes a worker that tells its events to the callable given.
        say: Shows a toast, or says it in another way.
        changed: Called whenever `running` changed, also in its progress.
        explain: Finds out more about a dump that is done; what it tells is added to the toast.
        report: Shows the report of a dump; on any thread. Without it the toast has no button for that.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that a shot meets
        self,
        desktop: Desktop,
        loop: Loop,
        start: Start,
        say: Callable[[Toast], object],
        changed: Callable[[], None] = lambda: None,
        explain: Explain = lambda _path, _told: None,
        report: Callable[[Path], None] | None = None,
    ) -> None:
        self._desktop, self._loop, self._start, self._explain = desktop, loop, start, explain
        self._latest: Running | None = None
        self._report = report
        self._say, self._changed = say, changed
        self._told = 0.0
        self.running: Running | None = None
        self.elevate: Start | None = None
        """Makes a worker that may do more than we; None where there is no way to."""
        self.last = ""
        """How the latest dump ended, one line for a tooltip."""
        self.early = sys.platform != "win32"
        """Whether the worker begins while the window is still being pinged: a hung one never answers, and
        every moment spent on waiting shows less of what it was at. On Windows the answer goes into the dump."""

    def fire(  # noqa: PLR0913 - what a request holds, and who waits for it
        self,
        target: Target,
        mode: str,
        trigger: Trigger,
        wanted: Settings,
        *,
        output: str | None = None,
        answer: Answer | None = None,
        start: Start | None = None,
        hold: Hold | None = None,
    ) -> None:
        """Start a dump; while one runs, only say so.

        Args:
            target: The process, as it was when the key went down.
            mode: Name of a mode.
            trigger: Why.
            wanted: Where the dump goes, what may stay there, and when to say that it takes long.
            output: A folder or file instead of the store's own folder.
            answer: Gets the last event, on the loop's thread.
            start: Makes the worker, in the place of the usual one.
            hold: Of the target, from when the key went down; closed here, at the end of the dump.
        """
        if self.running:
            if hold:
                hold.close()
            self._refuse(self.running, answer)
            return
        running = self.running = self._latest = Running(target, mode, trigger, wanted, answer, output)
        running.elevated, running.hold = start is not None, hold or held(target)
        try:
            # At once: the interpreter starts while the window is still being pinged.
            running.worker = (start or self._start)(
                lambda event: self._loop.post(lambda: self._hear(running, event))
            )
        except TrayError as error:
            self._finish(running, error.event())
            return
        if self.early or not target.window:
            running.worker.ask(request(running, pinged=target.window is not None))
        if target.window:
            threading.Thread(target=self._ping, args=(running,), name="shot-ping", daemon=True).start()
        log.info("dumping %s (%d), %s, by %s", target.name, target.pid, mode, trigger)
        running.timers = [
            self._loop.after(MOMENT, self._changed),
            self._loop.after(wanted.notify_after, lambda: self._still(running)),
        ]

    def fail(self, error: TrayError, answer: Answer | None = None) -> None:
        """Say why there is nothing to dump."""
        log.info("no dump: %s: %s", type(error).__name__, error)
        self._say(toasts.failure(error.event()))
        if answer:
            answer(error.event())

    def cancel(self, which: Running | None = None) -> None:
        """Stop the dump that runs, if it is the one meant; its end comes as an event."""
        running = self.running
        if running and which in {None, running} and running.worker and not running.cancelled:
            running.cancelled = True
            running.worker.cancel()
            self._changed()

    def _refuse(self, running: Running, answer: Answer | None) -> None:
        self._say(toasts.busy(running, self._canceller(running)))
        if answer:
            answer(Busy(words.busy(running.target.name, running.so_far) + ".").event())

    def _ping(self, running: Running) -> None:
        """Ask the window for a sign of life, again while the dump runs: it cannot answer while it is frozen.

        On a thread of its own.
        """
        hung: bool | None = True
        while hung and running is self.running:
            since = time.monotonic()
            hung = self._unanswered(running.target.window)
            self._loop.post(partial(self._pinged, running, hung))
            if not self.early:
                return
            time.sleep(max(0.0, since + TIME_TO_ANSWER - time.monotonic()) if hung else 0.0)

    def _unanswered(self, window: Window | None) -> bool | None:
        try:
            return self._desktop.hung(window, TIME_TO_ANSWER) if window else None
        except (TrayError, OSError):
            log.exception("could not ping the window")
            return None

    def _pinged(self, running: Running, hung: bool | None) -> None:  # noqa: FBT001 - three states
        """Tell the worker, or let it begin. Of a window that has not answered it knows without us."""
        running.hung = hung
        if running.worker is None or running is not self.running or running.cancelled:
            return
        if not self.early:
            running.worker.ask(request(running))
        elif not hung:
            running.worker.answered(hung)

    def _hear(self, running: Running, event: Event) -> None:
        """Take in one event of the worker."""
        if running is not self.running:
            return
        if event["event"] == "started":
            running.estimate = int(event.get("estimate") or 0)
        elif event["event"] == "progress":
            running.done, running.total = int(event["done"]), int(event["total"])
            if time.monotonic() - self._told >= 1:  # a tooltip need not flicker
                self._told = time.monotonic()
                self._changed()
        elif event["event"] in {"dumped", "error"}:
            self._finish(running, event)

    def _still(self, running: Running) -> None:
        """Say that it takes its time."""
        if running is self.running and not running.cancelled:
            self._say(toasts.progress(running, self._canceller(running)))

    def _canceller(self, running: Running) -> Callable[[], None]:
        """What a Cancel button does, on whatever thread its toast lives; never to a later dump."""
        return lambda: self._loop.post(lambda: self.cancel(running))

    def _finish(self, running: Running, event: Event) -> None:
        self.running = None
        if running.hold:
            running.hold.close()
        for timer in running.timers:
            self._loop.forget(timer)
        log.info(
            "%s after %.2f s: %s", event["event"], running.so_far, event.get("path") or event.get("error")
        )
        if window := event.get("window"):
            running.hung = window["hung"]
        toast = toasts.result(event, running, self._desktop, self._report, self._retry(event, running))
        self.last = toast.title
        self._say(toast)
        if event["event"] == "dumped":
            self._explain(
                event["path"], lambda more: self._loop.post(lambda: self._explained(running, event, more))
            )
        if running.answer:
            running.answer(event)
        self._changed()

    def _retry(self, event: Event, running: Running) -> Callable[[], None] | None:
        """Has it tried once more as administrator, if that may help; on any thread."""
        start = self.elevate
        if event.get("error") != AccessDenied.__name__ or not start or running.elevated:
            return None
        asked = running.target, running.mode, running.trigger, running.wanted

        def retry() -> None:
            self.fire(*asked, output=running.output, start=start)

        return lambda: self._loop.post(retry)

    def _explained(self, running: Running, event: Event, more: Event) -> None:
        """Add to the toast what the call stacks tell, unless another dump has been begun or nothing is wrong."""
        said = words.reason(more)
        idle = (more.get("verdict") or {}).get("kind") == "idle"
        if running is not self._latest or idle or said in {"", words.reason(event)}:
            return
        log.info("explained after %.2f s", running.so_far)
        self._say(
            replace(
                toasts.result({**event, **more, "event": "dumped"}, running, self._desktop, self._report),
                update=True,
            )
        )


def request(running: Running, *, pinged: bool = False) -> Event:
    """The line the worker waits for.

    It carries the settings, for the file may just be being edited and have a mistake.

    Args:
        running: The dump.
        pinged: Whether the window is being pinged, and what comes of it is told later.
    """
    target = running.target
    window = target.window and {
        "pid": target.window.pid,
        "title": target.window.title,
        "hung": running.hung,
        "thread": target.window.thread,
    }
    return {
        "schema": 1,
        "pid": target.pid,
        "started": target.started,
        "mode": running.mode,
        "capture": str(running.wanted.capture),
        "low_impact": running.wanted.low_impact,
        "compress": running.wanted.compress,
        "trigger": str(running.trigger),
        "window": window,
        "pinged": pinged,
        "output": running.output,
        "folder": str(running.wanted.folder),
        "retention": asdict(running.wanted.retention),
    }
