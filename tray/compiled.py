"""Our own modules, straight from where Python keeps what it has compiled of them.

Its own finder asks the system a dozen questions about each module, and a dump waits for some eighty of
them; this asks four. Where anything is not as usual it finds nothing, and Python looks for itself.

Source: PEP 451 (what finds modules), PEP 3147 (where compiled files lie), PEP 552 (how they begin).
"""

from __future__ import annotations

import os
import sys
from marshal import loads

import tray
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec, SourceFileLoader
    from types import CodeType, ModuleType
else:  # the same, without the module that names them
    ModuleSpec, SourceFileLoader = type(tray.__spec__), type(tray.__spec__.loader)

_HEAD, _LARGEST = 16, 1 << 16
"""Bytes before the code, and more than any of these files has."""
_BY_TIME = bytes(4)
"""Flags of a compiled file that belongs to a source of a certain time and size."""
_WHOLE = "__init__"
"""Module of a package."""


class _Loader(SourceFileLoader):
    """Has the code already."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code: CodeType | None = code

    def get_code(self, fullname: str) -> CodeType | None:
        """The code; kept no longer than until it is asked for."""
        code, self._code = self._code, None
        return code or super().get_code(fullname)


class Finder:
    """Finds the modules inside one package.

    Args:
        package: Its name.
        ending: What follows the module in names of compiled files.
        begins: The first bytes of files that this Python has compiled, up to the flags.
    """

    def __init__(self, package: str, ending: str, begins: bytes) -> None:
        self._inside, self._ending, self._begins = f"{package}.", ending, begins

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """See ``importlib.abc.MetaPathFinder``."""
        del target
        if not path or len(path) != 1 or not fullname.startswith(self._inside):
            return None
        folder, stem = path[0], fullname.rpartition(".")[2]
        return self._spec(fullname, folder, stem) or self._spec(fullname, folder + os.sep + stem, _WHOLE)

    def _spec(self, name: str, folder: str, stem: str) -> ModuleSpec | None:
        source = f"{folder}{os.sep}{stem}.py"
        compiled = f"{folder}{os.sep}__pycache__{os.sep}{stem}{self._ending}"
        code = self._code(source, compiled)
        if code is None:
            return None
        spec = ModuleSpec(name, _Loader(name, source, code), origin=source)
        spec.has_location, spec.cached = True, compiled
        if stem == _WHOLE:
            spec.submodule_search_locations = [folder]
        return spec

    def _code(self, source: str, compiled: str) -> CodeType | None:
        """What was compiled of this very source."""
        try:
            content, status = _content(compiled), os.stat(source)  # noqa: PTH116 - as little as can be
        except OSError:
            return None
        belongs = (_word(int(status.st_mtime)), _word(status.st_size))
        if content[:_HEAD] != b"".join((self._begins, *belongs)) or len(content) == _LARGEST:
            return None
        try:
            return loads(memoryview(content)[_HEAD:])  # type: ignore[no-any-return] # noqa: S302 - as Python does
        except (EOFError, ValueError, TypeError):
            return None


def _word(number: int) -> bytes:
    return (number & 0xFFFFFFFF).to_bytes(4, "little")


def _content(path: str) -> bytes:
    """A file, but no more than `_LARGEST` of it."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    try:
        return os.read(descriptor, _LARGEST)
    finally:
        os.close(descriptor)


def prefer() -> None:
    """Find our modules so from now on, if they are sources with what is compiled of them beside them."""
    spec = tray.__spec__
    compiled, sources = spec.cached or "", spec.submodule_search_locations or []
    folder, name = compiled.rpartition(os.sep)[::2]
    if [folder] != [f"{source}{os.sep}__pycache__" for source in sources] or not name.startswith(_WHOLE):
        return
    try:
        begins = _content(compiled)[: _HEAD // 2]
    except OSError:
        return
    if begins.endswith(_BY_TIME):
        sys.meta_path.insert(0, Finder(tray.__name__, name.removeprefix(_WHOLE), begins))
