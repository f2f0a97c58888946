"""The apps that were in front."""

from __future__ import annotations

from tray.app.recent import MOST, Recent
from tray.model import Target


def names(recent: Recent) -> list[str]:
    return [seen.target.name for seen in recent]


def target(pid: int, name: str, started: int = 1) -> Target:
    return Target(pid, started, name)


def test_most_recent_first() -> None:
    """The app in front comes first, each process once."""
    recent = Recent()
    for app in (target(1, "a"), target(2, "b"), target(1, "a")):
        recent.saw(app, 0)
    assert names(recent) == ["a", "b"]
    assert recent.front.target.name == "a"


def test_age_counts_from_leaving() -> None:
    """An app was last in front when the next one came, however long it had been there."""
    recent = Recent()
    recent.saw(target(1, "a"), 10)
    recent.saw(target(2, "b"), 60)
    recent.saw(target(3, "c"), 70)
    assert [seen.left for seen in recent] == [None, 70, 60]


def test_same_pid_is_not_the_same_process() -> None:
    """A pid that is used again is another app."""
    recent = Recent()
    recent.saw(target(1, "old", started=1), 0)
    recent.saw(target(1, "new", started=2), 0)
    assert names(recent) == ["new", "old"]
    recent.drop({(1, 1)})
    assert names(recent) == ["new"]


def test_only_so_many() -> None:
    """Older ones are forgotten."""
    recent = Recent()
    for pid in range(20):
        recent.saw(target(pid, str(pid)), pid)
    assert names(recent) == [str(pid) for pid in range(19, 19 - MOST, -1)]


def test_marks() -> None:
    """A mark stays until the app is asked again, also over a change of windows."""
    recent = Recent()
    recent.saw(target(1, "a"), 0)
    recent.saw(target(2, "b"), 0)
    recent.mark({(1, 1): True})
    recent.saw(target(1, "a"), 0)
    assert [seen.hung for seen in recent] == [True, None]
    recent.mark({(1, 1): False, (2, 1): None})
    assert [seen.hung for seen in recent] == [False, None]
