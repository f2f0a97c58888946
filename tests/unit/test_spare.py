"""The worker that is kept ready: when it is used, when it is thrown away, and that there is only one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tray.app import spare
from tray.app.spare import Spare
from tray.errors import CaptureFailed

if TYPE_CHECKING:
    from pathlib import Path


class Waiting:
    """A worker that waits."""

    def __init__(self) -> None:
        self.alive, self.told, self.dismissed = True, None, False

    def tell(self, told) -> None:
        self.told = told

    def dismiss(self) -> None:
        self.alive, self.dismissed = False, True


class Factory:
    """Makes them, and stands for the program's files."""

    def __init__(self) -> None:
        self.made: list[Waiting] = []
        self.version: object = frozenset({("a.py", 1, 1)})
        self.fails = False
        self.spare = Spare(self.make, self.seen)

    def make(self) -> Waiting:
        if self.fails:
            raise CaptureFailed("No.")
        self.made.append(Waiting())
        return self.made[-1]

    def seen(self):
        if self.version is None:
            raise FileNotFoundError(2, "gone")
        return self.version


@pytest.fixture
def factory() -> Factory:
    return Factory()


def test_the_one_that_waits_is_used_once(factory: Factory) -> None:
    """A press takes the worker that waits, the next one a new one."""
    factory.spare.prepare()
    first = factory.spare.take(print)
    assert factory.made == [first]
    assert first.told is print
    assert factory.spare.take(print) is not first


def test_never_more_than_one_waits(factory: Factory) -> None:
    """Preparing twice starts one worker."""
    factory.spare.prepare()
    factory.spare.prepare()
    assert len(factory.made) == 1


def test_a_dead_one_is_replaced(factory: Factory) -> None:
    """A worker that died waiting is not used, neither at a press nor before the next."""
    factory.spare.prepare()
    factory.made[0].alive = False
    factory.spare.prepare()
    factory.made[1].alive = False
    assert factory.spare.take(print) is factory.made[2]


@pytest.mark.parametrize("version", [frozenset({("a.py", 2, 1)}), frozenset(), None])
def test_an_update_replaces_it(factory: Factory, version) -> None:
    """A worker of a program that was changed, removed or is just being changed is never used."""
    factory.spare.prepare()
    factory.version = version
    assert factory.spare.take(print) is factory.made[1]
    assert factory.made[0].dismissed


def test_closing_ends_it(factory: Factory) -> None:
    """Nothing is left waiting when the tray quits; what was taken is not ours to end."""
    factory.spare.prepare()
    used = factory.spare.take(print)
    factory.spare.prepare()
    factory.spare.close()
    factory.spare.close()
    assert factory.made[1].dismissed
    assert not used.dismissed


def test_that_none_can_be_started_is_told_at_a_press_only(factory: Factory) -> None:
    """Keeping one ready may fail in silence; a press then says why."""
    factory.fails = True
    factory.spare.prepare()
    with pytest.raises(CaptureFailed):
        factory.spare.take(print)


def test_files_tell_an_update(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A changed, added or removed source is seen; what Python caches is not looked at."""
    (tmp_path / "part/__pycache__").mkdir(parents=True)
    source = tmp_path / "part/one.py"
    source.write_text("one")
    monkeypatch.setattr(spare, "_PACKAGE", tmp_path)
    before = frozenset(spare.files())
    (tmp_path / "part/__pycache__/one.py").write_text("cached")
    assert frozenset(spare.files()) == before
    os.utime(source, ns=(1, 1))
    changed = frozenset(spare.files())
    assert changed != before
    (tmp_path / "two.py").write_text("two")
    assert frozenset(spare.files()) != changed
