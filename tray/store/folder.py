"""The folder on the disk: private, with room, free of what dead writers left."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from contextlib import contextmanager

from tray import sizes
from tray.errors import StoreFull, StoreUnusable, TrayError
from tray.lean import TYPE_CHECKING, NamedTuple, logger
from tray.packed import base
from tray.paths import Path
from tray.store import names

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logger(__name__)

RESERVE, _LEAST_RESERVE = 64 << 20, 1 << 20
"""Bytes that a dump must leave free, for other programs write too; a small one no more than it takes itself."""

PATIENCE, _PAUSE = 2.0, 0.005
"""Seconds to wait for a lock: a sweep has it for a moment, but one that is stopped then, or a backup, for long."""

OTHERS = 0o077
OTHERS_WRITE = 0o022

FULL = {
    errno.ENOSPC: "The disk is full",
    errno.EDQUOT: "Your disk quota is used up",
    errno.EFBIG: "The file system or a limit allows no file this big",
}
"""Errors that mean the dump does not fit, not that the folder is wrong."""


def trouble(path: Path, error: OSError) -> TrayError:
    """What to tell a user whose dump could not be written there."""
    cause = error.strerror or type(error).__name__
    if error.errno in FULL:
        return StoreFull(f"{FULL[error.errno]}: {path} could not be written.")
    return StoreUnusable(f"{path} cannot be written: {cause}.")


def make_private(folder: Path) -> None:
    """Make the folder if need be, and sure that only its owner can look into it.

    An existing folder of ours is tightened if nothing but dumps lies in it: a
    setting of ``/home`` must never lock everybody out of it.

    Raises:
        StoreUnusable: It is no folder, another user's, or one that others may write.
    """
    try:
        _make(folder)
        if sys.platform != "win32":
            _keep_private(folder)
    except FileExistsError:
        raise StoreUnusable(f"{folder} is a file, not a folder.") from None
    except OSError as error:
        raise trouble(folder, error) from error


def _make(folder: Path) -> None:
    """Make a folder that only we can enter, whatever the umask, unless it is there."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True)
        folder.chmod(0o700)


if sys.platform != "win32":

    def _keep_private(folder: Path) -> None:
        """Tighten our folder; refuse one in which others could swap or plant files."""
        found = folder.stat()
        if found.st_uid != os.geteuid():
            raise StoreUnusable(f"{folder} belongs to {owner(found.st_uid)}, who could read your dumps.")
        if found.st_mode & OTHERS and _only_dumps(folder):
            _tighten(folder, found.st_mode)
            found = folder.stat()
        if found.st_mode & OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
            raise StoreUnusable(
                f"Other users may write into {folder}.",
                hint=f"Run 'chmod go-w {folder}', or set a folder of its own for dumps in the settings.",
            )
        if found.st_mode & OTHERS:
            log.warning("others may look into %s; the dumps themselves stay private", folder)

    def _tighten(folder: Path, mode: int) -> None:
        """Take others' rights away, where the file system has such a thing as rights."""
        try:
            folder.chmod(stat.S_IMODE(mode) & ~OTHERS)
        except PermissionError as error:
            log.debug("%s keeps its mode: %s", folder, error)


def owner(uid: int) -> str:
    """A user's name, or number if it has none."""
    if sys.platform == "win32":
        return f"user {uid}"
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def caller() -> tuple[int, int] | None:
    """User and group of whoever called us through sudo or pkexec: the dump is theirs, not root's."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd

    number = os.environ.get("SUDO_UID") or os.environ.get("PKEXEC_UID") or ""
    try:
        return int(number), pwd.getpwuid(int(number)).pw_gid
    except (ValueError, KeyError):
        return None


@contextmanager
def _as_caller() -> Iterator[None]:
    """Be whoever called us for a moment: what is made is his, and no link of his leads us where he may not go."""
    who = caller()
    if sys.platform == "win32" or who is None:
        yield
        return
    user, group = who
    os.setegid(group)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def _only_dumps(folder: Path) -> bool:
    """Whether nothing lies in the folder but what we named."""
    with os.scandir(folder) as entries:
        return all(_ours(entry.name) for entry in entries)


def _ours(name: str) -> bool:
    """Whether we would have given a file this name."""
    stem = os.path.splitext(name.removesuffix(names.PACKED))[0]  # noqa: PTH122
    return names.is_partial(name) or names.parse(stem) is not None


def chosen(output: str | Path, suffix: str) -> tuple[Path, Path | None]:
    """Folder and file that ``--output`` means; no file if it names a folder.

    A folder that exists is left as it is. One that ends in a slash is made. The
    name of a packed dump ends in ``.zst``, also where that was left out.

    Args:
        output: What was said.
        suffix: How the dump would be called otherwise; tells whether it will be packed.

    Raises:
        StoreUnusable: The folder cannot be, the file exists, or its name says what it will not be.
    """
    text = os.fspath(output)
    if not text:  # as of a variable that nobody set
        raise StoreUnusable("--output names nothing.", hint="Give a folder or a file; '.' is where you are.")
    path = Path(os.path.abspath(text))  # noqa: PTH100 - resolve() would follow links
    try:
        if text.endswith(("/", os.sep)) or path.is_dir():
            _make_chosen(path)
            return path, None
        if not path.parent.is_dir():
            raise StoreUnusable(
                f"There is no folder {path.parent}.", hint="Make it, or give another --output."
            )
    except OSError as error:  # a folder above it lets nobody look
        raise trouble(path, error) from error
    if unfit := names.unfit(path.name):
        raise StoreUnusable(
            f"Windows has no files with {unfit} in their names.", hint="Give another --output."
        )
    packs = suffix.endswith(names.PACKED)
    if path.suffix == names.PACKED and not packs:
        raise StoreUnusable(
            f"{path} is the name of a packed dump, and this one is not to be packed.",
            hint=f"Add --compress zstd, or leave out the {names.PACKED}.",
        )
    if packs and path.suffix != names.PACKED:
        path = path.with_name(path.name + names.PACKED)
    _refuse_existing(path)
    return path.parent, path


def _make_chosen(folder: Path) -> None:
    """Make the folder that ``--output`` names, private like ours, unless it is there; through sudo the caller's."""
    try:
        try:
            with _as_caller():
                _make(folder)
        except PermissionError:  # where only root may
            _make(folder)
    except FileExistsError:
        raise StoreUnusable(f"{folder} is a file, not a folder.", hint="Give another --output.") from None
    except OSError as error:
        raise trouble(folder, error) from error


