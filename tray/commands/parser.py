"""The whole grammar of the command line, with its help; loaded where `plain` does not understand."""

from __future__ import annotations

import argparse
import functools
from typing import TYPE_CHECKING, Any, NoReturn

from tray import __version__, commands
from tray.errors import BadUsage, TrayError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DESCRIPTION = """\
Press a key when an app freezes: a dump of it is on disk, and a toast says where.
Without a command the tray starts."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises, so that mistakes are told like all others.

    Attributes:
        command: The one command it knows, after a space; argparse tells of what is
            left over in the name of the whole.
    """

    command = ""

    def add_argument(self, *names: str, **how: Any) -> argparse.Action:  # noqa: ANN401 - as its own
        """As argparse does, which knows its own `commands.UNTOLD` by identity."""
        if how.get("help") == commands.UNTOLD:
            how["help"] = argparse.SUPPRESS
        return super().add_argument(*names, **how)

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        hint = f"See '{self.prog}{self.command} --help'."
        raise BadUsage(f"{message[:1].upper()}{message[1:]}.", hint=hint)


def parser(names: Sequence[str], *, helps: bool = True) -> argparse.ArgumentParser:
    """The parser with these commands; only their modules are imported.

    Args:
        names: Of the commands.
        helps: Whether it may have to print help; finding out how wide the terminal is takes its time.
    """
    form = functools.partial(argparse.RawDescriptionHelpFormatter, width=None if helps else 80)
    whole = _Parser(
        prog="hangshot",
        usage="%(prog)s [-h] [--version] [-v] [COMMAND] …",
        description=DESCRIPTION,
        epilog=exit_codes(),
        formatter_class=form,
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"hangshot {__version__}")
    _add_verbose(whole, default=False)
    places = whole.add_subparsers(title="commands", dest="command", metavar="COMMAND", prog="hangshot")
    for name in names:
        module = commands.command(name)
        described = _sentence(module.HELP)
        place = places.add_parser(name, help=module.HELP, description=described, formatter_class=form)
        _add_verbose(place, default=argparse.SUPPRESS)
        module.add(place)
        whole.command = f" {name}"
    return whole


def _add_verbose(place: argparse.ArgumentParser, *, default: object) -> None:
    """``-v`` before and after the command."""
    place.add_argument("-v", "--verbose", action="store_true", default=default, help="say what is done")


def _sentence(text: str) -> str:
    """A line of help as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def exit_codes() -> str:
    """The table of exit codes, from the errors themselves."""
    titles: dict[int, str] = {0: "All went well"}
    for kind in _family(TrayError):
        titles.setdefault(kind.exit_code, kind.title)
    lines = [f"  {code:3}  {title}" for code, title in sorted(titles.items())]
    return "\n".join(["exit codes:", *lines])


def _family(kind: type[TrayError]) -> Iterator[type[TrayError]]:
    """A kind of error and all that derive from it."""
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)
