"""The dump folder: names, sidecars, atomic finish, list, what has expired."""

from __future__ import annotations

import errno
import os

from tray.errors import NoDump, StoreUnusable
from tray.lean import TYPE_CHECKING, UTC, datetime, logger, replace
from tray.packed import base
from tray.paths import Path
from tray.store import folder as folders
from tray.store import names, sidecar
from tray.store.partial import Partial, allocated, claim
from tray.store.sidecar import as_json, from_json

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from tray.model import Dump, Mode, Retention, Target

__all__ = ["Partial", "Store", "as_json", "described", "from_json"]

log = logger(__name__)

_LARGEST = 64 << 20
"""Bytes of a sidecar that is read. 2,000 threads take half a million."""
_HEAD = 4096
"""Bytes of a sidecar that tell when its dump was taken, if it has a line for each field."""


class Store:
    """Dumps in a folder, each with its sidecar.

    Several processes may use one folder at once. Making a `Store` touches nothing.

    Attributes:
        folder: Where dumps lie; made, private, by the first one.
        retention: What it may keep.
    """

    def __init__(self, folder: Path, retention: Retention) -> None:
        self.folder = folder
        self.retention = retention

    def health(self) -> tuple[bool, str, str]:
        """Whether dumps can be written in private, in a sentence, and what to do if not; changes nothing."""
        from tray.store import look

        return look.health(self.folder)

    def make(self) -> None:
        """Make the folder, or see that it is private.

        Raises:
            StoreUnusable: It cannot be.
        """
        folders.make_private(self.folder)

    def begin(  # noqa: PLR0913 - a name is made of all this
        self,
        target: Target,
        mode: Mode,
        suffix: str,
        taken: datetime,
        *,
        need: int,
        output: str | Path | None = None,
    ) -> Partial:
        """Open the unfinished file of a new dump; the caller finishes or abandons it.

        Args:
            target: Whom it will show.
            mode: What it will keep.
            suffix: Ending of its file, with the dot.
            taken: When the key went down, aware.
            need: Bytes it will take on the disk, rather too many than too few.
            output: A folder (one that exists, or text ending in a slash) or a file
                that does not exist, instead of the store's own folder.

        Raises:
            StoreUnusable: The folder cannot be made, written, or kept private.
            StoreFull: It has too little room.
        """
        folder, chosen = (self.folder, None) if output is None else folders.chosen(output, suffix)
        if output is None:
            self.make()
        folders.sweep(folder)
        folders.check_space(folder, need)
        return claim(folder, lambda copy: names.stem(target, mode.name, taken, copy), suffix, chosen)

    def sweep(self) -> list[Path]:
        """Remove the unfinished files of writers that were killed; gives those removed."""
        return folders.sweep(self.folder)

    def dumps(self) -> list[Dump]:
        """The finished dumps, newest first.

        A dump whose sidecar is missing or damaged is listed with what its name tells;
        one that was renamed, with what its sidecar tells.

        Raises:
            StoreUnusable: The folder cannot be read.
        """
        found = _files(self.folder)
        dumps = [_dump(entry, found) for name, entry in found.items() if _suffix(name) in names.FORMATS]
        return _newest_first(dumps)

    def find(self, text: str) -> Path:
        """The dump that ``last``, an id, the unique start of one, or a path means.

        Raises:
            NoDump: There is none, or more than one.
        """
        if text != "last" and Path(text).is_file():
            return Path(text).absolute()
        dumps = self.dumps()
        if text == "last":
            return _newest(dumps, self.folder)
        for dump in dumps:
            if text in (dump.id, dump.path.name):
                return dump.path
        return _starting(text, dumps)

    def expired(self, now: datetime | None = None) -> list[Dump]:
        """The dumps that `prune` would remove, with what their names and files tell.

        A renamed dump is never one of them: whoever names a dump wants to keep it.
        """
        from tray.store import expiry

        found = _files(self.folder)
        dumps = [_named(entry, found) for name, entry in found.items() if _suffix(name) in names.FORMATS]
        return expiry.expired(_newest_first(dumps), self.retention, now or datetime.now(UTC))

    def prune(self, now: datetime | None = None) -> list[Path]:
        """Remove what has expired, with all that lies beside it; gives the dumps removed."""
        return [dump.path for dump in self.expired(now) if _remove(dump.path)]


