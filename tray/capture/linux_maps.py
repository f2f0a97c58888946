"""What a Linux process has mapped.

Source: proc_pid_maps(5), proc_pid_smaps(5).
"""

from __future__ import annotations

import array
import bisect

from tray.capture import linux_names
from tray.capture.linux_spool import Spool
from tray.formats.made import Made
from tray.lean import TYPE_CHECKING, dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator
    from typing import Any

_LARGEST_ADDRESS = 1 << 47
_FLAGS = b"\nVmFlags: "
_RECENT = 1024
"""Kinds with files of which it is known that they were met before."""

DONT_DUMP, DEVICE, RAW_PAGES = "dd", "io", "pf"
NOT_INHERITED, WIPED, POOLED, MAY_SHARE = "dc", "wf", "ht", "ms"
NOTED = frozenset({DONT_DUMP, DEVICE, RAW_PAGES, NOT_INHERITED, WIPED, POOLED, "um", "uw", "ui"})
"""VmFlags that matter: what keeps a mapping out of a dump, or out of a clone, what comes from the system's pool of
huge pages (hugetlbfs), and userfaultfd's three."""

Words = frozenset[str]
_NONE: Words = frozenset()


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of ``/proc/PID/maps``.

    Attributes:
        start: First address.
        end: First address after it.
        access: ``rwxp`` or ``rwxs``, ``-`` for what is missing.
        offset: In the file, bytes.
        device: ``st_dev`` of the file.
        inode: 0 for anonymous memory.
        path: As the kernel shows it, without " (deleted)".
        deleted: Whether the file has no name any more.
        flags: VmFlags, two letters each; empty without any of `NOTED`.
        module: Whether any of its file is mapped as code.
    """

    start: int
    end: int
    access: str
    offset: int
    device: tuple[int, int]
    inode: int
    path: str
    deleted: bool = False
    flags: frozenset[str] = frozenset()
    module: bool = field(default=False, compare=False)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start

    @property
    def shared(self) -> bool:
        """Whether writes are seen by others."""
        return self.access[3] == "s"

    @property
    def fileless(self) -> bool:
        """Shared memory that no file on a disk backs: its contents exist only in memory."""
        return self.inode != 0 and (
            self.path.startswith(("/memfd:", "/SYSV", "/dev/shm/", "/dev/hugepages/"))  # noqa: S108 - recognised
            or (self.path == "/anon_hugepage" and self.deleted and self.shared)
            or (self.path == "/dev/zero" and self.deleted)
            or (self.path.startswith("/drm mm object") and self.deleted)
        )

    @property
    def of_driver(self) -> bool:
        """Whether a driver may stand behind it, so that reading it could do something."""
        if self.path.startswith("/dev/"):
            return not self.path.startswith(("/dev/shm/", "/dev/zero", "/dev/hugepages/"))  # noqa: S108 - as above
        return self.path.startswith(("/sys/", "/proc/", "anon_inode:", "socket:"))

    @property
    def special(self) -> bool:
        """A page the kernel lends every process; it says nothing about this one."""
        return self.path.startswith(("[vvar", "[vsyscall"))

    @property
    def cloned(self) -> bool:
        """Whether a clone has its contents as they are now, for good."""
        return not self.shared and not self.flags & {NOT_INHERITED, WIPED}

    def __str__(self) -> str:
        """For a `Gap`."""
        return f"{self.start:x}-{self.end:x} {self.path}".rstrip()


class Mappings(Made[Mapping]):
    """The mappings of a process, sorted: numbers in arrays, objects only while they are looked at.

    A process may have 65,000, each of a file of its own.

    Attributes:
        edges: Start and end of each, in turn.
        kinds: What mappings there are, to be asked for all but address, offset, size, and which file exactly.
        numbers: Which kind each mapping is of.
        fingerprint: A number that two readings of ``/proc/PID/maps`` share if it has not changed.

    Args:
        mappings: The first ones.
        spool: Where the names of the files go, which may take more room than all else.
    """

    def __init__(self, mappings: Iterable[Mapping] = (), spool: Spool | None = None) -> None:
        self.edges = array.array("Q")
        self.kinds: list[Mapping] = []
        self.numbers = array.array("H")
        self.fingerprint = 0
        self._offsets = array.array("Q")
        self._files = array.array("I")
        self._names = linux_names.Names(spool or Spool())
        self._known: dict[tuple[Any, ...], int] = {}
        for one in mappings:
            number, file = self._found(one.access.encode(), one.flags, _file(one))
            self.edges.extend((one.start, one.end))
            self._offsets.append(one.offset)
            self.numbers.append(number)
            self._files.append(file)
        self._settle()

    def read(self, heads: Iterable[tuple[bytes, Words]]) -> Mappings:
        """Add mappings by their lines of ``maps``, and their VmFlags; gives itself."""
        fingerprint, known = 0, dict[int, tuple[int, int]]()
        for line, flags in heads:
            fingerprint = hash((fingerprint, line))
            place, access, offset, file = line.split(b" ", 3)
            start, _, end = place.partition(b"-")
            first = int(start, 16)
            if first >= _LARGEST_ADDRESS:
                continue
            self.edges.append(first)
            self.edges.append(int(end, 16))
            self._offsets.append(int(offset, 16))
            key = hash((access, flags, file))
            if key not in known:
                if len(known) >= _RECENT:
                    known.clear()
                known[key] = self._found(access, flags, file)
            number, file_number = known[key]
            self.numbers.append(number)
            self._files.append(file_number)
        self.fingerprint = fingerprint
        self._settle()
        return self

    def _found(self, access: bytes, flags: Words, file: bytes) -> tuple[int, int]:
        """The numbers of a kind and of a file, by what stands in ``maps``."""
        file_number = self._names.number(file)
        key = access, flags, self._names.sorts[file_number]
        number = self._known.setdefault(key, len(self.kinds))
        if number == len(self.kinds):
            backed, deleted, path = self._names.sort(file_number)
            self.kinds.append(
                Mapping(0, 0, access.decode(), 0, (0, 0), int(backed), _text(path), deleted, flags)
            )
        return number, file_number

    def _settle(self) -> None:
        """Say of those of modules that they are, now that all are known."""
        names = self._names.hashes
        code = [bool("x" in kind.access and kind.inode) for kind in self.kinds]
        modules = {
            names[file] for file, number in zip(self._files, self.numbers, strict=True) if code[number]
        }
        if not modules:
            return
        of_modules: dict[int, int] = {}
        for place, file in enumerate(self._files):
            if names[file] in modules and not self.kinds[number := self.numbers[place]].module:
                if number not in of_modules:
                    of_modules[number] = len(self.kinds)
                    self.kinds.append(replace(self.kinds[number], module=True))
                self.numbers[place] = of_modules[number]

    def at(self, address: int) -> Mapping | None:
        """The one that holds an address."""
        place = self.place(address)
        return None if place is None else self[place]

    def place(self, address: int) -> int | None:
        """The place in the list of the one that holds an address."""
        index = bisect.bisect_right(self.edges, address) // 2
        if index < len(self) and self.edges[2 * index] <= address < self.edges[2 * index + 1]:
            return index
        return None

    def kind(self, place: int) -> Mapping:
        """What the mapping at this place is; see ``kinds``."""
        return self.kinds[self.numbers[place]]

    def where(self, test: Callable[[Mapping], Any]) -> Iterator[Mapping]:
        """Those of the kinds that pass a test, which is asked once for each kind."""
        return (self[place] for place in self.places(test))

    def places(self, test: Callable[[Mapping], Any]) -> Iterator[int]:
        """As `where`, but their places in the list."""
        passes = [bool(test(kind)) for kind in self.kinds]
        return (place for place, number in enumerate(self.numbers) if passes[number])

    def each(self, test: Callable[[Mapping], Any]) -> Iterator[Mapping]:
        """As `where`, but one of each file, the last first: a process has its libraries before all else."""
        passes = [bool(test(kind)) for kind in self.kinds]
        seen = bytearray(len(self._names))
        for place in range(len(self) - 1, -1, -1):
            if passes[self.numbers[place]] and not seen[self._files[place]]:
                seen[self._files[place]] = True
                yield self[place]

    def named(self, path: str) -> Callable[[int], bool]:
        """Tells of places in the list whether the mapping there is of the file with this path."""
        wanted, names = hash(_bytes(path)), self._names.hashes
        return lambda place: names[self._files[place]] == wanted

    def path(self, place: int) -> bytes:
        """`Mapping.path` of the one at this place, as the system has it."""
        return self._names.path(self._files[place])

    def offset(self, place: int) -> int:
        """`Mapping.offset` of the one at this place."""
        return self._offsets[place]

    def span(self, place: int) -> tuple[int, int]:
        """Start and end of the one at this place."""
        return self.edges[2 * place], self.edges[2 * place + 1]

    def without(self, places: Container[int]) -> Mappings:
        """All but those at these places."""
        found = Mappings()
        found.kinds, found._names, found.fingerprint = self.kinds, self._names, 0
        for place in range(len(self)):
            if place not in places:
                found.edges.extend(self.edges[2 * place : 2 * place + 2])
                found.numbers.append(self.numbers[place])
                found._offsets.append(self._offsets[place])
                found._files.append(self._files[place])
        return found

    def flags_at(self, address: int) -> Words:
        """The flags of the one that holds an address; none where there is none."""
        place = self.place(address)
        return _NONE if place is None else self.kind(place).flags

    def __len__(self) -> int:
        return len(self.numbers)

    def made(self, index: int) -> Mapping:
        """One of them; see `Made`."""
        kind, offset = self.kinds[self.numbers[index]], self._offsets[index]
        last = 2 * index + 1  # of a negative index too
        device, inode, path = self._names.file(self._files[index])
        return Mapping(
            self.edges[last - 1],
            self.edges[last],
            kind.access,
            offset,
            device,
            inode,
            path,
            kind.deleted,
            kind.flags,
            kind.module,
        )


def listed(
    blocks: Iterable[bytes], spool: Spool | None = None, flags: Callable[[int], Words] | None = None
) -> Mappings:
    """The mappings in ``/proc/PID/maps``, which may be cut anywhere into blocks.

    Args:
        blocks: The text.
        spool: See `Mappings`.
        flags: Gives the flags of the mapping that begins at an address; without, they have none.
    """
    lines = _lines(blocks)
    if flags:
        lines = ((line, flags(int(line[: line.index(b"-")], 16))) for line, _ in lines)
    return Mappings(spool=spool).read(lines)


def flagged(blocks: Iterable[bytes], spool: Spool | None = None) -> Mappings:
    """The same from ``/proc/PID/smaps``, with their flags."""
    return Mappings(spool=spool).read(_entries(blocks))


def fingerprint(blocks: Iterable[bytes]) -> int:
    """`Mappings.fingerprint` of ``/proc/PID/maps``."""
    found = 0
    for line, _ in _lines(blocks):
        found = hash((found, line))
    return found


def filed(blocks: Iterable[bytes]) -> int:
    """How many bytes of files from a disk are mapped, by ``/proc/PID/maps``."""
    total = 0
    for line, _ in _lines(blocks):
        place, _, _, file = line.split(b" ", 3)
        if linux_names.plain(file[file.find(b"/") :]):
            start, _, end = place.partition(b"-")
            total += int(end, 16) - int(start, 16)
    return total


def edges(blocks: Iterable[bytes]) -> array.array[int]:
    """`Mappings.edges` of ``/proc/PID/maps``."""
    places = (line.split(b" ", 1)[0] for line, _ in _lines(blocks))
    return array.array("Q", (int(edge, 16) for place in places for edge in place.split(b"-")))


def parse(line: str) -> Mapping:
    """One line of ``maps``."""
    return Mappings().read([(_bytes(line.rstrip("\n")), _NONE)])[0]


def _file(mapping: Mapping) -> bytes:
    """What stands in ``maps`` of its file."""
    (major, minor), deleted = mapping.device, " (deleted)" * mapping.deleted
    return _bytes(f"{major:x}:{minor:x} {mapping.inode} {mapping.path}{deleted}")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _lines(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, Words]]:
    """The lines of ``maps``."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line, _NONE


def _entries(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, Words]]:
    """The same lines from ``smaps``, where 20 others and the flags follow each of them."""
    known: dict[bytes, Words] = {}
    head, rest = b"", b"\n"
    for block in blocks:
        *whole, rest = (rest + block).split(_FLAGS)
        for part in whole:  # the flags of the mapping before, and the lines of the next one
            cut = part.index(b"\n")
            if head:
                yield head, _noted(part[:cut], known)
            end = part.find(b"\n", cut + 1)
            head = part[cut + 1 : end if end >= 0 else len(part)]
    if head:
        yield head, _noted(rest.partition(b"\n")[0], known)


def _noted(text: bytes, known: dict[bytes, Words]) -> Words:
    """The flags of one mapping if any of them matters; most mappings have the same."""
    if text not in known:
        words = frozenset(text.decode().split())
        known[text] = words if words & NOTED else _NONE
    return known[text]
