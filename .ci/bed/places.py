"""Where the test bed's parts are, and what every part of the script uses."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hangshot-testbed"
ROOT = HOME / "root"
PREFIXES = HOME / "prefixes"
TEMPLATE = PREFIXES / "template"

COMPILERS = {64: "x86_64-w64-mingw32", 32: "i686-w64-mingw32"}


class Trouble(Exception):
    """What the reader can do something about."""


def say(text: str) -> None:
    """Tell the person in front; standard output belongs to the program that runs."""
    print(f"testbed: {text}", file=sys.stderr, flush=True)


def call(*command: object) -> str:
    """Standard output of a program that must succeed."""
    words = [str(word) for word in command]
    try:
        ended = subprocess.run(words, check=True, text=True, stdin=subprocess.DEVNULL, capture_output=True)
    except FileNotFoundError:
        raise Trouble(f"{words[0]} is not installed; .ci/setup windows installs it") from None
    except subprocess.CalledProcessError as failed:
        told = "\n  ".join((failed.stderr or failed.stdout).strip().splitlines()[-6:])
        raise Trouble(f"{Path(words[0]).name} failed ({failed.returncode}):\n  {told}") from None
    return ended.stdout


@contextlib.contextmanager
def locked(path: Path, who: str) -> Iterator[None]:
    """Hold a lock that ends with this process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{who}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(*parts: object) -> str:
    """A short word that changes when any of the parts does."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def made(place: Path, key: str, make: Callable[[Path], object]) -> None:
    """Have `make` fill a fresh folder and put it in place, unless it is there and made from the same key."""
    stamp = HOME / "stamps" / place.relative_to(HOME).as_posix().replace("/", "-")
    if place.exists() and stamp.exists() and stamp.read_text() == key:
        return
    say(f"making {place.relative_to(HOME)}")
    part = place.with_name(place.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        make(part)
    except Trouble as trouble:
        raise Trouble(
            f"{place.relative_to(HOME)} could not be made. The first time needs the network: Debian's mirror and\n"
            f"PyPI. What is done is kept; run it again. What failed: {trouble}"
        ) from None
    stamp.unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    part.rename(place)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(key)
