"""Which DLLs the built program asks for that are neither in its folder nor Windows' own. Run inside the test bed."""

from __future__ import annotations

import sys
from pathlib import Path

import pefile

WINDOWS = {
    *("advapi32", "bcrypt", "comctl32", "crypt32", "gdi32", "iphlpapi", "kernel32", "ole32", "oleaut32"),
    *("pdh", "powrprof", "psapi", "rpcrt4", "shell32", "user32", "version", "ws2_32"),
}
"""What every Windows has; beside the sets of ``api-ms-win-``."""
IMPORTED = [pefile.DIRECTORY_ENTRY[f"IMAGE_DIRECTORY_ENTRY_{kind}"] for kind in ("IMPORT", "DELAY_IMPORT")]


def asked_for(path: Path) -> set[str]:
    """Names of the libraries that a file imports, in small letters."""
    with pefile.PE(str(path), fast_load=True) as file:
        file.parse_data_directories(IMPORTED)
        found = [
            *getattr(file, "DIRECTORY_ENTRY_IMPORT", []),
            *getattr(file, "DIRECTORY_ENTRY_DELAY_IMPORT", []),
        ]
        return {entry.dll.decode().casefold() for entry in found}


def main(folder: Path) -> None:
    """Print each that is missing, and who asks for it."""
    files = [path for path in folder.rglob("*") if path.suffix.casefold() in {".exe", ".com", ".dll", ".pyd"}]
    for path in files:
        inside = folder / "hangshot-32" if "hangshot-32" in path.parts else folder
        here = {other.name.casefold() for other in inside.rglob("*")}
        for name in asked_for(path):
            if (
                name not in here
                and name.removesuffix(".dll") not in WINDOWS
                and not name.startswith("api-ms-")
            ):
                print(f"{path.name}: {name}")
    print(f"{len(files)} files")


main(Path(sys.argv[1]))
