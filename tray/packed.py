"""Dumps made smaller with Zstandard: packing one, and unpacking it for those who read it.

Source: RFC 8878.
"""

from __future__ import annotations

import os
import struct
import sys

from tray import sizes
from tray.errors import BadDump, StoreFull
from tray.lean import TYPE_CHECKING
from tray.paths import Path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

KINDS = ("none", "zstd")
"""What ``compress`` may be in the settings."""
SUFFIX = ".zst"
"""Added to the name of a packed dump."""
MAGIC = struct.pack("<I", 0xFD2FB528)

LEVEL = 3
"""Zstandard's own default: see `benchmarks/results.md` for what it costs and gives."""
WINDOW = 19
"""Zstandard looks back so many bytes, as a power of two: 2.5 MB of memory instead of 57 with its usual window and
two threads, for a seventh more in size, measured on libraries and zeros."""
_CHUNK = 64 << 10
"""Small enough that the C library keeps the room for the next: fresh room for each takes five times as long."""
_RESERVE = 64 << 20
_PREFIX = "hangshot-unpacked-"
_ENDINGS = (".core", ".dmp")
_DAY = 86_400
_ATTEMPTS = 3
_WORTH_A_WORD = 256 << 20
"""From this size on, unpacking takes long enough to be told."""

_unpacked: dict[tuple[str, int, int], Path] = {}


def base(path: Path) -> Path:
    """The path without what packing added to its name."""
    return path.with_suffix("") if path.suffix == SUFFIX else path


def pack(source: BinaryIO, target: BinaryIO) -> None:
    """Write all of ``source``, packed, to ``target``; both are open files, and the target is empty.

    Raises:
        OSError: The target cannot take it.
    """
    zstd = _library()
    parameter = zstd.CompressionParameter
    options = {parameter.compression_level: LEVEL, parameter.window_log: WINDOW, parameter.checksum_flag: 1}
    machine = zstd.ZstdCompressor(options=options)
    machine.set_pledged_input_size(os.fstat(source.fileno()).st_size)
    source.seek(0)
    while chunk := source.read(_CHUNK):
        _write(target, machine.compress(chunk))
    _write(target, machine.flush())


def is_packed(path: Path) -> bool:
    """Whether a file is packed, whatever it is called; False for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def plain(path: Path) -> Path:
    """A file for debuggers to read: this one, or what it holds, in a private folder that goes when we end.

    A file is unpacked once. Where that takes a while, standard error says so.

    Raises:
        BadDump: It is damaged, or was cut.
        StoreFull: There is no room to unpack it.
        OSError: It cannot be read.
    """
    if not is_packed(path):
        return path
    found = path.stat()
    key = (str(path), found.st_mtime_ns, found.st_size)
    if key not in _unpacked or not _unpacked[key].exists():
        _unpacked[key] = _unpack(path)
    return _unpacked[key]


def origin(path: Path) -> Path:
    """The packed file that `plain` gave this one for; any other path itself."""
    return next((Path(packed) for (packed, _, _), place in _unpacked.items() if place == path), path)


def _unpack(path: Path) -> Path:
    with path.open("rb") as file:
        told = _size(file, path)
        size = 8 * os.fstat(file.fileno()).st_size if told is None else told
        folder = _folder(path, size)
        if size >= _WORTH_A_WORD:
            print(f"Unpacking {path.name} ({sizes.shown(size)}) to {folder} …", file=sys.stderr, flush=True)
        place = folder / base(path).name
        with open(place, "xb", buffering=0, opener=_private) as output:
            for content in _unpacked_blocks(file, path, size):
                if told is not None and output.tell() + len(content) > told:
                    raise _damaged(path)
                if told is None:
                    _check_room(path, folder, len(content))
                _store(content, output)
            output.truncate()
    return place


def _size(file: BinaryIO, path: Path) -> int | None:
    """How many bytes it has unpacked; the packer says it at the beginning, if it knew."""
    zstd = _library()
    try:
        size: int | None = zstd.get_frame_info(file.read(32)).decompressed_size
    except zstd.ZstdError as error:
        raise _damaged(path) from error
    file.seek(0)
    return size


def _folder(path: Path, size: int) -> Path:
    """A new private folder with that much room: the system's own for such things, else beside the dump."""
    import shutil
    import tempfile

    rooms: dict[Path, int] = {}
    for room in (Path(tempfile.gettempdir()), path.absolute().parent):
        sweep(room)
        rooms[room] = free = shutil.disk_usage(room).free
        if free >= size + _RESERVE:
            return _made(room)
    most, free = max(rooms.items(), key=lambda item: item[1])
    raise StoreFull(
        f"{path.name} takes {sizes.shown(size)} unpacked; {most} has {sizes.shown(free)} left.",
        hint="Make room there, or set TMPDIR to a folder that has it.",
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _made(room: Path) -> Path:
    """A new folder, locked as long as we live, which goes when we end."""
    import atexit
    import shutil
    import tempfile

    for _ in range(_ATTEMPTS):  # a sweep may be faster; where there are no locks nobody sweeps
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=room))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        if sys.platform == "win32" or _locked(folder) is not None:
            break
    return folder


