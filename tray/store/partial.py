"""A dump while it is written: ``NAME.partial``, locked, and gone unless it is finished."""

from __future__ import annotations

import errno
import os
import sys
from _thread import allocate_lock, start_new_thread

from tray.errors import StoreUnusable
from tray.lean import TYPE_CHECKING
from tray.packed import base
from tray.patience import patiently
from tray.store import names, sidecar
from tray.store.folder import FULL, caller, lock, sync, trouble

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO, Self

    from tray.model import Dump

ATTEMPTS = 1000

Identity = tuple[int, int]
"""Device and inode: tells our file from a later one of the same name."""


class Partial:
    """An unfinished dump: write into `file`, then `finish` it.

    As a context manager it is abandoned when it was not finished, and an ``OSError``
    that says the disk is full leaves the block as `StoreFull`.

    Attributes:
        file: Unbuffered, open for reading and writing, empty at first.
        path: Where the dump will lie; nothing is there until `finish` is through.
        partial: Where it lies meanwhile.
    """

    def __init__(self, file: BinaryIO, partial: Path, path: Path) -> None:
        self.file = file
        self.path = path
        self.partial = partial
        self._files = [file]
        self._made = {partial: _identity(file)}
        self._open = True
        self._on_disk = False
        self._sync: _Sync | None = None
        self._sidecar: BinaryIO | None = None

    @property
    def id(self) -> str:
        """The id of the dump to be."""
        return base(self.path).stem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()
        if isinstance(error, OSError) and error.errno in FULL:
            raise trouble(self.path, error) from error

    def scratch(self) -> BinaryIO:
        """A private file without a name on the same disk, which is gone once it is closed."""
        from typing import cast

        if sys.platform == "linux":
            try:
                descriptor = os.open(self.path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
                return cast("BinaryIO", os.fdopen(descriptor, "rb+", buffering=0))
            except OSError:  # a file system that has no such files
                pass
        import tempfile  # which takes 2 MB, and its time

        file = tempfile.TemporaryFile(dir=self.path.parent, buffering=0)  # noqa: SIM115 - the caller closes it
        return cast("BinaryIO", file)

    def begin_sync(self) -> None:
        """Let what was written go to the disk while other things are done; nothing the second time. Write no more.

        To be called where no signal may raise, for it leaves a thread behind.
        """
        self._sync = self._sync or _Sync(self.file)

    def tell(self, dump: Dump) -> None:
        """Write most of the sidecar while the dump goes to the disk.

        To be called where no signal may raise, for it makes a file.

        Args:
            dump: As `finish` will describe it, but for the fields that `sidecar.LAST` names.

        Raises:
            StoreFull: The disk is full.
            StoreUnusable: It could not be written.
        """
        try:
            self._tell(dump)
        except OSError as error:
            raise trouble(self.path, error) from error

    def sync(self) -> None:
        """Wait until all is on the disk: the long part of `finish`, which may be cut short here. Write no more.

        Raises:
            StoreFull: The disk is full.
            StoreUnusable: It could not be written.
        """
        try:
            self._synced()
        except OSError as error:
            raise trouble(self.path, error) from error

    def finish(self, describe: Callable[[int, int], Dump]) -> Dump:
        """Bring the dump to the disk, write its sidecar, and give both their names.

        Args:
            describe: Makes the `Dump` for the sidecar from apparent size and
                allocated size, in bytes.

        Raises:
            StoreFull: The disk is full. Nothing is left.
            StoreUnusable: It could not be written, or another file has its name by
                now. Nothing is left.
        """
        try:
            self._synced()
            found = os.fstat(self.file.fileno())  # blocks are only allocated for good by the sync
            dump = describe(found.st_size, allocated(found))
            self._write_sidecar(dump)
            self._settle({self.partial: self.path, _beside(self.partial): dump.sidecar})
        except OSError as error:
            self.abandon()
            raise trouble(self.path, error) from error
        except BaseException:
            self.abandon()
            raise
        self._open = False
        self._close()
        return dump

    def abandon(self) -> None:
        """Remove every trace; nothing after `finish` or a second time."""
        if not self._open:
            return
        self._open = False
        if self._sync:
            self._sync.end()
        if sys.platform == "win32":
            self._close()
        for path, identity in self._made.items():
            _remove(path, identity)
        self._close()

    def _synced(self) -> None:
        """See that the dump is on the disk."""
        if self._sync:
            self._sync.wait()
        elif not self._on_disk:
            os.fsync(self.file.fileno())
        self._on_disk = True

    def _tell(self, dump: Dump) -> None:
        """Write most of the sidecar, under its unfinished name; it stays open, for its lock."""
        path = _beside(self.partial)
        file = next(file for file in (create_locked(path) for _ in range(ATTEMPTS)) if file)
        self._files.append(file)
        self._made[path] = _identity(file)
        for block in sidecar.most(dump):
            write_all(file, block)
        self._sidecar = file

    def _write_sidecar(self, dump: Dump) -> None:
        """Write what is missing of the sidecar, and bring it to the disk."""
        if self._sidecar is None:
            self._tell(dump)
        if self._sidecar:
            write_all(self._sidecar, sidecar.rest(dump))
            os.fsync(self._sidecar.fileno())

    def _settle(self, renames: dict[Path, Path]) -> None:
        """Give the files their names, the dump first: a sidecar alone would be rubbish."""
        if sys.platform == "win32":
            self._close()  # an open file cannot be renamed there
        for partial, path in renames.items():
            self._made[path] = self._made[partial]
            _rename(partial, path)
        sync(self.path.parent)

    def _close(self) -> None:
        """Close the files, and with them their locks."""
        for file in self._files:
            file.close()


class _Sync:
    """A file on its way to the disk, on a thread of its own; it may not be closed before `wait` or `end` is through."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: OSError | None = None
        self._going = allocate_lock()
        self._going.acquire()
        try:
            start_new_thread(self._run, ())
        except RuntimeError:  # there may be no more threads, as in a container
            self._run()

    def _run(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self._error = error
        finally:
            self._going.release()

    def wait(self) -> None:
        """Wait until it is there; a signal may raise meanwhile.

        Raises:
            OSError: It will never be.
        """
        self.end()
        if self._error:
            raise self._error

    def end(self) -> None:
        """Wait until nothing is written any more."""
        with self._going:
            pass


def claim(folder: Path, stems: Callable[[int], str], suffix: str, chosen: Path | None = None) -> Partial:
    """Make the unfinished file of a dump, under a name that nobody has.

    Args:
        folder: Where it will lie; it is there.
        stems: Gives the file name without ending for a copy, from 1.
        suffix: Ending, with the dot.
        chosen: The dump's own path, where the user named one.

    Raises:
        StoreUnusable: The folder cannot be written.
        StoreFull: It has no room even for a name.
    """
    for copy in range(1, ATTEMPTS):
        path = folder / f"{stems(copy)}{suffix}"
        try:
            claimed = _claimed(path, chosen)
        except FileExistsError:
            continue
        except OSError as error:
            raise trouble(folder, error) from error
        if claimed is not None:
            return claimed
    raise StoreUnusable(f"{folder} has too many dumps of this second already.")


def _claimed(path: Path, chosen: Path | None) -> Partial | None:
    """The unfinished file, locked, or None if one of its names is taken.

    The other names are looked at after the file is made: from then on every other
    writer stays away from them.
    """
    partial = path.with_name(path.name + names.PARTIAL)
    file = create_locked(partial)
    if file is None:
        return None
    claimed = Partial(file, partial, chosen or path)
    if any(
        os.path.lexists(other) for other in (path, base(path).with_suffix(names.SIDECAR), _beside(partial))
    ):
        claimed.abandon()
        return None
    return claimed


def create_locked(path: Path) -> BinaryIO | None:
    """A new file that no sweep will remove while it is open; None if one was faster, or somebody keeps its lock."""
    file = _create(path)
    if _hold(file) and os.fstat(file.fileno()).st_nlink > 0:
        return file
    file.close()
    return None


def _create(path: Path) -> BinaryIO:
    """Make a file that only we may read, whatever the umask; never through a link.

    Raises:
        FileExistsError: There is something of this name, be it a dangling link.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)
    if sys.platform != "win32":
        os.fchmod(descriptor, 0o600)
        if who := caller():
            os.fchown(descriptor, *who)
    return os.fdopen(descriptor, "w+b", buffering=0)


