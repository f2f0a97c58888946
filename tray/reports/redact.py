"""Leaves out what tells about a person: user names, paths, arguments and window titles.

Names of modules and source files stay, for without them nobody can read a stack.
"""

from __future__ import annotations

import re
from os import PathLike

from tray.lean import TYPE_CHECKING, replace
from tray.paths import Path
from tray.printable import printable
from tray.reports.alike import calls, once
from tray.reports.names import last
from tray.reports.own import language_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tray.model import Dump, Frame, Report

LEFT_OUT = "(left out)"
_PATH = re.compile(
    r"(?!(?<=https:/)/debuginfod\.\w+\.\w+(?![/\w-]|\.\w))"  # but for the servers that `advice` names
    r"(?<![\w.~-])~?/(?:[^\s/:,;()'\"]+/)*[^\s/:,;()'\"]+/?"  # Unix
    r"|(?<!\w)(?:[A-Za-z]:|\\)\\[^\s:,;()'\"]+"  # Windows
)
_HOME = re.compile(r"[/\\](?:home|[Uu]sers|run/media|media)[/\\]([^/\\]+)[/\\]")
_SHORTEST_NAME = 3
"""A shorter user name would take letters out of other words' places."""
_PUBLIC = {"root"}


def redacted(report: Report) -> Report:
    """The report without arguments, window title and the folders of sources; its own path stays."""
    folderless = once(lambda stack: tuple(map(_folderless, stack.frames)))
    stacks = tuple(replace(stack, frames=folderless(stack)) for stack in report.stacks)
    snapshot = replace(report.snapshot, arguments="", uid=0, gid=0)
    return replace(
        report,
        snapshot=snapshot,
        stacks=stacks,
        comment=report.comment and LEFT_OUT,
        dump=_windowless(report.dump) if report.dump else None,
    )


def words(report: Report, user: str = "") -> Callable[[str], str]:
    """What takes paths and user names out of any text about this report.

    Args:
        report: As it was read, not redacted.
        user: Whom the process belongs to, by name, where that is known.
    """
    public = {module.path for module in report.modules}
    frames = list(calls(report.stacks))
    public |= {frame.module for frame in frames}
    names = {last(path) for path in public} | {report.path.name}
    names |= {last(frame.file) for frame in frames}
    names |= {printable(name) for name in names}
    paths = _paths(report)
    users = {name for path in (*paths, str(report.path)) for name in _HOME.findall(path)} | {user}
    users = {name for name in users if len(name) >= _SHORTEST_NAME and name not in _PUBLIC}
    exact = re.compile("|".join(re.escape(path) for path in sorted(paths, key=len, reverse=True)) or r"(?!)")
    person = re.compile(rf"\b(?:{'|'.join(map(re.escape, users))})\b" if users else r"(?!)")

    def shorter(found: re.Match[str]) -> str:
        name = last(found[0])
        return name if name in names else LEFT_OUT

    return lambda text: person.sub(LEFT_OUT, _PATH.sub(shorter, exact.sub(shorter, text)))


def values(told: Any, hide: Callable[[str], str]) -> Any:  # noqa: ANN401 - JSON
    """The same JSON with every text in it redacted."""
    if isinstance(told, str):
        return hide(told)
    if isinstance(told, dict):
        return {name: values(value, hide) for name, value in told.items()}
    if isinstance(told, list | tuple):
        return [values(value, hide) for value in told]
    return told


def everywhere(told: Any, hide: Callable[[str], str]) -> Any:  # noqa: ANN401 - any of our nouns
    """The same value with every text and path in it redacted, however deep."""
    from dataclasses import fields, is_dataclass

    if isinstance(told, PathLike):
        return Path(hide(str(told)))
    if type(told) is str:
        return hide(told)
    if isinstance(told, tuple):
        return tuple(everywhere(one, hide) for one in told)
    if is_dataclass(told) and not isinstance(told, type):
        return replace(told, **{one.name: everywhere(getattr(told, one.name), hide) for one in fields(told)})
    return told


def _paths(report: Report) -> set[str]:
    """Paths that are known as such, and so are found even with spaces in them."""
    found = {module.path for module in report.modules}
    found |= {region.path for region in report.snapshot.mappings}
    found |= {str(report.path)}
    if report.dump:
        found |= {str(report.dump.target.executable or "")}
        found |= {thread.waits_on for thread in report.dump.threads}
    found |= {printable(path) for path in found}
    return {path for path in found if "/" in path or "\\" in path}


def _folderless(frame: Frame) -> Frame:
    """The frame with its source's name alone, and whether that is one of the language's own."""
    name = last(frame.file)
    return frame if name == frame.file else replace(frame, file=language_folder(frame.file) + name)


def _windowless(dump: Dump) -> Dump:
    window = dump.target.window
    hidden = window and replace(window, title=window.title and LEFT_OUT)
    return replace(dump, target=replace(dump.target, window=hidden))
