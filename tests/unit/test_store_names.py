"""Names of dumps: what a name is made of, and what can be read back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray.model import Target
from tray.store import names

TAKEN = datetime(2026, 11, 22, 19, 56, 5, 999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gimp-2.10", "gimp-2.10"),
        ("Web Content", "Web_Content"),
        ("a/b\\c:d", "a_b_c_d"),
        (".hidden", "hidden"),
        ("--force", "force"),
        ("Größe", "Gr_e"),
        ("\udcff\udcfe", "process"),
        ("日本語", "process"),
        ("", "process"),
        ("x" * 300, "x" * 64),
    ],
)
def test_only_safe_characters_reach_the_disk(name, expected):
    """A file name holds [A-Za-z0-9._-], is not hidden, no option, and not too long."""
    assert names.safe(name) == expected


def test_a_name_says_app_pid_local_time_and_mode():
    """The pattern is NAME_PID_YYYYMMDD-HHMMSS_MODE, in local time."""
    local = TAKEN.astimezone().strftime("%Y%m%d-%H%M%S")
    assert names.stem(Target(42, 1, "my app"), "mini", TAKEN) == f"my_app_42_{local}_mini"
    assert names.stem(Target(42, 1, "my app"), "mini", TAKEN, 2) == f"my_app_42_{local}_mini-2"


@given(name=st.text(max_size=80), pid=st.integers(0, 2**22), copy=st.integers(1, 999))
def test_what_a_name_holds_is_read_back(name, pid, copy):
    """Whatever an app is called, its dump's name is recognised as ours."""
    found = names.parse(names.stem(Target(pid, 1, name), "heap", TAKEN, copy))
    assert found == names.Stem(names.safe(name), pid, TAKEN.replace(microsecond=0), "heap")


@pytest.mark.parametrize("text", ["core.123", "holiday", "a_1_20261340-000000_mini", "a_1_20261122-195605"])
def test_strangers_are_not_ours(text):
    """A name that is not the whole pattern, with a real date, is not ours."""
    assert names.parse(text) is None


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("a_1_20261122-195605_mini.core.partial", True),
        ("a_1_20261122-195605_mini-3.json.partial", True),
        ("a_1_20261122-195605_mini.dmp.partial", True),
        ("a_1_20261122-195605_mini.core", False),
        ("a_1_20261122-195605_mini.zip.partial", False),
        ("a_1_20261122-195605_mini.partial", False),
        ("firefox-140.tar.xz.partial", False),
    ],
)
def test_partials_of_others_are_left_alone(name, ours):
    """Only our own pattern with our own endings is swept."""
    assert names.is_partial(name) is ours


@pytest.mark.parametrize(
    ("name", "sign"), [("a:b.dmp", ":"), ("a?.dmp", "?"), ("a b-ü.dmp", ""), ("a|b*.dmp", "|")]
)
def test_names_that_windows_cannot_have(name: str, sign: str):
    """With a colon the dump would be hidden within an empty file; other systems take them all."""
    assert names.unfit(name, "win32") == sign
    assert not names.unfit(name, "linux")
