"""Windows' executables and libraries: names of their functions, and how to unwind them.

Only what tells who waits: exported names, and on x86-64 the tables by which
exceptions find their way back through calls. Nothing in a file is believed: what
makes no sense is not there.

Source: learn.microsoft.com, "PE Format"; "x64 exception handling".
"""

from __future__ import annotations

import bisect
import mmap
import struct
from pathlib import Path

from tray.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

RSP = 4
"""Registers are numbered as in the unwind codes: rax rcx rdx rbx rsp rbp rsi rdi r8 … r15."""

_PE32_PLUS = 0x20B
_EXPORTS, _EXCEPTIONS = 0, 3
"""Data directories."""
_FUNCTION = struct.Struct("<III")
"""``RUNTIME_FUNCTION``: begin, end, unwind information."""
_CHAINED = 4
_PUSH, _ALLOC_LARGE, _ALLOC_SMALL, _SET_FRAME, _SAVE, _SAVE_FAR = range(6)
_EPILOGUE, _SPARE, _SAVE_XMM, _SAVE_XMM_FAR, _MACHINE_FRAME = range(6, 11)
_EXTRA_SLOTS = {_SAVE: 1, _SAVE_FAR: 2, _SPARE: 1, _SAVE_XMM: 1, _SAVE_XMM_FAR: 2}
_MOST_NAMES, _MOST_CHAINED = 1 << 16, 8
_NEAR = {False: 0x200, True: 0x20}
"""How far an address may be from the beginning of a function of unknown length; on x86-64 only the smallest are."""


class Step(NamedTuple):
    """One thing that a function's prologue did, to be taken back.

    Attributes:
        register: That was saved; -1 if none.
        at: Where it was saved, from the frame's base; -1 if it was pushed.
        grown: By how much the stack grew.
        base: The frame's register and how far it is above the base, if the prologue set one; else None.
    """

    register: int = -1
    at: int = -1
    grown: int = 0
    base: tuple[int, int] | None = None