def sweep(room: Path) -> None:
    """Remove what those who were killed have unpacked there: each is a whole dump."""
    try:
        with os.scandir(room) as entries:
            found = [Path(one.path) for one in entries if _is_old(one)]
    except OSError:
        return
    for folder in found:
        _remove(folder)


def _is_old(entry: os.DirEntry[str]) -> bool:
    """Whether this is such a folder; on Windows, where none is locked, one that is a day old."""
    import time

    if not (entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False)):
        return False
    return sys.platform != "win32" or time.time() - entry.stat().st_mtime > _DAY


def _remove(folder: Path) -> None:
    """Remove a folder that nobody reads any more, with the one file that we put there, and no other."""
    held = _locked(folder)
    if held is None and sys.platform != "win32":
        return
    try:
        with os.scandir(folder) as entries:
            found = [folder / one.name for one in entries if one.name.endswith(_ENDINGS)]
        for path in found:
            path.unlink()
        folder.rmdir()
    except OSError:  # somebody has put more there, or still reads it
        pass
    finally:
        if held is not None:
            os.close(held)


def _locked(folder: Path) -> int | None:
    """Our private folder, open and locked; None if it is none, somebody has it, it has gone, or this is Windows."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(descriptor)
        if (found.st_uid, found.st_mode & 0o777) == (os.geteuid(), 0o700) and found.st_nlink:
            return descriptor
    except OSError:  # somebody has it, or this file system has no locks
        pass
    os.close(descriptor)
    return None


def _check_room(path: Path, folder: Path, size: int) -> None:
    """See that there is still room: a file that does not tell its size may unpack to a thousand times its own."""
    import shutil

    if shutil.disk_usage(folder).free < size + _RESERVE:
        raise StoreFull(
            f"{path.name} does not tell how much it takes unpacked: more than {folder.parent} has left.",
            hint="Make room there, or set TMPDIR to a folder that has it.",
        )


def _unpacked_blocks(file: BinaryIO, path: Path, size: int) -> Iterator[bytes]:
    """What it holds, block by block."""
    zstd = _library()
    machine = zstd.ZstdDecompressor()
    done = 0
    while not machine.eof:
        chunk = file.read(_CHUNK) if machine.needs_input else b""
        if machine.needs_input and not chunk:
            raise BadDump(
                f"{path} was cut off: only {sizes.shown(done)} of {sizes.shown(size)} can be unpacked."
            )
        try:
            content = machine.decompress(chunk, _CHUNK)
        except zstd.ZstdError as error:
            raise _damaged(path) from error
        done += len(content)
        yield content


def _store(content: bytes, output: BinaryIO) -> None:
    """Write it, pages of zeros as holes."""
    if content.count(0) == len(content):
        output.seek(len(content), os.SEEK_CUR)
    else:
        _write(output, content)


def _write(file: BinaryIO, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def _damaged(path: Path) -> BadDump:
    return BadDump(f"{path} is damaged: it cannot be unpacked.")


def _library() -> Any:  # noqa: ANN401 - a module; which one depends on Python's version
    """Python's own from 3.14 on, and the same for earlier ones."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
