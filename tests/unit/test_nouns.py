"""The nouns: values, modes and errors."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from itertools import pairwise
from pathlib import Path

import pytest
import synth

from tray import errors
from tray.model import Include, Region
from tray.modes import MODES


def test_modes_grow():
    """Each keeps what the smaller ones keep, and more; they come in that order, but the one for others."""
    assert list(MODES) == ["mini", "heap", "full", "triage"]
    kept = [MODES[name].include for name in ("triage", "mini", "heap", "full")]
    assert all(less in more and less != more for less, more in pairwise(kept))
    assert all(one in kept[-1] for one in vars(Include).values() if isinstance(one, Include))


def test_modes_say_what_they_are_good_for():
    """In one short line, for the menu and the command line."""
    for name, mode in MODES.items():
        assert mode.name == name
        assert 0 < len(mode.help) < 60


def test_sizes_and_names():
    """What follows from the fields."""
    assert Region(0x1000, 0x3000).size == 0x2000
    assert synth.dump(Path("/dumps/app.core")).sidecar == Path("/dumps/app.json")


def test_values_are_frozen():
    """They are passed between threads."""
    with pytest.raises(FrozenInstanceError):
        Region(0, 1).start = 2


def family(base: type = errors.TrayError) -> list[type[errors.TrayError]]:
    """An error class and all that derive from it."""
    return [base, *(one for child in base.__subclasses__() for one in family(child))]


@pytest.mark.parametrize("error", family())
def test_errors(error: type[errors.TrayError]):
    """Each has a title, an exit code that means failure, and may carry a better hint."""
    made, hinted = error("It broke."), error("It broke.", hint="Mend it.")
    assert made.title
    assert 0 < made.exit_code < 256
    assert (str(made), made.hint) == ("It broke.", error.hint)
    assert hinted.event() == {
        "schema": 1,
        "event": "error",
        "error": error.__name__,
        "title": made.title,
        "message": "It broke.",
        "hint": "Mend it.",
        "exit_code": made.exit_code,
    }


def test_a_mistake_in_the_settings_has_a_line():
    """Where it can be told."""
    assert errors.BadSettings("Wrong.", line=7).line == 7
    assert errors.BadSettings("Wrong.").line is None
