"""From a window to the process behind it, so that no later one can be mistaken for it."""

from __future__ import annotations

from tray import capture
from tray.errors import NoTarget, TargetGone
from tray.model import Target, Window


def aimed(window: Window) -> Target:
    """The process of this window, told apart from a later one with its pid.

    Raises:
        TargetGone: It has just ended.
    """
    return Target(window.pid, capture.started(window.pid), _name(window.pid), window=window)


def alive(target: Target) -> bool:
    """Whether this very process still runs."""
    try:
        return capture.started(target.pid) == target.started
    except (NoTarget, TargetGone):
        return False


def _name(pid: int) -> str:
    import psutil

    try:
        return psutil.Process(pid).name() or f"process {pid}"
    except psutil.NoSuchProcess as error:
        raise TargetGone(f"Process {pid} has just ended.") from error
    except psutil.Error:
        return f"process {pid}"
