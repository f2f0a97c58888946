"""Paths of ours are as the real ones, and load them for what they cannot do."""

from __future__ import annotations

import pathlib
from pathlib import Path

import pytest

from tray import paths
from tray.paths import Plain

pytestmark = pytest.mark.linux  # elsewhere the real ones are used

TEXTS = (
    "/", "//", "///", ".", "", "..", "a", "a/", "/a", "//a", "///a//b/./c/", "a/../b", "./a", "a/.", "x.core",
    "/d/.hidden", "/d/.hidden.txt", "x.core.zst", "/a.b/c", "ä ö", "\udcff.core", "...", "..a", "/tmp/x.core.partial",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_path_tells(text: str) -> None:
    """Its text, parts, equality, order and hash; alone and joined."""
    real = pathlib.PosixPath(text)
    for ours, its in ((Plain(text), real), (Plain("/x", text, "y"), pathlib.PosixPath("/x", text, "y"))):
        assert (str(ours), repr(ours), ours.__fspath__()) == (str(its), repr(its), its.__fspath__())
        assert (ours.name, ours.suffix, ours.stem) == (its.name, its.suffix, its.stem)
        assert (hash(ours), str(ours.parent), str(ours / "z/w")) == (
            hash(its),
            str(its.parent),
            str(its / "z/w"),
        )
        assert ours == its
        assert its == ours
        assert ours == Plain(str(its))
        assert not ours != its  # noqa: SIM202 - the other operator
        assert ours != str(its)
        assert (ours < real / "b", real / "b" < ours) == (its < real / "b", real / "b" < its)
        assert (ours.is_absolute(), list(map(str, ours.parents))) == (
            its.is_absolute(),
            list(map(str, its.parents)),
        )
        if its.name and its.name != "..":
            assert str(ours.with_name("n")) == str(its.with_name("n"))
            assert str(ours.with_suffix(".json")) == str(its.with_suffix(".json"))


def test_what_a_path_does(tmp_path: Path) -> None:
    """It opens, reads, looks at and removes files, and all else is done by the real one."""
    path = Plain(tmp_path) / "x"
    assert not path.is_dir()
    assert not (path / "y").is_dir()
    assert Plain(tmp_path).is_dir()
    with path.open("wb", buffering=0) as file:
        file.write(b"ab")
    (tmp_path / "link").symlink_to("x")
    assert path.read_bytes() == b"ab"
    assert (path.stat().st_size, Plain(tmp_path / "link").lstat().st_size) == (2, 1)
    assert Plain(tmp_path, "link").stat(follow_symlinks=False).st_size == 1
    assert path.exists()
    path.unlink()
    path.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        path.unlink()


def test_the_real_ones_are_used_where_they_are_loaded() -> None:
    """So no program has both, but one that loads them on its way."""
    assert type(paths.Path("a", "b")) is pathlib.PosixPath
