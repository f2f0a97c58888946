"""Damaged minidumps by the thousand, which take too long for the unit tests."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import synth_minidump as synth
from damage import battered, looked_at, mutations

if TYPE_CHECKING:
    from pathlib import Path


def test_ten_thousand(tmp_path: Path) -> None:
    """A report, or a clear error, of a 64-bit and a 32-bit program; never anything else."""
    usual = {"exception": (71, 0xC0000005, synth.CODE, 1, 0), "names": {70: "main", 71: "worker"}}
    narrow = {70: synth.context_32(), 71: synth.context_32(sp=synth.STACK + 64)}
    wide = synth.build(synth.Process.usual(full=True, **usual))
    narrow = synth.build(synth.Process.usual(architecture=0, threads=narrow, **usual))
    path, clear = tmp_path / "dmp", 0
    for source, seed in ((wide, 72), (narrow, 73)):
        for content in chain(mutations(source, 4000, seed), battered(source, 1000, seed)):
            path.write_bytes(content)
            clear += not looked_at(path)
    assert 1000 < clear < 9000, "the damage was too small or too great to tell anything"
