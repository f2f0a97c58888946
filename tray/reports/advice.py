"""Where debug symbols come from on this system: the packages that hold them, and the server that gives them."""

from __future__ import annotations

import os
import platform
import re
import subprocess

from tray.lean import TYPE_CHECKING
from tray.reports.alike import calls
from tray.reports.stacks import LINUX, Advice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from tray.reports.stacks import Symbols, Told

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
_PACKAGED = re.compile(r"/(usr/(?!local/)|s?bin/|lib\w*/|opt/).*")
"""Where packages may put programs: what somebody built at home need not be looked for in all their lists.
Source: Debian Policy 9.1; FHS 3.0."""
_OWNER = re.compile(r"(?P<package>[a-z0-9][a-z0-9+.-]+)(?::\w+)?: (?P<file>/.*)")


class Owners:
    """Whose files modules without debug info are: dpkg takes its time, so it is asked before the stacks are known.

    The end of the ``with`` block ends it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()

    def ask(self, symbols: Iterable[Symbols]) -> None:
        """Begin to find out; nothing comes of it where there is no dpkg."""
        lineless = (one.module for one in symbols if one.file and not one.debug)
        names = {name for file in lineless for name in _names(file) if _PACKAGED.fullmatch(name)}
        if not names:
            return
        try:
            self._process = subprocess.Popen(
                ["dpkg-query", "--search", *sorted(names)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        except OSError:
            self._process = None

    def packages(self, files: Iterable[str]) -> list[str]:
        """Packages with the symbols of these files, where dpkg knows whose they are."""
        if not self._process:
            return []
        try:
            said, _ = self._process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return []
        return packages(said, files)


def packages(said: str, files: Iterable[str]) -> list[str]:
    """Packages with the symbols of these files, by what dpkg said of more."""
    wanted = {name for file in files for name in _names(file)}
    lines = (found for found in map(_OWNER.match, said.splitlines()) if found)
    owners = dict.fromkeys(found["package"] for found in lines if found["file"] in wanted)
    return [WHOLE.get(owner, f"{owner}-dbgsym") for owner in owners]


def _names(file: str) -> tuple[str, ...]:
    """A library's folder is a link in one release and none in the next, so dpkg knows some files by the other name."""
    return file, os.path.realpath(file), file.removeprefix("/usr")


def linux(told: Told, owners: Owners) -> Advice:
    """What to do about modules without debug info, on this very system."""
    server = _server(_release())
    url = f"DEBUGINFOD_URLS={server}" if server else "DEBUGINFOD_URLS"
    found = owners.packages(_lineless(told))
    install = f"install {' '.join(found)}" if found else "install its debug symbols"
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
    places = {frame.pc for frame in calls(told.stacks)}
    found = (one for one in told.symbols if one.file and not one.debug)
    return [one.module for one in found if any(one.start <= place < one.end for place in places)][:_MOST]
