"""The subcommands: one file each, imported only when it is asked for."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import argparse

NAMES = ("dump", "list", "inspect", "explain", "open", "prune", "hotkey", "doctor", "demo")
"""In the order of the help. A new one is one file, its name here, and its line below."""

HIDDEN = ("read-stacks",)
"""Those that only the program itself runs; the help is silent about them."""

UNTOLD = "==SUPPRESS=="
"""``argparse.SUPPRESS``, for options that only the program itself gives; `argparse` is mostly not needed."""


class Command(Protocol):
    """What the module of a subcommand offers."""

    HELP: str
    """One short line."""

    def add(self, parser: argparse.ArgumentParser) -> None:
        """Add what the command takes."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; gives the exit code. Errors are raised."""


def command(name: str) -> Command:  # noqa: C901, PLR0911 - one line for each
    """The module of a subcommand.

    The imports are spelt out: a program that is frozen into one folder holds only
    what it can see imported.
    """
    match name:
        case "dump":
            from tray.commands import dump

            return dump
        case "list":
            from tray.commands import list as list_

            return list_
        case "inspect":
            from tray.commands import inspect

            return inspect
        case "explain":
            from tray.commands import explain

            return explain
        case "open":
            from tray.commands import open as open_

            return open_
        case "prune":
            from tray.commands import prune

            return prune
        case "hotkey":
            from tray.commands import hotkey

            return hotkey
        case "doctor":
            from tray.commands import doctor

            return doctor
        case "demo":
            from tray.commands import demo

            return demo
        case "read-stacks":
            from tray.commands import read_stacks

            return read_stacks
    raise KeyError(name)
