"""Which dumps may go."""

from __future__ import annotations

from itertools import accumulate

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tray.model import Dump, Retention

DAY = 86_400


def expired(dumps: Sequence[Dump], retention: Retention, now: datetime) -> list[Dump]:
    """The dumps that ``retention`` has no room for; never the first.

    Where one does not fit by size, neither does any older one: what is kept is
    always the newest stretch, so nobody has to guess which dumps are left.

    Args:
        dumps: Newest first.
        retention: Its zeros mean no limit.
        now: Aware.
    """
    sums = accumulate(dump.allocated for dump in dumps)
    return [
        dump
        for place, (dump, total) in enumerate(zip(dumps, sums, strict=True))
        if place > 0 and _too_many(place, total, (now - dump.taken).total_seconds(), retention)
    ]


def _too_many(place: int, total: int, age: float, retention: Retention) -> bool:
    """Whether any limit is passed by the dump at this place, with this total up to it."""
    return 0 < retention.count <= place or 0 < retention.size < total or 0 < retention.days * DAY < age
