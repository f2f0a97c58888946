"""Mutexes, by the list of handles that Microsoft's dbghelp writes; 64 bit only, for only that one can be answered.

The 32-bit dbghelp finds the kernel's functions by itself, so nobody can answer in Wine's place;
what it would write is in ``tests/unit/test_minidump_handles.py``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from windows_answers import why
from windows_why import MODES_TO_TRY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", MODES_TO_TRY)
def test_mutexes_by_the_dumps_own_list(program, tmp_path: Path, mode: str) -> None:
    """Their owners are in what dbghelp writes of the handles, of the very moment: a ring of them is proven."""
    target = program("waits", "named-ring", os.getpid(), bits=64)
    a, b = (int(word) for word in target.words[1:3])
    owners = {f"hangshot-{os.getpid()}-{number}": (target.pid, tid) for number, tid in enumerate((a, b))}
    told = why(target, tmp_path / "a.dmp", mode, owners)
    assert told["verdict"]["sentence"] == "Deadlock: a ↔ b"
    assert [(wait["owner"], wait["sure"]) for wait in told["verdict"]["chain"]] == [(b, True), (a, True)]
    free = why(target, tmp_path / "b.dmp", mode, {})
    assert free["verdict"]["sentence"] == "Nothing wrong seen: main sleeps"
    assert {wait["does"] for wait in free["waits"] if wait["tid"] in (a, b)} == {
        f"waits for a mutex ({name})" for name in owners
    }


def test_a_mutex_of_another_process(program, tmp_path: Path) -> None:
    """Who holds it is told, by program and process id."""
    other = program("waits", "holds-named", os.getpid(), bits=64)
    target = program("waits", "wants-named", os.getpid(), bits=64)
    owners = {f"hangshot-{os.getpid()}-0": (other.pid, int(other.words[0]))}
    said = why(target, tmp_path / "a.dmp", "mini", owners)["verdict"]
    expected = f"Waiting outside: main waits for a mutex held by process ({other.pid})"
    assert (said["sentence"], said["certain"]) == (expected, True)
