"""Dump ↔ JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray.model import Dump, Gap, Target, Thread, Trigger, Window
from tray.store import as_json, from_json, sidecar, streamed

whole = st.integers(0, 2**64)
seconds = st.floats(0, 1e6, allow_nan=False)
# Names and titles come from the system: anything but NUL, also lone surrogates for foreign bytes.
words = st.text(st.characters(exclude_characters="\0"), max_size=20)
paths = st.builds(lambda name: Path("/opt/x" + name.translate(dict.fromkeys(b"/\\:", "_"))), words)
windows = st.builds(Window, whole, words, st.sampled_from([True, False, None]), st.none() | whole)
targets = st.builds(Target, whole, whole, words, st.none() | paths, st.none() | windows)
dumps = st.builds(
    Dump,
    id=words,
    path=paths,
    format=st.sampled_from(["elf-core", "minidump"]),
    mode=words,
    trigger=st.sampled_from([*Trigger]),
    target=targets,
    taken=st.datetimes(timezones=st.just(UTC)),
    seconds=seconds,
    frozen=seconds,
    method=words,
    size=whole,
    allocated=whole,
    threads=st.lists(st.builds(Thread, whole, words, words, words), max_size=3).map(tuple),
    gaps=st.lists(st.builds(Gap, words, words, whole), max_size=3).map(tuple),
    version=words,
    system=words,
)

PLAIN = Dump(
    id="app_42_20261122-195605_mini",
    path=Path("/dumps/app_42_20261122-195605_mini.core"),
    format="elf-core",
    mode="mini",
    trigger=Trigger.HOTKEY,
    target=Target(42, 7, "app", Path("/usr/bin/app"), Window(42, "A title", hung=True)),
    taken=datetime(2026, 11, 22, 19, 56, 5, tzinfo=UTC),
    seconds=1.5,
    frozen=0.25,
    method="stop and copy",
    size=4096,
    allocated=4096,
    threads=(Thread(42, "app", "S", "futex_wait"),),
    gaps=(Gap("7f00-8000 /dev/dri/card0", "device memory", 256),),
    version="0.1.0",
    system="Linux",
)


@given(dumps)
def test_a_dump_survives_its_json(dump):
    """from_json(as_json(d)) is d, also through text."""
    assert from_json(json.loads(json.dumps(as_json(dump))), dump.path) == dump


@given(dumps)
def test_a_dump_survives_its_sidecar(dump):
    """What is written beside a dump gives the same dump back."""
    assert sidecar.read(sidecar.text(dump).encode(), dump.path) == dump


@given(dumps)
def test_a_sidecar_has_a_line_for_each_field_and_each_row(dump):
    """Whatever is in a name: it is read and searched line by line."""
    lines = sidecar.text(dump).splitlines()
    rows = [len(dump.gaps), len(dump.threads)]
    assert lines[0] == "{"
    assert lines[-1] == "}"
    assert len(lines) == 2 + len(as_json(dump)) + sum(count + 1 for count in rows if count)
    assert [json.loads(line.rstrip(",")) for line in lines if line.startswith("  ")] == [
        *as_json(dump)["gaps"],
        *as_json(dump)["threads"],
    ]


@pytest.mark.parametrize("name", ["x", "}, {", '"}, {"'])
def test_a_crowd_is_written_thread_by_thread(name):
    """No more than a few rows are made before those before them are written; a name that looks like two rows is one."""
    made = []
    rows = (made.append(tid) or json.dumps({"tid": tid, "name": name}) for tid in range(5000))
    blocks = streamed.blocks(streamed.pieces({"schema": 1, "threads": rows, "none": iter(())}))
    before = b""
    for block in blocks:
        assert len(block) < 40_000
        before += block
        assert len(made) < before.count(b"tid") + 1000
    first = before[: before.index(b"\n")]
    assert json.loads(first)["none"] == []
    assert [row["tid"] for row in json.loads(first)["threads"]] == [*range(5000)]


def test_what_is_known_last_stands_last():
    """All before it can be written while the dump is still on its way to the disk."""
    later = replace(PLAIN, seconds=9.0, size=8192, allocated=512, target=replace(PLAIN.target, window=None))
    assert [*sidecar.most(PLAIN)] == [*sidecar.most(later)]
    assert sidecar.read(b"".join(sidecar.most(PLAIN)) + sidecar.rest(later), PLAIN.path) == later


def test_a_sidecar_moves_with_its_dump():
    """It holds no folder, so it can be moved and mailed; the path is where it is found."""
    text = sidecar.text(PLAIN)
    assert '"path": "app_42_20261122-195605_mini.core"' in text
    assert "/dumps" not in text
    moved = Path("/elsewhere/app.core")
    assert sidecar.read(text.encode(), moved).path == moved


def test_the_event_has_the_field_names_of_the_contract():
    """Names of the dumped event: they are an interface."""
    found = as_json(PLAIN)
    assert found["frozen_seconds"] == 0.25
    assert found["sidecar"] == str(Path("/dumps/app_42_20261122-195605_mini.json"))
    program = str(Path("/usr/bin/app"))
    assert found["target"] == {"pid": 42, "started": 7, "name": "app", "executable": program}
    assert found["gaps"] == [{"what": "7f00-8000 /dev/dri/card0", "why": "device memory", "size": 256}]
    thread = {"tid": 42, "name": "app", "state": "S", "waits_in": "futex_wait", "waits_on": "", "busy": None}
    assert found["threads"] == [{**thread, "other_end": "", "back": 0, "slept": None}]
    assert found["window"] == {"pid": 42, "title": "A title", "hung": True, "thread": None}


@pytest.mark.parametrize(
    "change",
    [
        {"trigger": "boredom"},
        {"taken": "yesterday"},
        {"taken": "2026-11-22T19:56:05"},
        {"size": "big"},
        {"size": True},
        {"seconds": None},
        {"seconds": 10**400},
        {"mode": 7},
        {"target": None},
        {"target": {"pid": 1}},
        {"window": {"pid": 1, "title": "", "hung": "yes", "thread": None}},
        {"threads": 5},
        {"gaps": [None]},
        {"schema": 2},
    ],
)
def test_a_damaged_sidecar_is_a_value_error(change):
    """Any wrong field is one kind of error, so that a listing can go on."""
    mapping = {"schema": 1, **as_json(PLAIN), **change}
    with pytest.raises(ValueError, match=r"."):
        sidecar.read(json.dumps(mapping).encode(), PLAIN.path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"{}"])
def test_rubbish_is_a_value_error(content):
    """Bytes that are no sidecar are told apart, however odd."""
    with pytest.raises(ValueError, match=r"."):
        sidecar.read(content, PLAIN.path)


def test_a_whole_number_of_seconds_is_a_number():
    """JSON writers may drop the point of 2.0."""
    assert from_json({**as_json(PLAIN), "seconds": 2}, PLAIN.path).seconds == 2.0


def test_times_with_other_zones_are_read():
    """A time is aware, whatever its zone."""
    found = from_json({**as_json(PLAIN), "taken": "2026-11-22T20:56:05+01:00"}, PLAIN.path)
    assert found.taken == PLAIN.taken
    assert found.taken.astimezone(timezone.utc).hour == 19  # noqa: UP017


def test_a_name_alone_tells_most():
    """Without a sidecar a dump is still listed: app, pid, mode, time."""
    found = sidecar.from_name(PLAIN.path, 5, 6)
    assert found is not None
    assert (found.target.name, found.target.pid, found.mode) == ("app", 42, "mini")
    assert (found.format, found.size, found.allocated) == ("elf-core", 5, 6)
    assert sidecar.from_name(Path("/x/holiday.core"), 1, 1) is None
