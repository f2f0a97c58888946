"""The plan of the house, held by tests: ranks, sizes and names."""

from __future__ import annotations

import ast
import functools
import re
import statistics
from typing import TYPE_CHECKING

from ours import PACKAGE, POSIX_ONLY, dotted, modules

if TYPE_CHECKING:
    from pathlib import Path


RANKS = (
    {"__main__", "cli", "app", "commands"},
    {"flow", "shot", "worker"},
    {"capture", "desktop", "store", "reports", "settings"},
    {"formats", "ffi", "modes", "interrupts", "packed", "patience", "program"},
    {"model", "errors"},
    {"frames", "printable", "sizes", "verdicts"},
    {"paths", "compiled"},
    {"lean"},
)
"""Entry, middle, parts, tools, nouns, what those and what all build on: each may import from those after it."""
ENTRY_MAY = {("__main__", "cli"), ("cli", "app"), ("cli", "commands")}
"""What starts the program picks what to start; these pairs are the only neighbours that meet."""
CHILDREN = {"demo": "commands"}
"""Packages that belong to another one."""

LONGEST_FILE, LONGEST_FUNCTION, LONGEST_MEDIAN = 400, 40, 10
LONGER = {"tray.commands.command", "tray.desktop.toasts._notifier"}
"""A table of one line for each command; and a class that can only be made where its base exists."""
FORBIDDEN = {"manager", "handler", "helper", "util", "utils", "common", "misc", "data", "info"}
FITTING = {"desktop": {"manager"}}
"""Part → a word that is the very thing there: X11 has a window manager."""


def part(name: str) -> str:
    """Which of the ranked parts a module of ours belongs to; empty for the package itself."""
    words = name.split(".")
    first = words[1] if len(words) > 1 else ""
    return CHILDREN.get(first, first)


def rank(name: str) -> int:
    """Rank of a part, 0 at the top."""
    return next(number for number, parts in enumerate(RANKS) if name in parts)


@functools.cache
def source(path: Path) -> str:
    """A module's text."""
    return path.read_text(encoding="utf-8")


@functools.cache
def tree(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(source(path))


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """All that is in a module's syntax tree and that a test here asks for."""
    wanted = (
        ast.Import,
        ast.ImportFrom,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.arg,
        ast.Name,
    )
    return [node for node in ast.walk(tree(path)) if isinstance(node, wanted)]


def imported(path: Path) -> set[str]:
    """Names of our modules that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            if node.module == "tray":
                names.update(f"tray.{alias.name}" for alias in node.names if is_module(alias.name))
    return {name for name in names if name.split(".")[0] == "tray"}


def is_module(name: str) -> bool:
    """Whether the package has a module of this name, rather than a value."""
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def allowed(importer: str, target: str) -> bool:
    """Whether one part may import another."""
    if importer == target or (importer, target) in ENTRY_MAY or not target:
        return True
    return rank(importer) < rank(target)


def test_imports_go_downward_only() -> None:
    """A part imports only from lower ranks, never from its neighbours."""
    importers = [path for path in modules() if part(dotted(path))]
    wrong = [
        f"{dotted(path)} imports {name}"
        for path in importers
        for name in sorted(imported(path))
        if not allowed(part(dotted(path)), part(name))
    ]
    assert not wrong


def test_every_part_has_a_rank() -> None:
    """A new part is given its rank on purpose."""
    parts = {part(dotted(path)) for path in modules()} - {""}
    assert parts <= set().union(*RANKS), parts


def test_no_module_needs_posix_at_its_top() -> None:
    """No module imports one that only POSIX has, but inside a function or a check of the platform."""
    wrong = []
    for path in modules():
        for node in tree(path).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
                )
                wrong += [f"{dotted(path)}: {name}" for name in names if name in POSIX_ONLY]
    assert not wrong


def test_files_are_short() -> None:
    """A file fits a reader's head; only tables of foreign numbers may be longer."""
    lengths = {dotted(path): len(source(path).splitlines()) for path in modules()}
    assert not {
        name: lines for name, lines in lengths.items() if lines > LONGEST_FILE and part(name) != "ffi"
    }


def functions(path: Path) -> list[tuple[str, int]]:
    """Each function's name and how many lines it has after its docstring."""
    found = []
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = node.end_lineno - body[0].lineno + 1 if body else 0
            found.append((node.name, length))
    return found


def test_functions_are_short() -> None:
    """No function is longer than a screen, and most have a few lines."""
    found = [(f"{dotted(path)}.{name}", length) for path in modules() for name, length in functions(path)]
    assert {name for name, length in found if length > LONGEST_FUNCTION} == LONGER
    assert statistics.median(length for _, length in found) < LONGEST_MEDIAN


def own_names(path: Path) -> set[str]:
    """Names that a module gives: its own, its classes', functions', parameters' and variables'."""
    names = {path.stem}
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@functools.cache
def words(name: str) -> frozenset[str]:
    """The words that a name is made of."""
    return frozenset(re.findall(r"[a-z]+", re.sub(r"([A-Z])", r" \1", name).lower()))


def test_names_say_something() -> None:
    """No name hides behind a word that fits anything."""
    wrong = [
        f"{dotted(path)}: {name}"
        for path in modules()
        if part(dotted(path)) != "ffi"
        for name in own_names(path)
        if words(name) & FORBIDDEN - FITTING.get(part(dotted(path)), set())
    ]
    assert not wrong


def test_errors_are_one_family() -> None:
    """Every exception class of ours is a `TrayError`, with its own title."""
    from tray import errors

    classes = [
        one for one in vars(errors).values() if isinstance(one, type) and one.__module__ == errors.__name__
    ]
    assert all(issubclass(one, errors.TrayError) for one in classes)
    assert all(isinstance(one.title, str) and one.title for one in classes)
