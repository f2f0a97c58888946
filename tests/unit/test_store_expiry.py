"""Which dumps may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray.model import Dump, Retention, Target, Trigger
from tray.store.expiry import expired

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def dump(days: float, allocated: int = 10) -> Dump:
    """A dump of that age and size on disk."""
    target = Target(1, 1, "app")
    taken = NOW - timedelta(days=days)
    name = f"dump-{days}"
    where = Path("/dumps") / f"{name}.core"
    return Dump(name, where, "elf-core", "mini", Trigger.CLI, target, taken, 1, 0.1, "", 10**9, allocated)


THREE = [dump(0), dump(1), dump(2)]


@pytest.mark.parametrize(
    ("retention", "left"),
    [
        (Retention(), 3),
        (Retention(count=2), 2),
        (Retention(count=3), 3),
        (Retention(days=1), 2),
        (Retention(days=10**12), 3),
        (Retention(size=20), 2),
        (Retention(size=29), 2),
        (Retention(size=30), 3),
        (Retention(count=2, days=9, size=10), 1),
        (Retention(size=1), 1),
    ],
)
def test_each_limit_alone_makes_room(retention, left):
    """Count, age and size (on disk) each remove the oldest; zero means no limit."""
    assert expired(THREE, retention, NOW) == THREE[left:]


def test_the_newest_stays_whatever_the_limits_say():
    """A dump just taken is never removed, however old the clock or big the file makes it."""
    assert expired([dump(400, 10**12)], Retention(1, 1, 1), NOW) == []


def test_nothing_expires_in_an_empty_store():
    """No dumps, nothing to remove."""
    assert expired([], Retention(1, 1, 1), NOW) == []


@given(
    ages=st.lists(st.integers(0, 100), max_size=12),
    retention=st.builds(Retention, count=st.integers(0, 5), days=st.integers(0, 50), size=st.integers(0, 80)),
)
def test_what_is_kept_is_always_the_newest_stretch(ages, retention):
    """No dump outlives a newer one."""
    dumps = [dump(days) for days in sorted(ages)]
    gone = expired(dumps, retention, NOW)
    assert dumps[len(dumps) - len(gone) :] == gone
