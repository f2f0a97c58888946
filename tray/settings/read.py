"""TOML → Settings, with the line of every mistake."""

from __future__ import annotations

from tray import packed, sizes
from tray.errors import BadSettings
from tray.lean import TYPE_CHECKING, logger, pattern, replace
from tray.model import Retention
from tray.modes import MODES, How
from tray.paths import Path
from tray.settings.content import content
from tray.settings.values import KEPT, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

log = logger(__name__)

HOUR = 3600


def load(path: Path) -> Settings:
    """The settings in this file; the defaults if there is none. The file stays untouched.

    What it says that nobody understands is logged as a warning, and is in
    `Settings.warnings`; it may be a limit that is misspelled, so nothing is removed then.

    Raises:
        BadSettings: It cannot be read, is no TOML, or a value makes no sense.
    """
    settings = parse(text(path), path)
    for warning in settings.warnings:
        log.warning("%s", warning)
    return settings


def problems(path: Path) -> list[str]:
    """What is wrong with the settings file, one sentence each; the first that is an error ends it."""
    try:
        return list(parse(text(path), path).warnings)
    except BadSettings as error:
        return [str(error)]


def text(path: Path) -> str:
    """The content of the settings file, line ends as they are; empty if there is none.

    Raises:
        BadSettings: It cannot be read, or is not UTF-8.
    """
    try:
        found = content(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        hint = "Mend or remove it; 'Edit settings…' in the menu makes a new one."
        raise BadSettings(f"{path} cannot be read: {error.strerror}.", hint=hint) from error
    try:
        return found.decode("utf-8-sig")  # Notepad puts a mark in front
    except UnicodeDecodeError as error:
        line = found.count(b"\n", 0, error.start) + 1
        raise _mistake(path, line, "this is not UTF-8 text; save it with that encoding") from error


def parse(toml: str, path: Path) -> Settings:
    """The settings that a text means.

    Args:
        toml: Content of the file.
        path: The file, for messages only.

    Raises:
        BadSettings: It is no TOML, or a value makes no sense.
    """
    try:
        table = _table(toml)
    except (ValueError, RecursionError) as error:  # also a number of 5000 digits, or 5000 brackets
        cause, line = _syntax(error, toml)
        at = toml.splitlines()[line - 1] if 0 < line <= len(toml.splitlines()) else ""
        usual = (meant for looks, meant in _USUAL_MISTAKES if looks.search(at))
        raise _mistake(path, line, next(usual, cause)) from error
    reader = _Reader(toml, path)
    inner = reader.inner(table, "retention")
    values = reader.values(table, VALUES)
    retention = replace(KEPT, **reader.values(inner, RETENTION, "retention"))
    unknown = [*reader.unknown(table, (*VALUES, "retention")), *reader.unknown(inner, RETENTION, "retention")]
    return Settings(**values, retention=Retention() if unknown else retention, warnings=tuple(unknown))


def _table(toml: str) -> dict[str, Any]:
    """What TOML says; most people have no settings file, and a dump is in a hurry."""
    if not toml.strip():
        return {}
    import tomllib

    return tomllib.loads(toml)


_USUAL_MISTAKES = (
    (
        pattern(r"""=\s*"[^"]*\\"""),
        "a path with backslashes stands in single quotes, as in folder = 'C:\\Dumps'",
    ),
    (
        pattern(r"=\s*(True|False|TRUE|FALSE|yes|no|on|off)\s*(#|$)"),
        "yes and no are written as true and false",
    ),
    (pattern(r"=\s*(?!true|false)[A-Za-z][^\"'=]*$"), 'text stands in quotes, as in mode = "heap"'),
)
"""What a line looks like that is no TOML, and what to tell instead of the parser's words."""


_SYNTAX = pattern(r"(?P<cause>.*) \(at (line (?P<line>\d+), column \d+|end of document)\)")


def _mistake(path: Path, line: int | None, cause: str) -> BadSettings:
    """A mistake on a line."""
    place = f"{path.name}, line {line}" if line else path.name
    hint = f"Mend that line of {path} and save."
    end = "" if cause.endswith("?") else "."
    return BadSettings(f"{place}: {cause[:1].lower()}{cause[1:]}{end}", line=line, hint=hint)


def _syntax(error: Exception, toml: str) -> tuple[str, int]:
    """Cause and line of a syntax error; both are fields from Python 3.14 on, and in the text before."""
    match = _SYNTAX.fullmatch(str(error))
    if match is None:
        return str(error), 1
    line = int(match["line"]) if match["line"] else len(toml.rstrip().splitlines())
    return match["cause"], line


class _Reader:
    """Reads tables of one file, and knows where in it their keys are."""

    def __init__(self, toml: str, path: Path) -> None:
        self._toml = toml
        self._path = path

    def inner(self, table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        """The table under this key; empty if there is none."""
        found = table.get(key, {})
        if not isinstance(found, dict):
            raise self._mistake(key, "", f"'{key}' must be a table, headed [{key}]")
        return found

    def values(
        self, table: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]], section: str = ""
    ) -> dict[str, Any]:
        """The values of the known keys, each as its reader gives it."""
        found: dict[str, Any] = {}
        for key in readers.keys() & table.keys():
            try:
                found[key] = readers[key](table[key])
            except ValueError as error:
                raise self._mistake(key, section, f"'{key}' must be {error}") from error
        return found

    def unknown(self, table: Mapping[str, Any], known: Iterable[str], section: str = "") -> list[str]:
        """A sentence about each key that means nothing, with the nearest that does."""
        known = list(known)
        return [
            f"{self._path.name}, line {line_of(self._toml, key, section)}: "
            f"there is no setting '{key}'{_nearest(key, known)}"
            for key in table
            if key not in known
        ]

    def _mistake(self, key: str, section: str, cause: str) -> BadSettings:
        """A mistake at this key."""
        return _mistake(self._path, line_of(self._toml, key, section), cause)


