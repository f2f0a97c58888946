"""Bytes that are kept for later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tray.formats import spool as spools

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.linux
def test_most_of_it_lies_in_a_file_without_a_name(tmp_path: Path, monkeypatch):
    """What is kept comes back, wherever it lies by then; the folder shows nothing of it."""
    monkeypatch.setattr(spools, "_WINDOW", 64)
    with (tmp_path / "dump").open("wb") as file:
        spool = spools.Spool(file.fileno(), held=100)
        contents = [bytes([number]) * (7 * number % 130) for number in range(60)]
        places = [spool.keep(content) for content in contents]
        for place, content in [*zip(places, contents, strict=True), (places[0], contents[0])]:
            assert spool.content(place, place + len(content)) == content
        assert len(spool._held) <= 100 < spool.size == sum(map(len, contents))
        assert [path.name for path in tmp_path.iterdir()] == ["dump"]
        spool.close()
        spool.close()


def test_without_a_file_all_is_held():
    """As where only a few lines are looked at."""
    spool = spools.Spool()
    place = spool.keep(bytes(spools._HELD)) + spool.keep(b"more")
    assert spool.content(place, place + 4) == b"more"