class Image:
    """An executable or library on the disk; `close` it.

    Attributes:
        time: The linker's time stamp, or what stands in its place.
        size: Bytes that it takes in memory.
        wide: Whether it is for x86-64.

    Raises:
        ValueError: It is none.
    """

    def __init__(self, content: mmap.mmap | bytes) -> None:
        self._content = content
        try:
            self._read_headers()
        except (struct.error, OverflowError) as error:  # the latter where addresses have 32 bits
            raise ValueError("no Windows program") from error
        self._names: list[tuple[int, int]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        if isinstance(self._content, mmap.mmap):
            self._content.close()

    def name(self, address: int) -> str:
        """The exported function that an address, counted from the image's start, lies in; empty if none.

        Where the functions' lengths are known, only one that begins where an export does has a name.
        """
        found = self.function(address)
        begin = found[0] if found else None
        names = self._exports()
        place = bisect.bisect_right(names, (address if begin is None else begin, 1 << 32)) - 1
        if place < 0:
            return ""
        start, text = names[place]
        near = start == begin if begin is not None else address - start < _NEAR[self.wide]
        return self._text(text) if near else ""

    def code(self, address: int, size: int) -> bytes:
        """Bytes of the image; empty where the file has none."""
        try:
            at = self._at(address)
        except ValueError:
            return b""
        return bytes(self._content[at : at + size])

    def function(self, address: int) -> tuple[int, int] | None:
        """Where the function around an address begins, and its unwind information; None where no table tells.

        A function in several pieces begins where its first piece does.
        """
        found = self._piece(address)
        for _ in range(_MOST_CHAINED):
            if found is None or not (parent := self._parent(found[1])):
                return found
            found = parent
        return None

    def steps(self, address: int) -> list[Step] | None:
        """How to take back what the function around an address did before; None where nothing tells."""
        found = self._piece(address)
        told: list[Step] = []
        for _ in range(_MOST_CHAINED):
            if found is None:
                return None
            try:
                told += self._codes(found[1])
            except (struct.error, ValueError):
                return None
            if not (parent := self._parent(found[1])):
                return told
            found = parent
        return None

    def _read_headers(self) -> None:
        content = self._content
        (at,) = struct.unpack_from("<I", content, 0x3C)
        signature, _, count, self.time, _, _, optional = struct.unpack_from("<4sHHIIIH", content, at)
        (magic,) = struct.unpack_from("<H", content, at + 24)
        if content[:2] != b"MZ" or signature != b"PE\0\0":
            raise ValueError("no Windows program")
        self.wide = magic == _PE32_PLUS
        (self.size,) = struct.unpack_from("<I", content, at + 24 + 56)
        self._directories = at + 24 + (112 if self.wide else 96)
        first = at + 24 + optional
        rows = [struct.unpack_from("<IIII", content, first + 40 * row + 8) for row in range(count)]
        self._sections = [(start, start + min(size, held), place) for size, start, held, place in rows]

    def _at(self, address: int) -> int:
        """Where in the file an address of the image is.

        Raises:
            ValueError: Nowhere.
        """
        for start, end, place in self._sections:
            if start <= address < end:
                at = int(address - start + place)
                if at < len(self._content):
                    return at
        raise ValueError("outside of the file")

    def _directory(self, number: int) -> tuple[int, int]:
        """Address and size of a data directory."""
        address, size = struct.unpack_from("<II", self._content, self._directories + 8 * number)
        return address, size

    def _exports(self) -> list[tuple[int, int]]:
        """Address and place of the name of each exported function, sorted."""
        if self._names is None:
            try:
                self._names = sorted(self._read_exports())
            except (struct.error, ValueError):
                self._names = []
        return self._names

    def _read_exports(self) -> Iterator[tuple[int, int]]:
        content = self._content
        head = self._at(self._directory(_EXPORTS)[0])
        functions, names, to_functions, to_names, to_numbers = struct.unpack_from(
            "<IIIII", content, head + 20
        )
        functions, names = min(functions, _MOST_NAMES), min(names, _MOST_NAMES)
        addresses = struct.unpack_from(f"<{functions}I", content, self._at(to_functions))
        texts = struct.unpack_from(f"<{names}I", content, self._at(to_names))
        numbers = struct.unpack_from(f"<{names}H", content, self._at(to_numbers))
        for text, number in zip(texts, numbers, strict=True):
            if number < functions:
                yield addresses[number], text

    def _text(self, address: int) -> str:
        """A name; of a system call's two names always the one that begins with Nt."""
        try:
            at = self._at(address)
        except ValueError:
            return ""
        end = self._content.find(b"\0", at, at + 256)
        text = bytes(self._content[at : max(at, end)]).decode("ascii", "replace")
        return f"Nt{text[2:]}" if text.startswith("Zw") else text

    def _piece(self, address: int) -> tuple[int, int] | None:
        """Begin and unwind information of the piece of code around an address."""
        if not self.wide:
            return None
        try:
            start, size = self._directory(_EXCEPTIONS)
            at = self._at(start)
            count = min(size, len(self._content)) // _FUNCTION.size
            place = bisect.bisect_right(range(count), address, key=lambda row: self._row(at, row)[0]) - 1
            begin, end, unwind = self._row(at, place) if place >= 0 else (0, 0, 0)
        except (struct.error, ValueError):
            return None
        return (begin, unwind) if begin <= address < end else None

    def _row(self, at: int, number: int) -> tuple[int, int, int]:
        begin, end, unwind = _FUNCTION.unpack_from(self._content, at + number * _FUNCTION.size)
        return begin, end, unwind

    def _parent(self, unwind: int) -> tuple[int, int] | None:
        """The piece that this one continues; None for a first piece."""
        try:
            at = self._at(unwind)
            head, _, count = struct.unpack_from("<BBB", self._content, at)
            if not head >> 3 & _CHAINED:
                return None
            begin, _, parent = _FUNCTION.unpack_from(self._content, at + 4 + 2 * (count + count % 2))
        except (struct.error, ValueError):
            return None
        return begin, parent

    def _codes(self, unwind: int) -> Iterator[Step]:
        """The steps of one piece.

        Raises:
            ValueError: They cannot be taken back.
            struct.error: They are cut off.
        """
        at = self._at(unwind)
        _, _, count, frame = struct.unpack_from("<BBBB", self._content, at)
        codes = struct.unpack_from(f"<{count}H", self._content, at + 4)
        base = (frame & 15, (frame >> 4) * 16) if frame & 15 else None
        place = 0
        while place < count:
            operation, more = codes[place] >> 8 & 15, codes[place] >> 12
            slots = 1 + more if operation == _ALLOC_LARGE else _EXTRA_SLOTS.get(operation, 0)
            value = sum(
                code << 16 * number for number, code in enumerate(codes[place + 1 : place + 1 + slots])
            )
            yield _step(operation, more, value, base)
            place += 1 + slots


def _step(operation: int, more: int, value: int, base: tuple[int, int] | None) -> Step:
    """One unwind code."""
    if operation == _MACHINE_FRAME or operation > _MACHINE_FRAME:
        raise ValueError("not a call")
    if operation == _PUSH:
        return Step(register=more)
    if operation == _ALLOC_SMALL:
        return Step(grown=more * 8 + 8)
    if operation == _ALLOC_LARGE:
        return Step(grown=value if more else value * 8)
    if operation == _SET_FRAME:
        return Step(base=base)
    if operation in (_SAVE, _SAVE_FAR):
        return Step(register=more, at=value * 8 if operation == _SAVE else value)
    return Step()


def read(path: str | Path) -> Image:
    """Open an executable or library.

    Raises:
        ValueError: It is none.
        OSError: It cannot be opened.
    """
    with Path(path).open("rb") as file:
        return Image(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
