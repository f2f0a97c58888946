"""``hangshot doctor``: what works here, what does not, and what to do about it."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from typing import TYPE_CHECKING

from tray import __version__
from tray.desktop import Health
from tray.errors import BadSettings, TrayError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from tray.settings import Settings

HELP = "say what works here, what does not, and what to do about it"

DEBUGGERS = ("gdb", "lldb", "eu-stack", "WinDbgX", "windbg", "cdb")


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Look at everything; 1 if anything is wrong."""
    tell = _printer(as_json=arguments.json)
    well = True
    for health in _looked():
        tell(health)
        well = well and health.ok
    return 0 if well else 1


def _looked() -> Iterator[Health]:
    """All there is to say, part by part, as it is found."""
    wanted, about = _settings()
    yield _program()
    yield about
    yield from _guarded("dump folder", lambda: _folder(wanted))
    yield from _guarded("rights", _rights)
    yield _debuggers(DEBUGGERS)
    yield from _guarded("stacks", _stacks)
    yield from _guarded("desktop", lambda: _desktop(wanted))


def _guarded(part: str, look: Callable[[], Iterable[Health]]) -> list[Health]:
    """What was found; a part that cannot even be looked at is a finding, and no end."""
    try:
        return list(look())
    except TrayError as error:
        return [Health(part, False, str(error), error.hint)]
    except OSError as error:
        return [Health(part, False, f"It cannot be looked at: {error}")]


def _program() -> Health:
    """What runs, and on what."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return Health("program", True, f"Hangshot {__version__}, Python {platform.python_version()}, {system}")


def _settings() -> tuple[Settings, Health]:
    """The settings, or the defaults if they have a mistake; and whether they have one."""
    from tray import settings
    from tray.settings import read

    path = settings.path()
    try:
        wanted = read.parse(read.text(path), path)
    except BadSettings as error:
        return settings.Settings(), Health("settings", False, str(error), error.hint)
    if wanted.warnings:
        return wanted, Health(
            "settings", False, " ".join(wanted.warnings), f"Mend {path}; no old dump is removed until then."
        )
    found = f"{path} is well" if path.exists() else f"there is no {path}; the defaults are in force"
    return wanted, Health("settings", True, found)


def _folder(wanted: Settings) -> list[Health]:
    """The dump folder."""
    from tray.store import Store

    return [Health("dump folder", *Store(wanted.folder, wanted.retention).health())]


def _rights() -> list[Health]:
    """What the system lets us dump."""
    from tray.capture import health

    return [Health(*line) for line in health()]


def _debuggers(names: Iterable[str]) -> Health:
    """What can open a dump here; none is no fault, dumps may be opened elsewhere."""
    found = [name for name in map(_installed, names) if name]
    if found:
        return Health("debuggers", True, ", ".join(found))
    how = "WinDbg: winget install Microsoft.WinDbg" if sys.platform == "win32" else "gdb."
    return Health("debuggers", True, "none found", f"To open dumps here, install {how}")


def _installed(name: str) -> str | None:
    """The program of this name, or of this name with a version: Debian has ``lldb-19``."""
    words = [name, *(f"{name}-{version}" for version in range(30, 10, -1))]
    return next((word for word in words if shutil.which(word)), None)


def _stacks() -> list[Health]:
    """What reads call stacks for reports."""
    from tray.reports import reader

    return [Health("stacks", *reader.health())]


def _desktop(wanted: Settings) -> list[Health]:
    """Display, hotkey, icon, toasts."""
    from tray.desktop import desktop

    here = desktop()
    try:
        return here.health(wanted.hotkey)
    finally:
        here.close()


def _printer(*, as_json: bool) -> Callable[[Health], None]:
    """What prints a finding: as JSON, in colour, or plain."""
    if as_json:
        return _print_json
    if sys.stdout is not None and sys.stdout.isatty():
        return _print_in_colour()
    return _print_plain


def _print_json(health: Health) -> None:
    """A finding as JSON."""
    found = {"part": health.part, "ok": health.ok, "found": health.found, "hint": health.hint}
    print(json.dumps({"schema": 1, "event": "health", **found}), flush=True)


def _print_plain(health: Health) -> None:
    """A finding as text."""
    print("\n".join(lines(health)), flush=True)


def lines(health: Health) -> list[str]:
    """A finding, and below it what to do."""
    head = f"{'ok ' if health.ok else 'BAD'}  {health.part}: {health.found}"
    return [head, f"     → {health.hint}"] if health.hint else [head]


def _print_in_colour() -> Callable[[Health], None]:
    """What prints a finding on a terminal."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)

    def tell(health: Health) -> None:
        mark = ("✓ ", "bold green") if health.ok else ("✗ ", "bold red")
        head = Text.assemble(mark, (health.part, "bold"), f"  {health.found}")
        console.print(head, soft_wrap=True)
        if health.hint:
            console.print(Padding(Text(f"→ {health.hint}", "yellow"), (0, 0, 0, 2)))

    return tell
