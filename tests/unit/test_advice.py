"""Where debug symbols come from, on the system that reads the dump."""

from __future__ import annotations

import pytest

from tray.model import Frame, Stack
from tray.reports import advice
from tray.reports.stacks import Symbols, Told

TOLD = Told(
    (Stack(7, (Frame(0x1500), Frame(0x2500))),),
    (
        Symbols("/opt/app", 0x1000, 0x2000, file=True, debug=False),
        Symbols("/lib/libc.so.6", 0x2000, 0x3000, file=True, debug=True),
        Symbols("/lib/libz.so.1", 0x3000, 0x4000, file=True, debug=False),
        Symbols("/lib/libm.so.6", 0x4000, 0x5000, file=False, debug=False),
    ),
)


@pytest.mark.parametrize(
    ("release", "server"),
    [
        ({"ID": "debian"}, "https://debuginfod.debian.net"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "https://debuginfod.ubuntu.com"),
        ({"ID": "own"}, ""),
        ({}, ""),
    ],
)
def test_the_server_of_a_distribution(release: dict[str, str], server: str) -> None:
    """Its own, or that of the one it is made from."""
    assert advice._server(release) == server


def test_only_what_is_on_a_stack() -> None:
    """Nobody misses the lines of a library that no thread is in."""
    assert advice._lineless(TOLD) == ["/opt/app"]


def test_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the server's address; what no package has is told as before."""
    monkeypatch.setattr(advice, "_release", lambda: {"ID": "debian"})
    owners = advice.Owners()
    monkeypatch.setattr(owners, "packages", lambda files: [f"{file}-dbg" for file in files])
    found = advice.linux(TOLD, owners)
    assert found.debug.endswith("install /opt/app-dbg, or set DEBUGINFOD_URLS=https://debuginfod.debian.net.")
    monkeypatch.setattr(advice, "_release", dict)
    found = advice.linux(TOLD, advice.Owners())
    assert found.debug.endswith("install its debug symbols, or set DEBUGINFOD_URLS.")
    assert found.file.endswith("or set DEBUGINFOD_URLS")


def test_what_dpkg_says() -> None:
    """One line a file; a package may be of several architectures, and be asked about more files than are wanted."""
    said = """libc6:amd64: /lib/x86_64-linux-gnu/libc.so.6
diversion by dash from: /bin/sh
coreutils: /bin/sleep
zlib1g:amd64: /lib/libz.so.1
"""
    files = ("/usr/lib/x86_64-linux-gnu/libc.so.6", "/bin/sh", "/bin/sleep")
    assert advice.packages(said, files) == ["libc6-dbg", "coreutils-dbgsym"]


def test_dpkg_is_asked_only_of_what_packages_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks through the lists of all packages; what was built at home is in none of them."""
    asked: list[str] = []

    def start(words: list[str], **_: object) -> None:
        asked.extend(words)
        raise FileNotFoundError

    monkeypatch.setattr(advice.subprocess, "Popen", start)
    places = ("/home/me/app", "/usr/local/bin/app", "/tmp/app")
    lineless = [Symbols(place, 0, 1, file=True, debug=False) for place in places]
    owners = advice.Owners()
    owners.ask(lineless)
    assert not asked
    owners.ask([*lineless, *TOLD.symbols])
    assert asked[:2] == ["dpkg-query", "--search"]
    assert (
        {"/opt/app", "/lib/libz.so.1"} <= {*asked[2:]} <= {"/opt/app", "/lib/libz.so.1", "/usr/lib/libz.so.1"}
    )
    assert owners.packages(["/opt/app"]) == []
