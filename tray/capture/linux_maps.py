"""What a Linux process has mapped.

Source: proc_pid_maps(5), proc_pid_smaps(5).
"""

from __future__ import annotations

from itertools import islice

from tray.capture import linux_names
from tray.formats.made import Made
from tray.formats.numbers import BLOCK, Numbers, Runs
from tray.formats.spool import Spool
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
Row = tuple[int, int, int, int, int]
"""Start, end, offset, and the numbers of kind and file."""
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
    """The mappings of a process, sorted: numbers, and objects only while they are looked at.

    A process may have a million, each of a file of its own.

    Attributes:
        spool: Where what is too much to be held goes.
        edges: Start and end of each, in turn.
        kinds: What mappings there are, to be asked for all but address, offset, size, and which file exactly.
        numbers: Which kind each mapping is of.
        fingerprint: A number that two readings of ``/proc/PID/maps`` share if it has not changed.

    Args:
        mappings: The first ones.
        spool: See above; without one all is held.
    """

    def __init__(self, mappings: Iterable[Mapping] = (), spool: Spool | None = None) -> None:
        self.spool = spool or Spool()
        self.edges, self.numbers = Runs(spool), Numbers("H", spool)
        self.kinds: list[Mapping] = []
        self.fingerprint = 0
        self._offsets, self._files = Numbers("Q", spool), Numbers("I", spool)
        self._names = linux_names.Names(self.spool)
        self._code = bytearray()
        """Of each file, whether any of it is mapped as code."""
        self._known: dict[tuple[Any, ...], int] = {}
        for one in mappings:
            number, file = self._found(one.access.encode(), one.flags, _file(one))
            self.edges.add(one.start, one.end)
            self._offsets.append(one.offset)
            self.numbers.append(number)
            self._files.append(file)
        self._settle()

    def read(self, heads: Iterable[tuple[bytes, Words]]) -> Mappings:
        """Add mappings by their lines of ``maps``, and their VmFlags; gives itself."""
        rest, known = iter(heads), dict[int, tuple[int, int]]()
        while some := [*islice(rest, BLOCK)]:
            self.fingerprint = _told([line for line, _ in some], self.fingerprint)
            self._add(some, known)
            for column in (self.edges, self.numbers, self._offsets, self._files):
                column.settle()
        self._settle()
        return self

    def _add(self, heads: Iterable[tuple[bytes, Words]], known: dict[int, tuple[int, int]]) -> None:
        """Add some to what is held; ``known`` are numbers of kinds and files met lately."""
        columns = self.edges, self.numbers, self._offsets, self._files
        edges, numbers, offsets, files = (column.held.append for column in columns)
        for line, flags in heads:
            place, access, offset, file = line.split(b" ", 3)
            start, _, end = place.partition(b"-")
            first = int(start, 16)
            if first >= _LARGEST_ADDRESS:
                continue
            edges(first)
            edges(int(end, 16))
            offsets(int(offset, 16))
            key = hash((access, flags, file))
            if key not in known:
                if len(known) >= _RECENT:
                    known.clear()
                known[key] = self._found(access, flags, file)
            number, file_number = known[key]
            numbers(number)
            files(file_number)

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
        if file_number == len(self._code):
            self._code.append(0)
        if b"x" in access and self.kinds[number].inode:
            self._code[file_number] = True
        return number, file_number

    def _settle(self) -> None:
        """Say of those of modules that they are, now that all are known."""
        if any(self._code):
            of_module, code = _OfModule(self.kinds), self._code
            rows = zip(self.numbers, self._files, strict=True)
            numbers = (of_module[number] if code[file] else number for number, file in rows)
            self.numbers = Numbers("H", self.spool, numbers)

    def at(self, address: int) -> Mapping | None:
        """The one that holds an address."""
        place = self.place(address)
        return None if place is None else self[place]

    def place(self, address: int) -> int | None:
        """The place in the list of the one that holds an address."""
        rank = self.edges.rank(address)
        # Where one ends at which the next one begins, both are not greater than that.
        return rank // 2 if rank % 2 else None

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
        seen, place = bytearray(len(self._names)), len(self)
        for number, file in zip(reversed(self.numbers), reversed(self._files), strict=True):
            place -= 1
            if passes[number] and not seen[file]:
                seen[file] = True
                yield self[place]

    def rows(self, test: Callable[[Mapping], Any]) -> Iterator[Row]:
        """As `where`, but their numbers, without an object for each."""
        passes = [bool(test(kind)) for kind in self.kinds]
        columns = zip(self.edges.pairs(), self._offsets, self.numbers, self._files, strict=True)
        return (
            (start, end, offset, number, file)
            for (start, end), offset, number, file in columns
            if passes[number]
        )

    def named(self, path: str) -> frozenset[int]:
        """The numbers of the files with this path."""
        return self._names.named(_bytes(path))

    def path(self, file: int) -> bytes:
        """The path of the file with this number, as the system has it."""
        return self._names.path(file)

    def span(self, place: int) -> tuple[int, int]:
        """Start and end of the one at this place."""
        return self.edges.pair(place)

    def without(self, places: Container[int]) -> Mappings:
        """All but those at these places."""
        found = Mappings(spool=self.spool)
        found.kinds, found._names = self.kinds, self._names
        rows = zip(self.edges.pairs(), self.numbers, self._offsets, self._files, strict=True)
        for place, (span, number, offset, file) in enumerate(rows):
            if place not in places:
                found.edges.add(*span)
                found.numbers.append(number)
                found._offsets.append(offset)
                found._files.append(file)
        return found

    def flags_at(self, address: int) -> Words:
        """The flags of the one that holds an address; none where there is none."""
        place = self.place(address)
        return _NONE if place is None else self.kind(place).flags

    def __len__(self) -> int:
        return len(self.numbers)

    def made(self, index: int) -> Mapping:
        """One of them; see `Made`."""
        index = range(len(self))[index]
        row = *self.span(index), self._offsets[index], self.numbers[index], self._files[index]
        return self.of(row)

    def of(self, row: Row) -> Mapping:
        """The one that a row of `rows` is about."""
        start, end, offset, number, file = row
        kind, (device, inode, path) = self.kinds[number], self._names.file(file)
        more = kind.deleted, kind.flags, kind.module
        return Mapping(start, end, kind.access, offset, device, inode, path, *more)


