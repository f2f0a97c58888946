"""The finder of our own modules: what it finds is what Python's own would find, and it never finds too much."""

from __future__ import annotations

import os
import py_compile
import sys
from importlib.machinery import PathFinder
from importlib.util import MAGIC_NUMBER, cache_from_source, module_from_spec
from pathlib import Path

import pytest

from tray import compiled
from tray.compiled import Finder

ENDING = f".{sys.implementation.cache_tag}.pyc"
BEGINS = MAGIC_NUMBER + bytes(4)
TELLS = ("name", "origin", "cached", "has_location", "submodule_search_locations", "parent")


@pytest.fixture
def package(tmp_path: Path, monkeypatch) -> Path:
    """A package with a module and another package, both compiled."""
    monkeypatch.setattr(sys, "pycache_prefix", None)
    inner = tmp_path / "inner"
    inner.mkdir()
    for path in (tmp_path / "one.py", inner / "__init__.py", inner / "two.py"):
        path.write_text("WHERE = __file__\ndef name():\n    return __name__\n")
        py_compile.compile(str(path), doraise=True)
    return tmp_path


def found(name: str, folder: Path):
    """What our finder gives."""
    return Finder("app", ENDING, BEGINS).find_spec(name, [str(folder)])


@pytest.mark.parametrize(("name", "folder"), [("app.one", ""), ("app.inner", ""), ("app.inner.two", "inner")])
def test_it_finds_what_python_finds(package: Path, name: str, folder: str) -> None:
    """The same words about it, and the same module."""
    ours, theirs = found(name, package / folder), PathFinder.find_spec(name, [str(package / folder)])
    assert [getattr(ours, word) for word in TELLS] == [getattr(theirs, word) for word in TELLS]
    assert isinstance(ours.loader, type(theirs.loader))
    module = module_from_spec(ours)
    ours.loader.exec_module(module)
    assert (module.WHERE, module.name(), module.__cached__) == (theirs.origin, name, theirs.cached)
    assert ours.loader.get_source(name) == theirs.loader.get_source(name)
    ours.loader.exec_module(module)  # as a reload does, when what was kept is gone


def damaged(path: Path, content: bytes) -> None:
    """The compiled file with other bytes in it."""
    Path(cache_from_source(str(path))).write_bytes(content)


def content(path: Path) -> bytes:
    """The compiled file's bytes."""
    return Path(cache_from_source(str(path))).read_bytes()


def longer(path: Path) -> None:
    """Another source of the same time."""
    before = path.stat().st_mtime_ns
    path.write_text(path.read_text() + "#")
    os.utime(path, ns=(before, before))


CHANGES = {
    "newer": lambda path: os.utime(path, (1, 1)),
    "longer": longer,
    "no source": lambda path: path.unlink(),
    "not compiled": lambda path: Path(cache_from_source(str(path))).unlink(),
    "by another Python": lambda path: damaged(path, b"\0\0\r\n" + content(path)[4:]),
    "by its content": lambda path: py_compile.compile(
        str(path), invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
    ),
    "cut off": lambda path: damaged(path, content(path)[:-9]),
    "no code": lambda path: damaged(path, content(path)[:16]),
    "too large": lambda path: damaged(path, content(path) + bytes(1 << 16)),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_it_leaves_to_python_what_is_not_as_usual(package: Path, change: str) -> None:
    """Above all a source that has changed since it was compiled."""
    assert found("app.one", package)
    CHANGES[change](package / "one.py")
    assert found("app.one", package) is None


def test_it_finds_nothing_else(package: Path) -> None:
    """No other's modules, none in several folders, and no package itself."""
    assert found("other.one", package) is None
    assert found("app", package) is None
    assert found("app.three", package) is None
    assert Finder("app", ENDING, BEGINS).find_spec("app.one", None) is None
    assert Finder("app", ENDING, BEGINS).find_spec("app.one", [str(package), str(package)]) is None


@pytest.mark.parametrize("usual", [True, False])
def test_it_is_for_programs_of_the_usual_kind(package: Path, monkeypatch, *, usual: bool) -> None:
    """Not where what is compiled lies elsewhere, as by PYTHONPYCACHEPREFIX, or is not there."""
    spec = PathFinder.find_spec("inner", [str(package)])
    if not usual:
        spec.cached = str(package / "elsewhere" / Path(spec.cached).name)
    monkeypatch.setattr(compiled.tray, "__spec__", spec)
    monkeypatch.setattr(sys, "meta_path", before := [])
    compiled.prefer()
    assert len(before) == usual
    if usual:
        Path(spec.cached).unlink()
        before.clear()
        compiled.prefer()
        assert before == []