def _suffix(name: str) -> str:
    """Ending of a file name, with the dot; that of a packed file tells what it holds."""
    return os.path.splitext(name.removesuffix(names.PACKED))[1]  # noqa: PTH122 - a Path for each of many files costs more than reading it


def _files(folder: Path) -> dict[str, os.DirEntry[str]]:
    """The plain files in the folder by name; none where there is no folder yet."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry for entry in entries if entry.is_file(follow_symlinks=False)}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreUnusable(f"{folder} cannot be read: {error.strerror}.") from error


def _dump(entry: os.DirEntry[str], found: dict[str, os.DirEntry[str]]) -> Dump | None:
    """The dump in this file: from its sidecar, else its name; None if it is not ours."""
    try:
        stat = entry.stat(follow_symlinks=False)
    except OSError:
        return None  # pruned a moment ago
    path = Path(entry.path)
    dump = described(path) if base(path).stem + names.SIDECAR in found else None
    if dump is None:
        return sidecar.from_name(path, stat.st_size, allocated(stat))
    return replace(dump, id=base(path).stem, size=stat.st_size, allocated=allocated(stat))


def _named(entry: os.DirEntry[str], found: Container[str]) -> Dump | None:
    """The dump in this file as its name tells, and its time to the split second; None if we did not name it.

    A sidecar may have a line for each of thousands of threads, which nobody needs who prunes.
    """
    try:
        stat = entry.stat(follow_symlinks=False)
    except OSError:
        return None  # pruned a moment ago
    path = Path(entry.path)
    dump = sidecar.from_name(path, stat.st_size, allocated(stat))
    if dump is None or base(path).stem + names.SIDECAR not in found:
        return dump
    return replace(dump, taken=_taken(path) or dump.taken)


def _taken(path: Path) -> datetime | None:
    """When the dump was taken, as its sidecar tells; None if that cannot be read."""
    try:
        head = _beside(path, _HEAD)
    except OSError:
        return None
    if taken := sidecar.taken(head):
        return taken
    known = described(path)
    return known.taken if known else None


def _newest_first(dumps: Iterable[Dump | None]) -> list[Dump]:
    return sorted(filter(None, dumps), key=lambda dump: (dump.taken, dump.id), reverse=True)


def described(path: Path) -> Dump | None:
    """The dump as its sidecar tells; None if that cannot be read."""
    try:
        content = _beside(path, _LARGEST + 1)
        return sidecar.read(content, path) if len(content) <= _LARGEST else None
    except (OSError, ValueError) as error:
        log.debug("the sidecar of %s is not looked at: %s", path, error)
        return None


def _beside(path: Path, most: int) -> bytes:
    """Up to so many bytes of a dump's sidecar; what came with another's dump may be a pipe, or without end.

    Raises:
        OSError: It cannot be read, or is no file.
    """
    place = base(path).with_suffix(names.SIDECAR)
    if not place.is_file():
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(place))
    with place.open("rb") as file:
        return file.read(most)


def _newest(dumps: Sequence[Dump], folder: Path) -> Path:
    """The newest dump."""
    if not dumps:
        raise NoDump(f"There is no dump in {folder} yet.", hint="'hangshot dump NAME' takes one.")
    return dumps[0].path


def _starting(text: str, dumps: Sequence[Dump]) -> Path:
    """The one dump whose id starts with this text."""
    found = [dump for dump in dumps if text and dump.id.startswith(text)]
    if len(found) == 1:
        return found[0].path
    if not found and text and Path(text).is_dir():
        raise NoDump(f"{text} is a folder, not a dump.")
    if not found:
        raise NoDump(f"There is no file and no dump called {text!r}.")
    some = ", ".join(dump.id for dump in found[:5])
    raise NoDump(f"{len(found)} dumps start with {text!r}: {some}{', …' if len(found) > 5 else ''}.")  # noqa: PLR2004


def _remove(path: Path) -> bool:
    """Remove a dump and what lies beside it; False if it stays or was gone.

    The dump goes last: cut off in between, the next prune still finds it.
    """
    if folders.written(path):
        return False
    try:
        for ending in names.COMPANIONS:
            base(path).with_suffix(ending).unlink(missing_ok=True)
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        log.warning("%s could not be removed: %s", path, error.strerror)
        return False
    return True
