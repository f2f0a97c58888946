"""Builder of Windows libraries, from a few words: exported names, and how their functions are unwound."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

START, PLACE = 0x1000, 0x200
"""Where the one section is, in memory and in the file."""
RBX, RBP, RSI, RDI = 3, 5, 6, 7


def push(register: int) -> bytes:
    """An unwind code."""
    return bytes([0, register << 4])


def alloc(size: int) -> bytes:
    """An unwind code, or two or three."""
    if size <= 128:
        return bytes([0, (size // 8 - 1) << 4 | 2])
    if size < 8 << 16:
        return bytes([0, 1]) + struct.pack("<H", size // 8)
    return bytes([0, 0x11]) + struct.pack("<I", size)


def save(register: int, at: int) -> bytes:
    """An unwind code: kept on the stack without a push."""
    return bytes([0, register << 4 | 4]) + struct.pack("<H", at // 8)


@dataclass
class Function:
    """One function.

    Attributes:
        begin: Its address in the image.
        size: Its length.
        codes: What its prologue did, last thing first.
        name: Under which it is exported; empty if it is not.
        frame: Frame register and how far it is above the frame's base, as the unwind information has it.
        parent: Begin of the function that this is another piece of.
    """

    begin: int
    size: int = 0x80
    codes: bytes = b""
    name: str = ""
    frame: tuple[int, int] = (0, 0)
    parent: int = 0


@dataclass
class Library:
    """An image; change what a test is about."""

    functions: list[Function] = field(default_factory=list)
    wide: bool = True
    size: int = 0x9000
    time: int = 0
    code: dict[int, bytes] = field(default_factory=dict)

    def build(self) -> bytes:
        """The file."""
        body = bytearray(0x2000)
        for place, content in self.code.items():
            body[place - START : place - START + len(content)] = content
        exports = self._exports(body)
        table = self._unwinding(body) if self.wide else (0, 0)
        return self._headers(exports, table) + bytes(body)

    def _put(self, body: bytearray, content: bytes) -> int:
        """Append; gives the address."""
        at = START + len(body)
        body += content + bytes(-len(content) % 4)
        return at

    def _exports(self, body: bytearray) -> tuple[int, int]:
        named = sorted((one for one in self.functions if one.name), key=lambda one: one.name)
        texts = [self._put(body, one.name.encode() + b"\0") for one in named]
        count = len(named)
        addresses = self._put(body, struct.pack(f"<{count}I", *(one.begin for one in named)))
        names = self._put(body, struct.pack(f"<{count}I", *texts))
        numbers = self._put(body, struct.pack(f"<{count}H", *range(count)))
        head = struct.pack("<20xIIIII", count, count, addresses, names, numbers)
        return self._put(body, head), len(head)

    def _unwinding(self, body: bytearray) -> tuple[int, int]:
        places: dict[int, int] = {}
        for one in sorted(self.functions, key=lambda one: bool(one.parent)):
            flags = 4 if one.parent else 0
            head = bytes([1 | flags << 3, 0, len(one.codes) // 2, one.frame[1] // 16 << 4 | one.frame[0]])
            tail = bytes(len(one.codes) // 2 % 2 * 2)
            places[one.begin] = START + len(body)
            if one.parent:
                first = next(other for other in self.functions if other.begin == one.parent)
                tail += struct.pack("<III", first.begin, first.begin + first.size, places[first.begin])
            self._put(body, head + one.codes + tail)
        rows = [
            struct.pack("<III", one.begin, one.begin + one.size, places[one.begin])
            for one in sorted(self.functions, key=lambda one: one.begin)
        ]
        return self._put(body, b"".join(rows)), 12 * len(rows)

    def _headers(self, exports: tuple[int, int], table: tuple[int, int]) -> bytes:
        optional = 112 + 16 * 8 if self.wide else 96 + 16 * 8
        found = bytearray(PLACE)
        found[:2] = b"MZ"
        struct.pack_into("<I", found, 0x3C, 0x40)
        struct.pack_into("<4sHHIIIH", found, 0x40, b"PE\0\0", 0x8664, 1, self.time, 0, 0, optional)
        struct.pack_into("<H", found, 0x58, 0x20B if self.wide else 0x10B)
        struct.pack_into("<I", found, 0x58 + 56, self.size)
        directories = 0x58 + (112 if self.wide else 96)
        struct.pack_into("<II", found, directories, *exports)
        struct.pack_into("<II", found, directories + 24, *table)
        struct.pack_into("<8sIIII", found, 0x58 + optional, b".all", 0x8000, START, 0x8000, PLACE)
        return bytes(found)
