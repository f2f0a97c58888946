"""What a mode means to dbghelp, and what is tried when that fails."""

from __future__ import annotations

import itertools

import pytest

from tray.capture import windows_flags
from tray.capture.windows_flags import ATTEMPTS, Ladder, flags
from tray.ffi import dbghelp as d
from tray.ffi.win32 import ERROR_INVALID_PARAMETER, ERROR_NOACCESS, ERROR_PARTIAL_COPY
from tray.model import Include
from tray.modes import MODES

MINI, HEAP, FULL, TRIAGE = 0x21964, 0x31B65, 0x21826, 0x1214A8
FILTERS = 0x100488
CRASHED = 0
AGAIN = (ERROR_PARTIAL_COPY, CRASHED)


@pytest.mark.parametrize(
    ("mode", "expected"), [("mini", MINI), ("heap", HEAP), ("full", FULL), ("triage", TRIAGE)]
)
def test_flags(mode: str, expected: int):
    """The numbers that the field knows; full is what WinDbg and ProcDump use."""
    assert flags(MODES[mode].include) == expected


def test_nothing_but_calls():
    """A dump for strangers: filtered, without handles, without what pointers lead to."""
    found = flags(Include.CALLS)
    assert found & d.MiniDumpFilterTriage
    assert found & d.MiniDumpFilterMemory
    assert not found & (d.MiniDumpWithHandleData | d.MiniDumpWithIndirectlyReferencedMemory)


def test_every_flag_has_its_reason():
    """No bit is set that nobody can explain."""
    tables = (windows_flags.ALWAYS, windows_flags.SHARED, windows_flags.STACKS, windows_flags.GLOBALS)
    for bit, why in (row for table in (*tables, windows_flags.HEAP, windows_flags.FULL) for row in table):
        assert bit.bit_count() == 1
        assert len(why) > 10


def rungs(ladder: Ladder, code: int) -> list[int]:
    """All that is tried when everything fails with this code."""
    tried = [ladder.flags]
    while ladder.down(code, "it failed"):
        tried.append(ladder.flags)
        assert len(tried) < 30, "a ladder must end"
    return tried


def test_a_failed_full_dump_becomes_smaller():
    """Without handles, then heap, then mini, then next to nothing."""
    assert rungs(Ladder(MODES["full"].include), ERROR_NOACCESS) == [
        FULL,
        FULL & ~d.MiniDumpWithHandleData,
        HEAP & ~d.MiniDumpWithHandleData,
        (MINI | d.MiniDumpWithDataSegs) & ~d.MiniDumpWithHandleData,
        d.MiniDumpNormal,
    ]


def test_each_step_is_a_gap():
    """Nobody takes a smaller dump for the whole."""
    ladder = Ladder(MODES["full"].include)
    tried = rungs(ladder, ERROR_NOACCESS)
    assert len(ladder.gaps) == len(tried) - 1
    assert [gap.what for gap in ladder.gaps][:3] == [
        "handles",
        "code and mapped files",
        "the app's own memory",
    ]
    assert {gap.why for gap in ladder.gaps} == {"it failed"}


@pytest.mark.parametrize("mode", MODES)
def test_an_old_dbghelp(mode: str):
    """Bits it does not know go first, the newest first; what remains is still that mode."""
    ladder = Ladder(MODES[mode].include)
    wanted = ladder.flags
    masks = [0xFFFFF, 0x1FFFF, 0x7FF] if mode == "triage" else [0x1FFFF, 0x7FF]
    for mask in masks:
        assert ladder.down(ERROR_INVALID_PARAMETER, "refused")
        assert ladder.flags == wanted & mask
    assert len(ladder.gaps) == len(masks)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", [ERROR_INVALID_PARAMETER, ERROR_NOACCESS, ERROR_PARTIAL_COPY, CRASHED])
def test_every_ladder_ends(mode: str, code: int):
    """Each rung but a repeated one has fewer bits or a smaller body, and the last has none but the filters."""
    tried = rungs(Ladder(MODES[mode].include), code)
    assert not tried[-1] & ~FILTERS
    assert all(later != earlier or code in AGAIN for earlier, later in itertools.pairwise(tried))


def test_a_triage_dump_never_grows_personal():
    """Whatever fails, the filters stay, or are named as refused."""
    ladder = Ladder(Include.CALLS)
    for tried in rungs(ladder, ERROR_NOACCESS):
        assert tried & d.MiniDumpFilterMemory


@pytest.mark.parametrize("code", AGAIN)
def test_memory_that_changes_underfoot_is_tried_again(code: int):
    """Five times, without a gap; dbghelp may also crash of it."""
    ladder = Ladder(MODES["mini"].include)
    for _ in range(ATTEMPTS - 1):
        assert ladder.down(code, "partly")
        assert (ladder.flags, ladder.gaps) == (MINI, [])
    assert ladder.down(code, "partly")
    assert ladder.flags != MINI


def test_without_the_right_to_list_handles():
    """They are not asked for, and missed."""
    ladder = Ladder(MODES["mini"].include, without_handles="no right")
    assert not ladder.flags & d.MiniDumpWithHandleData
    assert [gap.what for gap in ladder.gaps] == ["handles"]
