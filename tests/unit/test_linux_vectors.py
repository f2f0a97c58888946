"""Vector registers: as many as there are, found again, whether held or laid aside on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tray.capture.linux_vectors import Vectors

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.linux


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    """More than is held goes to the disk and comes back, and the dump's file has nothing of it.

    It was laid far behind in that file before, where the names of very many mapped files overwrote it.
    """
    with (tmp_path / "dump").open("w+b", buffering=0) as file:
        vectors = Vectors(file.fileno())
        pieces = [(vectors.keep(bytes([number % 251]) * 3000), number) for number in range(600)]
        assert vectors.content(vectors.keep(b"")) == b""
        assert vectors.content(vectors.keep(b"wide" + bytes(3000))) == b"wide" + bytes(3000)
        assert vectors.content(vectors.keep(bytes(3000))) == bytes(3000)
        assert vectors._written > 0
        for piece, number in pieces:
            assert vectors.content(piece) == bytes([number % 251]) * 3000
        vectors.forget()
        vectors.forget()
        assert file.seek(0, 2) == 0
        assert [path.name for path in tmp_path.iterdir()] == ["dump"]


def test_few_stay_off_the_disk() -> None:
    """Those of a usual program are held: there is no file at all that they could go to."""
    vectors = Vectors(-1)
    pieces = [vectors.keep(b"%4d" % number) for number in range(100)]
    assert [vectors.content(piece) for piece in pieces] == [b"%4d" % number for number in range(100)]
    assert vectors._written == 0
