"""Vector registers: as many as there are, found again, whether held or laid aside in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tray.capture import linux_vectors
from tray.capture.linux_vectors import Vectors
from tray.ffi.linux import Kernel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.linux


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    """More than is held goes to the file and comes back; forgotten, only what lay before it is left there."""
    with (tmp_path / "dump").open("w+b", buffering=0) as file:
        file.write(b"notes")
        vectors = Vectors(Kernel(), file.fileno())
        pieces = [(vectors.keep(bytes([number % 251]) * 3000), number) for number in range(600)]
        assert vectors.content(vectors.keep(b"")) == b""
        assert vectors.content(vectors.keep(b"wide" + bytes(3000))) == b"wide" + bytes(3000)
        assert vectors.content(vectors.keep(bytes(3000))) == bytes(3000)
        assert file.seek(0, 2) > linux_vectors.PLACE
        for piece, number in pieces:
            assert vectors.content(piece) == bytes([number % 251]) * 3000
        vectors.forget()
        assert file.seek(0, 2) == linux_vectors.PLACE
        file.seek(0)
        assert file.read(6) == b"notes\0"


def test_few_stay_out_of_the_file(tmp_path: Path) -> None:
    """Those of a usual program are held, and the file stays as it is."""
    with (tmp_path / "dump").open("w+b", buffering=0) as file:
        vectors = Vectors(Kernel(), file.fileno())
        pieces = [vectors.keep(b"%4d" % number) for number in range(100)]
        assert [vectors.content(piece) for piece in pieces] == [b"%4d" % number for number in range(100)]
        vectors.forget()
        assert file.seek(0, 2) == 0
