"""``pathlib.Path``, but `pathlib` is not loaded for what can be told from the text of a path.

It brings regular expressions, URLs and the addresses of the internet with it: a seventh of
all that a dump waits for before it looks at its target. The modules on the way there make
their paths here; mypy sees the real class.
"""

from __future__ import annotations

import os
import stat
import sys

from tray.lean import TYPE_CHECKING

__all__ = ["Path"]

if TYPE_CHECKING:
    import pathlib
    from pathlib import Path
    from typing import IO, Any


class Plain:
    """A path that does a few things itself, as the real one does, and has that do all others."""

    __slots__ = ("_text",)

    def __init__(self, *parts: str | os.PathLike[str]) -> None:
        text = os.path.join("", *parts)
        root = "/" * (len(text) - len(text.lstrip("/")))
        names = (name for name in text.split("/") if name not in {"", "."})
        self._text = ("//" if root == "//" else root[:1]) + "/".join(names) or "."

    def __fspath__(self) -> str:
        return self._text

    __str__ = __fspath__

    def __repr__(self) -> str:
        return f"PosixPath({self._text!r})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Plain):
            return self._text == other._text
        return isinstance(other, os.PathLike) and self.real() == other

    def __lt__(self, other: os.PathLike[str]) -> bool:
        return self.real() < Path(other)

    def __gt__(self, other: os.PathLike[str]) -> bool:
        return self.real() > Path(other)

    def __hash__(self) -> int:
        """As the real one has it."""
        if sys.version_info >= (3, 12):
            return hash(self._text)
        rest = self._text.lstrip("/")
        root = self._text[: len(self._text) - len(rest)]
        return hash(tuple(part for part in (root, *rest.split("/")) if part not in {"", "."}))

    def __truediv__(self, other: str | os.PathLike[str]) -> Plain:
        return Plain(self._text, other)

    def __getattr__(self, word: str) -> Any:  # noqa: ANN401 - any method of a path
        return getattr(self.real(), word)

    def real(self) -> pathlib.Path:
        """The same as the library's own."""
        import pathlib

        return pathlib.Path(self._text)

    @property
    def name(self) -> str:
        """Its last part; empty for a root."""
        name = self._text.rpartition("/")[2]
        return "" if name == "." else name

    @property
    def suffix(self) -> str:
        """What its name ends in, from the last dot on; empty if that is its first or last sign."""
        name = self.name
        dot = name.rfind(".")
        return name[dot:] if 0 < dot < len(name) - 1 else ""

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        return self.name.removesuffix(self.suffix)

    @property
    def parent(self) -> Plain:
        """Its folder; itself for a root."""
        return Plain(self._text.removesuffix(self.name))

    def with_name(self, name: str) -> Plain:
        """Another file of the same folder."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> Plain:
        """The same with another ending, or none."""
        return self.with_name(self.stem + suffix)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """What the system tells of it."""
        return os.stat(self._text, follow_symlinks=follow_symlinks)

    def lstat(self) -> os.stat_result:
        """The same, of a link itself."""
        return os.lstat(self._text)

    def is_dir(self) -> bool:
        """Whether there is such a folder."""
        try:
            return stat.S_ISDIR(os.stat(self._text).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def open(self, *how: Any, **more: Any) -> IO[Any]:  # noqa: ANN401 - as the builtin
        """The file, opened."""
        file: IO[Any] = open(self._text, *how, **more)  # noqa: SIM115 - the caller closes it
        return file

    def read_bytes(self) -> bytes:
        """All that the file holds."""
        with self.open("rb") as file:
            content: bytes = file.read()
            return content

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove the file."""
        try:
            os.unlink(self._text)
        except FileNotFoundError:
            if not missing_ok:
                raise


def _path(*parts: str | os.PathLike[str]) -> Plain | pathlib.Path:
    """A path; the library's own where that is loaded, or the system knows more of paths than their text."""
    if sys.platform == "win32" or "pathlib" in sys.modules:
        from pathlib import Path

        return Path(*parts)
    return Plain(*parts)


if not TYPE_CHECKING:
    Path = _path
