"""Where the debugger engine looks for programs and symbols: what the user has set, and where the program lies.

Nothing is fetched from a network that the user has not named: not from a symbol
server, and not from a share that a foreign dump names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray.errors import BadDump
from tray.ffi import dbgeng
from tray.formats import minidump

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PDBS = ("_NT_SYMBOL_PATH", "_NT_ALT_SYMBOL_PATH")
IMAGES = "_NT_EXECUTABLE_IMAGE_PATH"
"""Variables that every Windows debugger obeys."""
_NETWORK = re.compile(r"[\\/]{2}|\b(?:srv|symsrv)\*|https?:", re.IGNORECASE)
_SYSTEM = re.compile(r"^.:\\windows(\\|$)", re.IGNORECASE)
_MOST_FOLDERS = 32


@dataclass(frozen=True, slots=True)
class Places:
    """What the engine is told.

    Attributes:
        images: Folders of programs and libraries.
        pdbs: Folders of symbols, and symbol servers that the user has set.
        engine: More ``DEBUG_ENGOPT_*``.
        symbols: More ``SYMOPT_*``.
    """

    images: tuple[str, ...]
    pdbs: tuple[str, ...]
    engine: int = 0
    symbols: int = 0


def places(path: Path, environment: Mapping[str, str]) -> Places:
    """For a dump: the user's own first, then beside the dump, then where the modules were."""
    wanted = [environment[name] for name in PDBS if environment.get(name)]
    given = [environment[IMAGES]] if environment.get(IMAGES) else []
    modules, pdbs = _named(path)
    near = [str(path.absolute().parent), *_folders(modules)]
    # Windows shows 32-bit programs their own system folder under the 64-bit one's name.
    near.append(environment.get("SystemRoot", "C:\\Windows") + "\\SysWOW64")
    asked = any(_NETWORK.search(one) for one in (*wanted, *given))
    foreign = any(_NETWORK.match(one) for one in (*modules, *pdbs))
    return Places(
        (*given, *near),
        (*wanted, *near),
        0 if asked else dbgeng.DEBUG_ENGOPT_DISALLOW_NETWORK_PATHS,
        dbgeng.SYMOPT_IGNORE_CVREC if foreign else 0,
    )


def _named(path: Path) -> tuple[list[str], list[str]]:
    """The modules and PDBs that a dump names; none of one that cannot be read."""
    try:
        with minidump.read(path) as file:
            return [module.path for module in file.modules()], list(file.pdbs())
    except (BadDump, OSError):
        return [], []


def _folders(modules: Iterable[str]) -> list[str]:
    """The folders of modules that are not the system's own, on drives of this machine."""
    found = dict.fromkeys(path.rpartition("\\")[0] for path in modules)
    own = [folder for folder in found if folder and not _NETWORK.match(folder) and not _SYSTEM.match(folder)]
    return own[:_MOST_FOLDERS]