def _hold(file: BinaryIO) -> bool:
    """Lock an unfinished file for as long as it is open; a sweep that looks at it just now is waited for a little.

    Where the file system has no locks, its files are not swept either.
    """
    try:
        return lock(file.fileno(), wait=True)
    except OSError:
        return True


def _identity(file: BinaryIO) -> Identity:
    """Which file this is, whatever its name."""
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino


def _remove(path: Path, identity: Identity) -> None:
    """Remove the file, unless the name means another one by now."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if (found.st_dev, found.st_ino) == identity:
        patiently(lambda: path.unlink(missing_ok=True))


def _beside(partial: Path) -> Path:
    """The unfinished sidecar that belongs to an unfinished dump."""
    return base(partial.with_suffix("")).with_suffix(names.SIDECAR + names.PARTIAL)


def allocated(found: os.stat_result) -> int:
    """Bytes on the disk; the apparent size where the system does not tell."""
    blocks: int | None = getattr(found, "st_blocks", None)
    return found.st_size if blocks is None else blocks * 512


def write_all(file: BinaryIO, content: bytes) -> None:
    """Write all of it; an unbuffered file may take less at a time."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def _rename(old: Path, new: Path) -> None:
    """Rename without replacing.

    ``rename(2)`` would replace silently, so the new name is linked and the old one
    removed; file systems without links get a look and a rename.

    Raises:
        FileExistsError: The new name is taken.
    """
    try:
        patiently(lambda: os.link(old, new))
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new)) from None
        patiently(lambda: old.rename(new))
    else:
        patiently(old.unlink)
