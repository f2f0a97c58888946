"""Requests of ``hangshot dump --foreground`` to the tray that runs: JSON in, JSON out."""

from __future__ import annotations

import json
import queue
from typing import TYPE_CHECKING, Any

from tray.errors import BadUsage
from tray.modes import MODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.shot import Answer, Event

HELLO = '{"schema": 1, "ask": "hello"}'
"""Asks nothing but whether a tray runs, and which hotkey it has."""


def answer(request: str, hotkey: str, begin: Callable[[str | None, Answer], None]) -> str:
    """The answer to a request; waits until the dump is done, so call it on a thread of its own.

    Args:
        request: ``{"schema": 1, "ask": "dump-foreground", "mode": null}`` or `HELLO`.
        hotkey: Its label, for `HELLO`.
        begin: Begins a dump of what is in front, in this mode, and tells how it ended.
    """
    try:
        asked = _parsed(request)
    except BadUsage as error:
        return json.dumps(error.event())
    if asked["ask"] == "hello":
        return json.dumps({"schema": 1, "event": "hello", "hotkey": hotkey})
    ended: queue.SimpleQueue[Event] = queue.SimpleQueue()
    begin(asked.get("mode"), ended.put)
    return json.dumps(ended.get())


def _parsed(request: str) -> dict[str, Any]:
    try:
        asked = json.loads(request)
    except ValueError as error:
        raise BadUsage("The request is not JSON.") from error
    if not isinstance(asked, dict) or asked.get("ask") not in {"hello", "dump-foreground"}:
        raise BadUsage("The tray that runs does not know this request; is it an older Hangshot?")
    if asked.get("mode") not in {None, *MODES}:
        raise BadUsage(f"There is no mode {asked['mode']!r}; there are {', '.join(MODES)}.")
    return asked
