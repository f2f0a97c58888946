"""The memory that a dump holds."""

from __future__ import annotations

import pytest

from tray.errors import BadDump
from tray.formats import stretches
from tray.formats.stretches import Stretches


def test_few_are_put_in_order_and_many_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million in order are a process's; so many in none only a damaged file has, and sorting takes long."""
    monkeypatch.setattr(stretches, "_MOST_UNSORTED", 3)
    places = [(16 * n, 8, n) for n in range(4)]
    for some in (places, places[:3], places[2::-1]):
        assert Stretches(some, lambda offset, size: bytes([offset]) * size).memory(18, 100) == b"\3" * 6
    with pytest.raises(BadDump, match="in no order"):
        Stretches(places[::-1], lambda _offset, _size: b"")