def _refuse_existing(path: Path) -> None:
    """A chosen name must be free, and its sidecar's too: nothing is ever overwritten."""
    sidecar = base(path).with_suffix(names.SIDECAR)
    if sidecar == path:
        raise StoreUnusable(f"{path} would be its own sidecar.", hint="Let the name end in .core.")
    for taken in (path, sidecar):
        if os.path.lexists(taken):
            raise StoreUnusable(f"{taken} exists already.", hint="Give another --output, or remove it first.")


class Room(NamedTuple):
    """How many bytes a disk has, and how many of them we may use."""

    total: int
    free: int


def room(folder: Path) -> Room:
    """Of the disk that a folder is on; ``shutil`` would do, but brings in compression libraries with it."""
    if sys.platform != "win32":
        found = os.statvfs(folder)
        return Room(found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail)
    import shutil

    usage = shutil.disk_usage(folder)
    return Room(usage.total, usage.free)


def check_space(folder: Path, need: int) -> None:
    """See that ``need`` bytes and a reserve are free; no objection where nobody can tell.

    Raises:
        StoreFull: They are not.
    """
    try:
        usage = room(folder)
    except OSError as error:
        log.debug("free space of %s is unknown: %s", folder, error)
        return
    reserve = min(RESERVE, max(need, _LEAST_RESERVE))
    if usage.total > 0 and usage.free < need + reserve:
        raise StoreFull(
            f"The dump may need {sizes.shown(need)} and {sizes.shown(reserve)} to spare; "
            f"{folder} has {sizes.shown(usage.free)} left."
        )


def sweep(folder: Path) -> list[Path]:
    """Remove what writers that were killed left unfinished; a live writer's files stay."""
    stale = [path for path in _partials(folder) if remove_unwritten(path)]
    for path in stale:
        log.info("removed %s, left by a dump that was cut off", path)
    return stale


def _partials(folder: Path) -> Iterator[Path]:
    """Our unfinished files, a dead writer's or not."""
    try:
        with os.scandir(folder) as entries:
            found = [
                entry.name
                for entry in entries
                if names.is_partial(entry.name) and entry.is_file(follow_symlinks=False)
            ]
    except OSError:
        return
    yield from (folder / name for name in found)


def remove_unwritten(path: Path) -> bool:
    """Remove a partial unless its writer lives.

    The lock is held across the removal, so that a writer which has just made the
    file waits for it, finds its file gone, and makes another. One that let go of it
    meanwhile may have given it a name, and somebody else's file have this one.
    """
    try:
        if sys.platform == "win32":
            path.unlink()  # a live writer's handle forbids it
            return True
        with _opened(path) as descriptor:
            if lock(descriptor) and os.path.samestat(os.fstat(descriptor), path.lstat()):
                path.unlink()
                return True
    except OSError as error:
        log.debug("%s stays: %s", path, error)
    return False


def written(path: Path) -> bool:
    """Whether a live writer still has the file."""
    if sys.platform == "win32":
        return False
    try:
        with _opened(path) as descriptor:
            return not lock(descriptor)
    except OSError:
        return False


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file open for nothing but its lock; never a link, never waiting at a FIFO."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def lock(descriptor: int, *, wait: bool = False) -> bool:
    """Take the writer's lock, held until the file is closed; False where another has it, and keeps it if we ``wait``.

    Raises:
        OSError: This file system has no locks.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    until: float | None = None
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            until = until or time.monotonic() + (PATIENCE if wait else 0)
            if time.monotonic() >= until:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def sync(folder: Path) -> None:
    """Bring renames to the disk; file systems that cannot sync a folder have done so already."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        log.debug("%s could not be synced: %s", folder, error)
    finally:
        os.close(descriptor)
