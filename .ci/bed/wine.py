"""Wine itself: how a Windows program is started in its root, and how all of them are ended."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from bed.places import HOME, REPOSITORY, ROOT

MEANT = re.compile(r"HANGSHOT_|PYTEST_|PYTHON(?!DONTWRITEBYTECODE|PYCACHEPREFIX)|CI$|WINEDEBUG$")
"""Variables that go inside. What is compiled there is kept in a place of the bed's own, whatever the shell says."""


def windows_path(path: Path) -> str:
    """A Linux path as programs inside see it."""
    return "Z:" + str(path).replace("/", "\\")


def environment(prefix: Path, display: str) -> dict[str, str]:
    """What programs inside get, and nothing of the machine's own but what is meant for them."""
    kept = {name: value for name, value in os.environ.items() if MEANT.match(name)}
    return {
        "WINEDEBUG": "-all",
        "PYTHONPYCACHEPREFIX": windows_path(HOME / "pycache"),
        "PYTHONUNBUFFERED": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": windows_path(HOME / "hypothesis"),
        **kept,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(HOME),
        "DISPLAY": display,
        "WINEPREFIX": str(prefix),
        "WINEPATH": windows_path(HOME / "runtime64"),
        "WINEDLLOVERRIDES": "dbghelp,dbgeng,symsrv=n,b;mscoree,mshtml=;winemenubuilder.exe=d",
        "HANGSHOT_TESTBED": windows_path(HOME),
    }


def wine(prefix: Path, display: str, *command: str) -> list[str]:
    """The command line that runs a Windows program; it mounts nothing outside itself."""
    shared = [path for path in (HOME, REPOSITORY, Path("/tmp")) if path.exists()]  # noqa: S108 - X11's sockets
    words = [
        "bwrap",
        "--die-with-parent",
        "--bind",
        str(ROOT),
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--clearenv",
    ]
    for path in sorted(shared):
        words += ["--bind", str(path), str(path)]
    for name, value in environment(prefix, display).items():
        words += ["--setenv", name, value]
    first = [] if command[0] in {"wineboot", "wineserver", "sh"} else ["wine"]
    return [*words, "--chdir", str(REPOSITORY), *first, *command]


def begin(prefix: Path, display: str) -> None:
    """Start the server of a prefix, away from our output: as it is ended it tells what was left open."""
    quiet = subprocess.DEVNULL
    server = wine(prefix, display, "wineserver", "-p60")
    subprocess.run(server, check=False, stdin=quiet, stdout=quiet, stderr=quiet)


def stop(prefix: Path) -> None:
    """End every Windows program of a prefix; it is no failure that there is none."""
    quiet = subprocess.DEVNULL
    subprocess.run(wine(prefix, "", "wineserver", "-k"), check=False, stdin=quiet, stdout=quiet, stderr=quiet)
    subprocess.run(wine(prefix, "", "wineserver", "-w"), check=False, stdin=quiet, stdout=quiet, stderr=quiet)
