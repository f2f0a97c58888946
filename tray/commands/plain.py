"""Command lines that need no ``argparse``: whole names of options, each with what it takes, and one other word.

It costs more than all else that a command does before its work. What is not so
plain, help and mistakes among it, is left to `parser`.
"""

from __future__ import annotations

from types import SimpleNamespace

from tray.lean import TYPE_CHECKING, dataclass

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Container
    from typing import Any

    from tray.commands import Command


class Unclear(Exception):
    """What was said is not plain."""


@dataclass(frozen=True, slots=True)
class _Option:
    """What an option takes: its name, how many words, and how these are read."""

    name: str
    count: int
    listed: bool
    kind: Callable[[str], object]
    choices: Container[object]

    def value(self, words: list[str]) -> object:
        """Its value; the words it takes are taken away."""
        if not self.count:
            return True
        if len(words) < self.count:
            raise Unclear
        values = [self._one(words.pop(0)) for _ in range(self.count)]
        return values if self.listed else values[0]

    def _one(self, word: str) -> object:
        if word.startswith("-"):
            raise Unclear
        try:
            value = self.kind(word)
        except ValueError:
            raise Unclear from None
        if self.choices and value not in self.choices:
            raise Unclear
        return value


class Plain:
    """As much of an ``ArgumentParser`` as plain command lines need.

    Raises:
        Unclear: From each method: there is more to it.
    """

    def __init__(self) -> None:
        self._defaults: dict[str, object] = {}
        self._options: dict[str, _Option] = {}
        self._place: _Option | None = None

    def add_argument(self, *names: str, **how: Any) -> None:  # noqa: ANN401 - as argparse's
        """Know a flag, an option with one or more values, or the one word that may stand alone."""
        name, nargs, flag = names[-1].lstrip("-").replace("-", "_"), how.get("nargs"), "action" in how
        place = not names[0].startswith("-")
        if (
            how.get("action", "store_true") != "store_true"
            or (nargs == "?") != place
            or (place and self._place)
        ):
            raise Unclear
        count = nargs if isinstance(nargs, int) else int(not flag)
        option = _Option(name, count, count is nargs, how.get("type", str), how.get("choices", ()))
        self._defaults[name] = how.get("default", False if flag else None)
        if place:
            self._place = option
        else:
            self._options |= dict.fromkeys(names, option)

    def parse(self, words: list[str]) -> argparse.Namespace:
        """What words mean; an option that comes twice means the second."""
        values, place = dict(self._defaults), self._place
        rest = [part for word in words for part in self._parts(word)]
        while rest:
            if rest[0].startswith("-"):
                option = self._options.get(rest.pop(0))
            else:
                option, place = place, None
            if option is None:
                raise Unclear
            values[option.name] = option.value(rest)
        return SimpleNamespace(**values)  # type: ignore[return-value] # its fields are what commands use

    def _parts(self, word: str) -> list[str]:
        """``--mode=heap`` in two."""
        name, equals, value = word.partition("=")
        if not equals or name not in self._options:
            return [word]
        if self._options[name].count != 1:
            raise Unclear
        return [name, value]


def read(command: Command, words: list[str]) -> argparse.Namespace | None:
    """What the words of a command mean, its name first; None where that is not plain."""
    plain = Plain()
    try:
        plain.add_argument("-v", "--verbose", action="store_true")
        command.add(plain)  # type: ignore[arg-type] # it has what commands use of a parser
        found = plain.parse(words[1:])
    except Unclear:
        return None
    found.command = words[0]
    return found