def listed(
    blocks: Iterable[bytes], spool: Spool | None = None, flags: Callable[[int], Words] | None = None
) -> Mappings:
    """The mappings in ``/proc/PID/maps``, which may be cut anywhere into blocks.

    Args:
        blocks: The text.
        spool: See `Mappings`.
        flags: Gives the flags of the mapping that begins at an address; without, they have none.
    """
    heads = lines(blocks)
    if flags:
        heads = ((line, flags(int(line[: line.index(b"-")], 16))) for line, _ in heads)
    return Mappings(spool=spool).read(heads)


def flagged(blocks: Iterable[bytes], spool: Spool | None = None) -> Mappings:
    """The same from ``/proc/PID/smaps``, with their flags."""
    return Mappings(spool=spool).read(_entries(blocks))


class _OfModule(dict[int, int]):
    """Number of a kind → that of the same kind, of modules; it is added to the kinds when it is first asked for."""

    def __init__(self, kinds: list[Mapping]) -> None:
        super().__init__()
        self._kinds = kinds

    def __missing__(self, number: int) -> int:
        kind = self._kinds[number]
        if not kind.module:
            self._kinds.append(replace(kind, module=True))
        self[number] = found = number if kind.module else len(self._kinds) - 1
        return found


def fingerprint(blocks: Iterable[bytes]) -> int:
    """`Mappings.fingerprint` of ``/proc/PID/maps``."""
    found, rest, some = 0, b"", list[bytes]()
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        some += whole
        while len(some) >= BLOCK:
            found = _told(some[:BLOCK], found)
            del some[:BLOCK]
    return _told(some, found) if some else found


def _told(lines: list[bytes], before: int) -> int:
    """What tells these lines, behind others, from different ones."""
    return hash((before, b"\n".join(lines)))


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


def lines(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, Words]]:
    """The lines of ``maps``, each with no flags."""
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
