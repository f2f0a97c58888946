"""The files that a process has mapped, each once, as bytes: it may have a million, with paths of 4,000 bytes.

Most questions are about what sort of file it is, not which one: those are answered without looking at its name.
"""

from __future__ import annotations

from tray.formats.numbers import Numbers, Runs
from tray.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tray.formats.spool import Spool

C_LIBRARY = "/libc*"
"""What the sort of file that the C library and its linker are of has for a path."""
_DELETED = b" (deleted)"
_C_LIBRARY = (b"libc-", b"libc.", b"ld-", b"ld.", b"libpthread-", b"libpthread.")
"""How their names begin."""
_RECENT = 1024
"""Files of which it is known that they were met before; one that is met again later stands twice."""
_BY_NAME = frozenset({b"/anon_hugepage", b"/dev/zero", b"/secretmem"})
"""Paths that the system gives to what is no file."""
_BY_PLACE = (
    b"/memfd:", b"/SYSV", b"/drm mm object", b"/dev/shm/", b"/dev/hugepages/", b"/dev/zero", b"/dev/", b"/sys/",
    b"/proc/",
)  # fmt: skip
"""Beginnings of paths that tell what is behind them, the longer ones first."""


class Sort(NamedTuple):
    """What sort of file, as far as properties of `Mapping` depend on it.

    Attributes:
        backed: Whether it has an inode.
        deleted: As in `Mapping`.
        path: Its path, or what of it tells the sort, and a star.
    """

    backed: bool
    deleted: bool
    path: bytes


class Names:
    """A list of files.

    Attributes:
        hashes: Of their paths.
        sorts: Which of `sort` each is.
    """

    def __init__(self, spool: Spool) -> None:
        self.hashes, self.sorts = Numbers("q", spool), Numbers("H", spool)
        self._spool = spool
        self._places = Runs(spool)
        self._recent: dict[int, int] = {}
        self._known: dict[Sort, int] = {}

    def number(self, text: bytes) -> int:
        """Which one it is, by its device, inode and path as they stand in ``maps``; a new one is added."""
        key = hash(text)
        if key not in self._recent:
            if len(self._recent) >= _RECENT:  # half of them stay: mappings of one file mostly lie together
                self._recent = dict([*self._recent.items()][_RECENT // 2 :])
            self._recent[key] = len(self)
            self._add(text)
        return self._recent[key]

    def _add(self, text: bytes) -> None:
        device, inode, *name = text.split(None, 2)
        path = name[0] if name else b""
        kept = b"%b %b %b" % (device, inode, path)
        place = self._spool.keep(kept)
        self._places.add(place, place + len(kept))
        deleted = path.endswith(_DELETED)
        path = path.removesuffix(_DELETED)
        sort = Sort(inode != b"0", deleted, _told(path))
        self.sorts.append(self._known.setdefault(sort, len(self._known)))
        self.hashes.append(hash(path))

    def sort(self, number: int) -> Sort:
        """What sort of file one is."""
        return [*self._known][self.sorts[number]]

    def file(self, number: int) -> tuple[tuple[int, int], int, str]:
        """Device, inode and path of one."""
        device, inode, path = self._text(number)
        major, _, minor = device.partition(b":")
        return (int(major, 16), int(minor, 16)), int(inode), path.decode("utf-8", "surrogateescape")

    def path(self, number: int) -> bytes:
        """The path of one."""
        return self._text(number)[2]

    def named(self, path: bytes) -> frozenset[int]:
        """Which ones have this path."""
        wanted = hash(path)
        return frozenset(number for number, found in enumerate(self.hashes) if found == wanted)

    def _text(self, number: int) -> tuple[bytes, bytes, bytes]:
        device, inode, path = self._spool.content(*self._places.pair(number)).split(b" ", 2)
        return device, inode, path.removesuffix(_DELETED)

    def __len__(self) -> int:
        return len(self.sorts)


def plain(path: bytes) -> bool:
    """Whether this is the path of a file on a disk."""
    return path.startswith(b"/") and not path.startswith(_BY_PLACE) and path not in _BY_NAME


def _told(path: bytes) -> bytes:
    """What of a path tells the sort of file."""
    if plain(path):
        return C_LIBRARY.encode() if path.rpartition(b"/")[2].startswith(_C_LIBRARY) else b"/*"
    if path in _BY_NAME:
        return path
    if not path.startswith(b"/"):
        return path.partition(b":")[0] + b":*" if b":" in path else path
    return next(place for place in _BY_PLACE if path.startswith(place)) + b"*"
