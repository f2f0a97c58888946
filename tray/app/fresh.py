"""A fresh look at what the menu shows, taken when it is about to open."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray import capture
from tray.errors import TrayError
from tray.modes import MODES
from tray.shot.aim import alive
from tray.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray.desktop import Desktop
    from tray.model import Dump, Target
    from tray.settings import Settings

log = logging.getLogger(__name__)

PATIENCE = 0.25
"""Seconds a window has to answer. All are asked together, so the menu is not kept waiting longer."""
_SPARE = 0.05
SHOWN = 5
"""Dumps in the menu."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found.

    Attributes:
        front: The app in front at that time: its pid and start time.
        hung: Whether each process that was asked answers.
        gone: Processes that have ended.
        estimates: What each mode would take for the app in front.
        dumps: The newest ones.
        at_login: Whether the system starts us at login.
    """

    front: tuple[int, int] | None
    hung: dict[tuple[int, int], bool | None]
    gone: set[tuple[int, int]]
    estimates: tuple[tuple[str, int], ...]
    dumps: tuple[Dump, ...]
    at_login: bool


def look(desktop: Desktop, targets: Sequence[Target], settings: Settings) -> Look:
    """Look at everything the menu shows; ``targets`` begin with the app in front.

    Takes about `PATIENCE` when a window hangs; call it on a thread of its own.
    """
    living = [target for target in targets if alive(target)]
    gone = {(target.pid, target.started) for target in targets} - {(one.pid, one.started) for one in living}
    pings = _Pings(desktop, living)
    return Look(
        front=(living[0].pid, living[0].started) if living else None,
        gone=gone,
        estimates=_estimates(living[0]) if living else (),
        dumps=_dumps(settings),
        at_login=desktop.starts_at_login(),
        hung=pings.answers(),
    )


class _Pings:
    """Windows being asked for a sign of life, all at the same time."""

    def __init__(self, desktop: Desktop, targets: list[Target]) -> None:
        self._desktop = desktop
        self._until = time.monotonic() + PATIENCE + _SPARE
        self._hung: dict[tuple[int, int], bool | None] = {}
        self._threads = [
            threading.Thread(target=self._ping, args=(target,), name="ping", daemon=True)
            for target in targets
        ]
        for thread in self._threads:
            thread.start()

    def _ping(self, target: Target) -> None:
        if not target.window:
            return
        try:
            self._hung[target.pid, target.started] = self._desktop.hung(target.window, PATIENCE)
        except (TrayError, OSError):
            log.exception("could not ping a window of process %d", target.pid)

    def answers(self) -> dict[tuple[int, int], bool | None]:
        """What was found in time."""
        for thread in self._threads:
            thread.join(max(0.0, self._until - time.monotonic()))
        return dict(self._hung)


def _estimates(target: Target) -> tuple[tuple[str, int], ...]:
    """What each mode would take; nothing for a process that may not be looked into."""
    try:
        here = capture.capture()
        whole = here.target(target.pid, target.started, target.window)
        return tuple((name, here.estimate(whole, mode)) for name, mode in MODES.items())
    except (TrayError, OSError) as error:
        log.debug("no estimate: %s", error)
        return ()


def _dumps(settings: Settings) -> tuple[Dump, ...]:
    try:
        return tuple(Store(settings.folder, settings.retention).dumps()[:SHOWN])
    except (TrayError, OSError) as error:
        log.info("cannot list the dumps: %s", error)
        return ()