def _nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence, with a suggestion if there is a good one."""
    import difflib

    near = difflib.get_close_matches(word.lower(), list(known), 1)
    return f"; did you mean '{near[0]}'?" if near else "."


def line_of(toml: str, key: str, section: str = "") -> int:
    """Line of a key that the text is known to hold, from 1; tomllib does not tell.

    Finds ``key = …`` under its header, ``section.key = …`` and, for an inline
    table, the line of the section; the first line if it is written in some other way.
    """
    import re

    name = rf"""["']?{re.escape(key)}["']?"""
    dotted = rf"""["']?{re.escape(section)}["']?\s*\.\s*""" if section else ""
    here, fallback = "", 1
    for number, line in enumerate(toml.split("\n"), 1):
        header = re.match(r"""\s*\[\s*["']?([^]"']*?)["']?\s*\]""", line)
        if header:
            here = header[1]
        if (here == section and re.match(rf"\s*{name}\s*[.=]", line)) or (
            dotted and re.match(rf"\s*{dotted}{name}\s*=", line)
        ):
            return number
        if section and re.match(rf"""\s*["']?{re.escape(section)}["']?\s*=""", line):
            fallback = number
        if header and header[1] == (section or key):
            fallback = number
    return fallback


def _hotkey(value: object) -> str:
    """Some text; which combinations there are, the desktop knows."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError('a combination of keys in quotes, as "ctrl+alt+shift+d"')
    return value.strip()


def _mode(value: object) -> str:
    """The name of a mode."""
    if isinstance(value, str) and value in MODES:
        return value
    names = [f'"{name}"' for name in MODES]
    choice = f"{', '.join(names[:-1])} or {names[-1]}"
    raise ValueError(f"{choice}, not {_shown(value)}{_nearest(str(value), MODES).rstrip('.')}")


def _how(value: object) -> How:
    """How memory is read."""
    try:
        return How(str(value))
    except ValueError:
        choice = '"auto", "snapshot" or "stop"'
        raise ValueError(f"{choice}, not {_shown(value)}{_nearest(str(value), How).rstrip('.')}") from None


def _truth(value: object) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    raise ValueError(f"true or false, without quotes, not {_shown(value)}")


def _compress(value: object) -> str:
    """How dumps are packed."""
    if isinstance(value, str) and value in packed.KINDS:
        return value
    raise ValueError(f'"none" or "zstd", not {_shown(value)}{_nearest(str(value), packed.KINDS).rstrip(".")}')


def _shown(value: object) -> str:
    """A value about as it stands in the file."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _folder(value: object) -> Path:
    """An absolute path; ``~`` is the home folder."""
    if isinstance(value, str) and value:
        try:
            path = Path(value).expanduser()
        except RuntimeError:
            raise ValueError(f"a folder; nobody's home is {value!r}") from None
        if path.is_absolute() and "\0" not in value:
            return path
    raise ValueError('a whole path in quotes, as "/home/me/dumps" or "~/dumps"')


def _seconds(value: object) -> float:
    """Seconds up to an hour."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= HOUR:
        return float(value)
    raise ValueError(f"a number of seconds from 0 to {HOUR}, without quotes")


def _number(value: object) -> int:
    """A whole number, 0 or more."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("a whole number, 0 or more, without quotes (0 means no limit)")


def _size(value: object) -> int:
    """Bytes, or text with a unit."""
    try:
        return sizes.parsed(value) if isinstance(value, str) else _number(value)
    except ValueError:
        raise ValueError('a size in quotes, as "10 GB" or "500 MiB" ("0" means no limit)') from None


VALUES: dict[str, Callable[[Any], Any]] = {
    "hotkey": _hotkey,
    "mode": _mode,
    "capture": _how,
    "low_impact": _truth,
    "compress": _compress,
    "folder": _folder,
    "notify_after": _seconds,
}
RETENTION: dict[str, Callable[[Any], Any]] = {"count": _number, "days": _number, "size": _size}
