"""Where the debugger engine looks for programs and symbols: what the user has set, and where the program lies.

Nothing is fetched from a network that the user has not named: not from a symbol
server, and not from a share that a foreign dump names.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tray.errors import BadDump
from tray.ffi import dbgeng
from tray.formats import minidump
from tray.reports.names import last

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
        names: Where a module starts → what its PDB is called.
        engine: More ``DEBUG_ENGOPT_*``.
        symbols: More ``SYMOPT_*``.
    """

    images: tuple[str, ...]
    pdbs: tuple[str, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    engine: int = 0
    symbols: int = 0


def places(path: Path, environment: Mapping[str, str], beside: Path | None = None) -> Places:
    """For a dump: the user's own first, then beside the dump, then where the modules were.

    Args:
        path: The dump.
        environment: The user's variables.
        beside: The folder that people take for the dump's own, if that is another.
    """
    wanted = [environment[name] for name in PDBS if environment.get(name)]
    given = [environment[IMAGES]] if environment.get(IMAGES) else []
    modules, pdbs = _named(path)
    near = [str(beside or path.absolute().parent), *_folders(modules)]
    # Windows shows 32-bit programs their own system folder under the 64-bit one's name.
    near.append(environment.get("SystemRoot", "C:\\Windows") + "\\SysWOW64")
    asked = any(_NETWORK.search(one) for one in (*wanted, *given))
    foreign = any(_NETWORK.match(one) for one in (*modules, *pdbs.values()))
    return Places(
        (*given, *near),
        (*wanted, *near),
        {base: last(pdb) for base, pdb in pdbs.items()},
        0 if asked else dbgeng.DEBUG_ENGOPT_DISALLOW_NETWORK_PATHS,
        dbgeng.SYMOPT_IGNORE_CVREC if foreign else 0,
    )


def strays(places: Places, wanted: Mapping[int, str]) -> list[str]:
    """What to say of PDBs that lie where they belong, and that the engine has not taken.

    Args:
        places: Where it looked.
        wanted: Where each module starts that is without its PDB → its file.
    """
    return [
        f"{found} is of another build than the {last(file)} of this dump, so it was not used."
        for base, file in wanted.items()
        if (name := places.names.get(base)) and (found := _lying(name, places.pdbs))
    ]


def _lying(name: str, folders: Iterable[str]) -> str:
    """The first file of a name in folders of this machine; empty if there is none."""
    for folder in folders:
        if not _NETWORK.search(folder) and os.path.isfile(path := os.path.join(folder, name)):  # noqa: PTH113, PTH118 - as the engine names it
            return path
    return ""


def _named(path: Path) -> tuple[list[str], dict[int, str]]:
    """The modules and PDBs that a dump names; none of one that cannot be read."""
    try:
        with minidump.read(path) as file:
            return [module.path for module in file.modules()], dict(file.pdbs())
    except (BadDump, OSError):
        return [], {}


def _folders(modules: Iterable[str]) -> list[str]:
    """The folders of modules that are not the system's own, on drives of this machine."""
    found = dict.fromkeys(path.rpartition("\\")[0] for path in modules)
    own = [folder for folder in found if folder and not _NETWORK.match(folder) and not _SYSTEM.match(folder)]
    return own[:_MOST_FOLDERS]
