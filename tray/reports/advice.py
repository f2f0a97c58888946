"""Where debug symbols come from on this system: the packages that hold them, and the server that gives them."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tray.reports.stacks import LINUX, Advice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tray.reports.stacks import Told

SERVERS = {
    "debian": "https://debuginfod.debian.net",
    "ubuntu": "https://debuginfod.ubuntu.com",
    "fedora": "https://debuginfod.fedoraproject.org",
    "arch": "https://debuginfod.archlinux.org",
    "opensuse": "https://debuginfod.opensuse.org",
}
"""Distribution → its own debuginfod. Source: https://sourceware.org/elfutils/Debuginfod.html."""
WHOLE = {"libc6": "libc6-dbg"}
"""Packages whose symbols are not in one of their name and ``-dbgsym``."""
LIMIT = 2.0
"""Seconds for dpkg; it takes a tenth."""
_MOST = 8
_OWNER = re.compile(r"(?P<package>[a-z0-9][a-z0-9+.-]+)(?::\w+)?: /")


def linux(told: Told) -> Advice:
    """What to do about modules without debug info, on this very system."""
    server = _server(_release())
    url = f"DEBUGINFOD_URLS={server}" if server else "DEBUGINFOD_URLS"
    packages = _packages(_lineless(told))
    install = f"install {' '.join(packages)}" if packages else "install its debug symbols"
    return Advice(
        f"put the same build where it was, or set {url}",
        LINUX.debug.replace("install its debug symbols", install).replace("DEBUGINFOD_URLS", url),
    )


def _release() -> Mapping[str, str]:
    """What the system is, as os-release tells; empty where it does not."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _server(release: Mapping[str, str]) -> str:
    """The debuginfod of a distribution, or of the one that it is like."""
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    return next((SERVERS[name] for name in names if name in SERVERS), "")


def _lineless(told: Told) -> list[str]:
    """Files of modules that are on a stack and have no debug info."""
    places = {frame.pc for stack in told.stacks for frame in stack.frames}
    found = (one for one in told.symbols if one.file and not one.debug)
    return [one.module for one in found if any(one.start <= place < one.end for place in places)][:_MOST]


def _packages(files: Sequence[str]) -> list[str]:
    """Packages with the symbols of these files, where dpkg knows whose they are."""
    program = shutil.which("dpkg-query")
    if not files or not program:
        return []
    # A library's folder is a link in one release and none in the next, so dpkg knows some files by the other name.
    names = {name for file in files for name in (file, str(Path(file).resolve()), file.removeprefix("/usr"))}
    try:
        done = subprocess.run(
            [program, "--search", *sorted(names)],
            capture_output=True, text=True, timeout=LIMIT, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    owners = dict.fromkeys(found["package"] for found in map(_OWNER.match, done.stdout.splitlines()) if found)
    return [WHOLE.get(owner, f"{owner}-dbgsym") for owner in owners]
