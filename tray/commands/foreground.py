"""``hangshot dump --foreground``: what the hotkey does, for a desktop's own shortcut."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tray.model import Trigger
from tray.modes import How

if TYPE_CHECKING:
    import argparse

    from tray.desktop import Desktop
    from tray.settings import Settings
    from tray.shot import Event


def run(arguments: argparse.Namespace) -> int:
    """Have the running tray do it, or do it alone; gives the exit code.

    Raises:
        TrayError: There is nothing to dump, or nobody can tell what is in front.
    """
    from tray.commands import dump
    from tray.desktop import desktop

    wanted = dump.wanted()
    if arguments.capture:
        wanted = replace(wanted, capture=How(arguments.capture))
    if arguments.compress:
        wanted = replace(wanted, compress=arguments.compress)
    if arguments.low_impact:
        wanted = replace(wanted, low_impact=True)
    here = desktop()
    try:
        event = (
            None
            if arguments.output or arguments.capture or arguments.compress or arguments.low_impact
            else _asked(here, arguments.mode)
        )
        if event is None:
            event = _alone(here, wanted, arguments)
    finally:
        here.close()
    return _told(event, as_json=arguments.json)


def _asked(desktop: Desktop, mode: str | None) -> Event | None:
    """What the running tray answers; None where no tray runs."""
    answer = desktop.ask(json.dumps({"schema": 1, "ask": "dump-foreground", "mode": mode}))
    return None if answer is None else json.loads(answer)


def _alone(desktop: Desktop, wanted: Settings, arguments: argparse.Namespace) -> Event:
    """Dump what is in front, toast and all, without a tray."""
    from tray.shot import Shot
    from tray.shot.aim import caught
    from tray.shot.loop import Loop
    from tray.worker import Worker

    target, hold = caught(desktop.foreground())
    ended: list[Event] = []
    failed: list[Exception] = []

    def broken(error: Exception) -> None:
        failed.append(error)
        loop.stop()

    loop = Loop(broken)
    shot = Shot(desktop, loop, Worker, desktop.toast)

    def answered(event: Event) -> None:
        ended.append(event)
        loop.stop()

    loop.stop_on_signals(shot.cancel)
    loop.post(
        lambda: shot.fire(
            target,
            arguments.mode or wanted.mode,
            Trigger.HOTKEY,
            wanted,
            output=None if arguments.output is None else str(Path(arguments.output).absolute()),
            answer=answered,
            hold=hold,
        )
    )
    loop.run()
    if failed:
        raise failed[0]
    return ended[0]


def _told(event: dict[str, Any], *, as_json: bool) -> int:
    """Print the outcome as ``hangshot dump`` does."""
    if as_json:
        print(json.dumps(event))
    elif event["event"] == "dumped":
        print(event["path"])
    else:
        print(f"hangshot: {event['title']}: {event['message']}\n  {event['hint']}", file=sys.stderr)
    return int(event.get("exit_code", 0))
