"""ELF's common parts: headers, notes, build ids."""

from __future__ import annotations

import struct

import pytest
import synth
from hypothesis import given
from hypothesis import strategies as st

from tray.errors import BadDump
from tray.formats import elf

owners = st.sampled_from(["CORE", "LINUX", "GNU", ""])
listed = st.lists(st.tuples(owners, st.integers(0, 2**32 - 1), st.binary(max_size=40)), max_size=6)


@given(listed)
def test_notes_survive(written):
    """What is packed is found again, whatever the lengths."""
    assert list(elf.notes(b"".join(elf.note(*one) for one in written))) == written


@pytest.mark.parametrize("length", range(9))
def test_notes_are_padded_to_four(length: int):
    """Owner and payload each; the sizes in the header are without the padding."""
    packed = elf.note("LINUX", 2, b"x" * length)
    assert len(packed) == 12 + 8 + length + -length % 4
    assert elf.NOTE.unpack_from(packed) == (6, length, 2)


def test_a_last_note_needs_no_padding():
    """Some writers leave it out."""
    assert list(elf.notes(elf.note("CORE", 1, b"abcde")[:-3])) == [("CORE", 1, b"abcde")]


def test_a_note_that_runs_past_its_block():
    """Is damage, not an empty note."""
    with pytest.raises(BadDump):
        list(elf.notes(elf.note("CORE", 1, bytes(100))[:-1]))


@pytest.mark.parametrize(("count", "field"), [(1, 1), (65534, 65534), (65535, 65535), (70_000, 65535)])
def test_the_number_of_headers(count: int, field: int):
    """From 65,535 on it stands in section 0, right behind the program headers."""
    head, section = elf.header(count), elf.many(count)
    fields = elf.HEADER.unpack(head)
    assert (fields[5], fields[10]) == (len(head), field)
    if field == elf.PN_XNUM:
        assert (fields[6], fields[11], fields[12]) == (64 + 56 * count, 64, 1)
        assert elf.SECTION.unpack(section)[7] == count
    else:
        assert (fields[6], fields[12], section) == (0, 0, b"")


def test_a_cut_off_program_header_is_left_out():
    """The whole ones are given."""
    packed = elf.Program(1, 4, 0, 0, 0, 0).pack()
    assert len(list(elf.programs(packed + packed[:-1]))) == 1


@pytest.mark.parametrize("base", [0, 0x400000, 0x7F0000000000])
def test_build_id(base: int):
    """It is found by its place in the file, so also in a program that is not relocated."""
    assert elf.build_id(synth.image("c3" * 20, base)) == "c3" * 20


def test_no_build_id():
    """What is no module, or has none, has an empty one."""
    whole = synth.image()
    other_size = bytearray(whole)
    struct.pack_into("<H", other_size, 54, 55)
    without = bytearray(whole)
    struct.pack_into("<I", without, 64 + 56, elf.PT_LOAD)
    for image in (b"", b"\x7fELF", bytes(4096), bytes(other_size), bytes(without)):
        assert elf.build_id(image) == ""


def test_a_note_that_makes_no_sense_hides_only_itself():
    """A module whose notes are damaged, or others, has no build id."""
    damaged, foreign = bytearray(synth.image()), bytearray(synth.image())
    struct.pack_into("<I", damaged, 64 + 2 * 56, 0xFFFFFFFF)
    struct.pack_into("<I", foreign, 64 + 2 * 56 + 8, 1)
    assert elf.build_id(bytes(damaged)) == elf.build_id(bytes(foreign)) == ""
