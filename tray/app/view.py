"""From what the tray knows to what its menu shows."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tray.app import menu, words
from tray.errors import Unsupported

if TYPE_CHECKING:
    from tray.app.fresh import Look
    from tray.app.keys import Keys
    from tray.app.recent import Recent, Seen
    from tray.model import Dump
    from tray.settings import Settings


def view(recent: Recent, fresh: Look | None, settings: Settings, keys: Keys, running: str) -> menu.View:
    """What the menu shows now; ``running`` names the app being dumped."""
    now, front = time.monotonic(), recent.front
    same = fresh and front and fresh.front == front.key  # else the estimates are another app's
    return menu.View(
        front=_app(front, now) if front else None,
        recent=tuple(_app(seen, now) for seen in recent),
        mode=settings.mode,
        estimates=fresh.estimates if fresh and same else (),
        dumps=tuple(_kept(dump) for dump in fresh.dumps) if fresh else (),
        hotkey=keys.label,
        trouble=words.trouble(keys.trouble) if keys.trouble else "",
        help_helps=isinstance(keys.trouble, Unsupported),
        paused=keys.paused,
        at_login=fresh.at_login if fresh else False,
        running=running,
    )


def _app(seen: Seen, now: float) -> menu.App:
    return menu.App(seen.target, seen.hung, words.ago(now - seen.left) if seen.left is not None else "now")


def _kept(dump: Dump) -> menu.Kept:
    age = (datetime.now(UTC) - dump.taken).total_seconds()
    return menu.Kept(dump.path, dump.target.name, dump.mode, dump.allocated or dump.size, words.ago(age))
