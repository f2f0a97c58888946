"""Sizes as people read and write them."""

from __future__ import annotations

import pytest

from tray import sizes


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9960, "10 kB"),
        (250_000, "250 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567, "1.2 MB"),
        (64 << 30, "69 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_a_size_has_two_or_three_digits(size, text):
    """No size is longer than people can take in at a glance."""
    assert sizes.shown(size) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("10 GB", 10**10), ("10GiB", 10 << 30), ("1.5 mb", 1_500_000), (" 7 ", 7), ("0", 0), ("3 B", 3)],
)
def test_decimal_and_binary_units_are_read(text, size):
    """GB is decimal and GiB binary, as their standards say; case does not matter."""
    assert sizes.parsed(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1 GB", "10 apples", "1.2.3 MB", "1e3"])
def test_other_text_is_no_size(text):
    """What is no size is refused, not guessed."""
    with pytest.raises(ValueError, match="is no size"):
        sizes.parsed(text)
