"""What is in the files of the built program, as JSON. Run inside the test bed by ``test_built``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pefile

WINDOWS = {
    *(
        "advapi32",
        "bcrypt",
        "bcryptprimitives",
        "comctl32",
        "crypt32",
        "dbghelp",
        "gdi32",
        "iphlpapi",
        "kernel32",
    ),
    *(
        "ntdll",
        "ole32",
        "oleaut32",
        "pdh",
        "powrprof",
        "psapi",
        "rpcrt4",
        "shell32",
        "user32",
        "version",
        "winmm",
    ),
    "ws2_32",
}
"""What every Windows has; beside the sets of ``api-ms-win-``."""
IMPORTED = [pefile.DIRECTORY_ENTRY[f"IMAGE_DIRECTORY_ENTRY_{kind}"] for kind in ("IMPORT", "DELAY_IMPORT")]
MANIFEST = pefile.RESOURCE_TYPE["RT_MANIFEST"]


def asked_for(file: pefile.PE) -> set[str]:
    """Names of the libraries that a file imports, in small letters."""
    file.parse_data_directories(IMPORTED)
    found = [
        *getattr(file, "DIRECTORY_ENTRY_IMPORT", []),
        *getattr(file, "DIRECTORY_ENTRY_DELAY_IMPORT", []),
    ]
    return {entry.dll.decode().casefold() for entry in found}


def missing(folder: Path, path: Path, file: pefile.PE) -> list[str]:
    """What a file asks for that is neither beside it nor Windows' own."""
    inside = folder / "hangshot-32" if "hangshot-32" in path.parts else folder
    here = {other.name.casefold() for other in inside.rglob("*")}
    return sorted(
        name
        for name in asked_for(file)
        if name not in here and name.removesuffix(".dll") not in WINDOWS and not name.startswith("api-ms-")
    )


def manifest(file: pefile.PE) -> str:
    """What the program asks of Windows; empty for one that is not ours and asks nothing."""
    if not hasattr(file, "DIRECTORY_ENTRY_RESOURCE"):
        return ""
    for kind in file.DIRECTORY_ENTRY_RESOURCE.entries:
        if kind.id == MANIFEST:
            where = kind.directory.entries[0].directory.entries[0].data.struct
            return file.get_data(where.OffsetToData, where.Size).decode()
    return ""


def strings(file: pefile.PE) -> dict[str, str]:
    """What Explorer shows as the program's details."""
    found = [one for several in getattr(file, "FileInfo", []) for one in several]
    tables = [table for one in found if one.Key == b"StringFileInfo" for table in one.StringTable]
    return {key.decode(): value.decode() for table in tables for key, value in table.entries.items()}


def main(folder: Path) -> None:
    """Look at all of them."""
    told = {}
    for path in folder.rglob("*"):
        if path.suffix.casefold() not in {".exe", ".com", ".dll", ".pyd"}:
            continue
        with pefile.PE(str(path), fast_load=True) as file:
            found = told[path.relative_to(folder).as_posix()] = {
                "missing": missing(folder, path, file),
                "sections": [section.Name.rstrip(b"\0").decode() for section in file.sections],
            }
            if path.suffix in {".exe", ".com"}:
                file.parse_data_directories()
                found |= {"manifest": manifest(file), "strings": strings(file)}
                found |= {
                    "console": file.OPTIONAL_HEADER.Subsystem
                    == pefile.SUBSYSTEM_TYPE["IMAGE_SUBSYSTEM_WINDOWS_CUI"]
                }
    print(json.dumps(told))


main(Path(sys.argv[1]))
