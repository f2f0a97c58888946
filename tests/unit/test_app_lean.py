"""What keeps the tray small."""

from __future__ import annotations

import gc
import weakref

from tray.app import lean


class Knot:
    """Holds itself."""

    def __init__(self) -> None:
        self.again = self


def test_what_is_left_goes_at_once() -> None:
    """Also what only a search for cycles finds."""
    left = weakref.ref(Knot())
    lean.tidy()
    assert left() is None


def test_what_stays_is_not_searched_again() -> None:
    """All that is there once the tray has started is set aside."""
    before, stays = gc.get_freeze_count(), [[] for _ in range(1000)]
    try:
        lean.settle()
        assert gc.get_freeze_count() >= before + len(stays)
    finally:
        gc.unfreeze()
        gc.freeze()  # as it was: conftest.py sets the tests aside
