"""Windows' libraries: names of functions, and how calls are taken back."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synth_pe import RBX, RDI, Function, Library, alloc, push, save

from tray.formats import pe
from tray.formats.pe import Step

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = [
    Function(0x1100, 0x20, name="ZwWait"),
    Function(0x1120, 0x20, name="NtWait"),
    Function(0x1200, 0x100, alloc(0x28), name="Enter"),
    Function(0x1400, 0x100, alloc(0x20) + push(RBX)),
    Function(0x1600, 0x40, save(RDI, 0x40) + alloc(0x1000), parent=0x1200),
    Function(0x1700, 0x40, alloc(0x100000), frame=(5, 0x20)),
]


def image(**fields: object) -> pe.Image:
    """The library with `WHOLE`."""
    return pe.Image(Library(WHOLE, **fields).build())


def test_what_it_is() -> None:
    """Time stamp and size tell versions apart."""
    found = image(time=77, size=0x5000)
    assert (found.time, found.size, found.wide) == (77, 0x5000, True)
    assert not image(wide=False).wide


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (0x1100, "NtWait"),  # of a system call's two names the public one
        (0x1133, "NtWait"),
        (0x1250, "Enter"),
        (0x1450, ""),  # no export begins where this function does
        (0x1610, "Enter"),  # another piece of it
        (0x1050, ""),
        (0x1308, ""),  # between two functions, far from the beginning of the first
        (0x5000, ""),
    ],
)
def test_names(address: int, name: str) -> None:
    """A name is told only for what is certainly in that function."""
    assert image().name(address) == name


@pytest.mark.parametrize(
    ("address", "name"), [(0x1210, "Enter"), (0x13FF, "Enter"), (0x1400, ""), (0x1050, "")]
)
def test_names_without_tables(address: int, name: str) -> None:
    """On x86 the nearest name counts, if it is near."""
    assert image(wide=False).name(address) == name


@pytest.mark.parametrize(
    ("address", "steps"),
    [
        (0x1110, []),
        (0x1210, [Step(grown=0x28)]),
        (0x1410, [Step(grown=0x20), Step(register=RBX)]),
        (0x1610, [Step(register=RDI, at=0x40), Step(grown=0x1000), Step(grown=0x28)]),
        (0x1710, [Step(grown=0x100000)]),
        (0x1390, None),
        (0x7000, None),
    ],
)
def test_steps(address: int, steps: list[Step] | None) -> None:
    """What a prologue did; a further piece did what the first did too."""
    assert image().steps(address) == steps


def test_frame_register() -> None:
    """The prologue's own word says where the frame's base is."""
    code = bytes([0, 3])
    library = Library([Function(0x1100, 0x40, code + push(5), frame=(5, 0x30))])
    assert pe.Image(library.build()).steps(0x1110) == [Step(base=(5, 0x30)), Step(register=5)]


def test_what_is_no_call() -> None:
    """A machine frame, as an interrupt leaves, ends the walk."""
    library = Library([Function(0x1100, 0x40, bytes([0, 10]))])
    assert pe.Image(library.build()).steps(0x1110) is None


def test_chains_that_never_end() -> None:
    """A piece that continues itself tells nothing."""
    found = pe.Image(Library([Function(0x1180, 0x40, parent=0x1180)]).build())
    assert found.function(0x1190) is found.steps(0x1190) is None
    assert found.name(0x1190) == ""


def test_parts_outside_of_the_file() -> None:
    """Tables that lead nowhere tell nothing; nor do they where a place beyond 2 GiB is no number for C."""
    content = bytearray(Library(WHOLE).build())
    directories = 0x58 + 112
    for directory in (directories, directories + 24):
        broken = bytearray(content)
        struct.pack_into("<I", broken, directory, 0x7FFF0000)
        found = pe.Image(bytes(broken))
        assert (found.name(0x1210), found.steps(0x1210)) in [("", [Step(grown=0x28)]), ("Enter", None)]
    section = content.index(b".all")  # its size, address, size in the file and place in it
    struct.pack_into("<IIII", content, section + 8, 1 << 31, 0x1000, 1 << 31, 0xFFFF0000)
    found = pe.Image(bytes(content))
    assert (found.name(0x1210), found.steps(0x1210)) == ("", None)


@pytest.mark.parametrize(
    "content",
    [b"", b"MZ", b"\x7fELF" + bytes(1000), b"MZ" + bytes(1000), b"MZ" + bytes(58) + b"\xff" * 1000],
)
def test_what_is_no_library(content: bytes) -> None:
    """It is refused."""
    with pytest.raises(ValueError, match="no Windows program"):
        pe.Image(content)


@given(st.data())
def test_damage(data: st.DataObject) -> None:
    """Damaged tables give less, and never an error; so does a file that is cut off."""
    content = bytearray(Library(WHOLE).build())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0x150, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0x180, len(content)))
    found = pe.Image(bytes(content[:end]))
    for address in (0x1110, 0x1210, 0x1410, 0x1610, 0x9000):
        found.name(address)
        found.steps(address)


def test_code() -> None:
    """As the file has it."""
    found = image(code={0x1112: b"\x0f\x05"})
    assert found.code(0x1112, 2) == b"\x0f\x05"
    assert found.code(0x70000, 2) == b""


def test_read(tmp_path: Path) -> None:
    """A file, which is given back."""
    path = tmp_path / "a.dll"
    path.write_bytes(Library(WHOLE).build())
    with pe.read(path) as found:
        assert found.name(0x1210) == "Enter"
    path.unlink()
    with pytest.raises(OSError, match="dll"):
        pe.read(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"."):
        pe.read(path)
