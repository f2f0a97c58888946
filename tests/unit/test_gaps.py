"""A list of what a dump lacks that stays short."""

from __future__ import annotations

from tray.capture.gaps import MOST, Gaps
from tray.model import Gap


def test_many_gaps_of_a_reason_become_one():
    """The first ones are told by name, the others by their number and size; each reason has its own."""
    found = Gaps(Gap(f"at {number}", "secret", 8) for number in range(MOST + 300))
    found += [Gap("at last", "gone", 1)]
    assert found[: MOST + 1] == [
        *(Gap(f"at {n}", "secret", 8) for n in range(MOST)),
        Gap("300 more", "secret", 2400),
    ]
    assert found[MOST + 1 :] == [Gap("at last", "gone", 1)]
