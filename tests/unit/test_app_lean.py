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
    before = gc.get_freeze_count()
    try:
        lean.settle()
        assert gc.get_freeze_count() > before + 1000
    finally:
        gc.unfreeze()
