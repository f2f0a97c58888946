"""From a window to the process behind it, so that no later one can be mistaken for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray import capture
from tray.errors import NoTarget, TargetGone, TrayError
from tray.model import Target, Window

if TYPE_CHECKING:
    from tray.capture import Hold


def aimed(window: Window) -> Target:
    """The process of this window, told apart from a later one with its pid.

    Raises:
        TargetGone: It has just ended.
    """
    return Target(window.pid, capture.started(window.pid), _name(window.pid), window=window)


def caught(window: Window) -> tuple[Target, Hold]:
    """The same for a dump: until the hold is closed its pid means no other process.

    Raises:
        TargetGone: It has just ended.
    """
    hold = capture.hold(window.pid)
    try:
        return Target(window.pid, hold.started, _name(window.pid), window=window), hold
    except BaseException:
        hold.close()
        raise


def held(target: Target) -> Hold | None:
    """A hold of a process that was aimed at earlier; None if that cannot be, and the worker tells why."""
    try:
        return capture.hold(target.pid)
    except (TrayError, OSError):
        return None


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
