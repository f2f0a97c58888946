"""What a report tells about a person, left out; and the short report, word for word."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import synth

from tray.model import Frame, Gap, Module, Region, Report, Stack, Target, Thread, Window
from tray.reports import advice, brief, own, redact, render

HOME = Path("/home/anna bell/dumps/app.core")
"""With a space in it, as no regular expression expects."""
APP = "/home/anna bell/My Apps/app"
SECRETS = ("anna", "bell", "My Apps", "letter", "--password", "hunter2", "Dear Bob", "/")

GOLDEN = """\
app (70) on Linux, 2026-11-22 19:56 UTC, Hangshot 0.1.0

2 threads

  app (70)  S in poll
    #0  save at save.c:12 (app)
    …   nothing tells who called this

  worker (71)  S
    #0  app+0x20

  Without debug info: app.

app  a1a1a1a1a1a1a1a1

The dump has 1 gap."""


def report(**fields: object) -> Report:
    """A report that is full of what nobody else should read."""
    snapshot = synth.snapshot(
        synth.thread(70),
        synth.thread(71),
        name="app",
        arguments=f"{APP} --password hunter2",
        uid=1000,
        gid=1000,
        mappings=(
            Region(0x1000, 0x2000, path=APP),
            Region(0x5000, 0x6000, path="/home/anna bell/letter to Bob.odt"),
        ),
    )
    threads = (
        Thread(70, "app", "S", "poll", waits_on="/home/anna bell/my letter.txt"),
        Thread(71, "worker", "S"),
    )
    target = Target(70, 7, "app", Path(APP), Window(70, "Dear Bob", hung=True))
    gaps = (Gap("5000-6000 /home/anna bell/letter to Bob.odt", "gone"),)
    dump = synth.dump(HOME, threads=threads, target=target, gaps=gaps)
    frame = Frame(0x1010, "save", APP, 0x10, "/home/anna bell/src/save.c", 12)
    stacks = (
        Stack(70, (frame,), "nothing tells who called this"),
        Stack(71, (Frame(0x1020, "", APP, 0x20),)),
    )
    usual = {
        "modules": (Module(APP, 0x1000, 0x2000, synth.APP_ID), Module("/lib/unused.so", 0x9000, 0xA000)),
        "dump": dump,
        "stacks": stacks,
        "lacks": ("Without debug info: app.",),
    }
    return Report(HOME, 4096, 4096, snapshot, **{**usual, **fields})


def hidden(text: str, **fields: object) -> str:
    """A text about that report, redacted."""
    return redact.words(report(**fields), "anna")(text)


@pytest.mark.parametrize("write", [render.text, brief.text, render.as_json])
def test_nothing_private_is_left(write):
    """Neither as text nor as JSON; who reads it still knows the program, its state and its calls."""
    one = report()
    told = json.dumps(redact.values(write(redact.redacted(one)), redact.words(one, "anna")))
    assert [secret for secret in SECRETS if secret in told] == []
    for word in ("app", "save", "save.c", "poll", "worker"):
        assert word in told


def test_json_stays_json():
    """Numbers, lists and names of fields are as they were."""
    told = {"a": [1, None, True, "/home/anna/x"], "b": {"c": "text"}, "d": ("/x/y",)}
    assert redact.values(told, hidden) == {
        "a": [1, None, True, redact.LEFT_OUT],
        "b": {"c": "text"},
        "d": [redact.LEFT_OUT],
    }


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("at /usr/src/main.c:12", f"at {redact.LEFT_OUT}:12"),
        (f"file {APP} is here", "file app is here"),
        (f"{HOME} is damaged", "app.core is damaged"),
        ("~/notes and /", f"{redact.LEFT_OUT} and /"),
        ("reads from '/tmp/x'", f"reads from '{redact.LEFT_OUT}'"),
        ("operator/(int) in ./nptl/x.c, 4/5 or a/b", "operator/(int) in ./nptl/x.c, 4/5 or a/b"),
        (r"in C:\Users\bob\x.dll, and \\server\share\x.", f"in {redact.LEFT_OUT}, and {redact.LEFT_OUT}"),
        (r"no \path", r"no \path"),
        *(
            (f"or set DEBUGINFOD_URLS={url}. Its", f"or set DEBUGINFOD_URLS={url}. Its")
            for url in advice.SERVERS.values()
        ),
        ("https://debuginfod.debian.net/anna", f"https:/{redact.LEFT_OUT}"),
        ("/debuginfod.a.b", redact.LEFT_OUT),
        ("anna and annabel", f"{redact.LEFT_OUT} and annabel"),
        ("", ""),
    ],
)
def test_words(text: str, left: str):
    """Paths go, but for the names of modules; users' names go as whole words."""
    assert hidden(text) == left


@pytest.mark.parametrize(
    ("file", "left"),
    [
        ("/home/anna bell/src/save.c", "save.c"),
        ("/home/anna bell/gcc/include/c++/12/bits/std_mutex.h", "/include/c++/std_mutex.h"),
        ("/home/anna bell/lib/python3.11/threading.py", "/lib/python3.11/threading.py"),
        ("/home/anna bell/lib/python3.11/site-packages/app.py", "app.py"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
        ("save.c", "save.c"),
    ],
)
def test_folders_of_sources(file: str, left: str):
    """Go, but for what tells a call to be the language's own: the verdict must not change by it."""
    frame = Frame(1, "save", APP, 1, file, 12)
    one = report(stacks=(Stack(70, (frame,)),))
    [found] = redact.redacted(one).stacks[0].frames
    assert found.file == left
    assert own.is_own(found) is own.is_own(frame)
    assert redact.words(one)(f"at {found.file}:12") == f"at {file.rpartition('/')[2]}:12"


def test_paths_of_windows():
    """Are told apart from names just as well."""
    path = r"C:\Users\Anna Bell\My Apps\app.exe"
    hide = redact.words(report(modules=(Module(path, 0x1000, 0x2000),)))
    assert hide(f"{path} belongs to Anna Bell") == f"app.exe belongs to {redact.LEFT_OUT}"


@pytest.mark.parametrize("user", ["", "root", "al"])
def test_names_that_hide_nobody(user: str):
    """Short ones and root's are parts of too many words."""
    bare = replace(report(dump=None), path=Path("/dumps/app.core"))
    bare = replace(bare, snapshot=replace(bare.snapshot, mappings=()), modules=())
    assert redact.words(bare, user)("root al calls") == "root al calls"


def test_without_a_window_or_sidecar():
    """There is nothing to leave out."""
    assert redact.redacted(report(dump=None)).dump is None
    dump = synth.dump(HOME)
    assert redact.redacted(report(dump=dump)).dump == dump


def test_the_short_report():
    """Verdict, stacks, and the build ids of modules on them."""
    assert brief.text(redact.redacted(report())) == GOLDEN


def test_the_short_report_stays_short():
    """However many threads there are and however deep they are."""
    stacks = tuple(
        Stack(tid, tuple(Frame(tid * 1000 + n, "f" * 30) for n in range(200))) for tid in range(500)
    )
    snapshot = synth.snapshot(*(synth.thread(tid) for tid in range(500)))
    text = brief.text(replace(report(), snapshot=snapshot, stacks=stacks))
    assert len(text) < 30_000
    assert "… and 488 more threads of 488 kinds" in text


def test_the_short_report_stays_short_in_any_language():
    """C++ has names of thousands of letters; issue trackers take 65,536 for all."""
    deep = tuple(Frame(n, "std::map<int, " * 500, APP, n, "x.h", 1) for n in range(100))
    stacks = tuple(Stack(tid, deep[tid:]) for tid in range(50))
    snapshot = synth.snapshot(*(synth.thread(tid) for tid in range(50)))
    text = brief.text(replace(report(), snapshot=snapshot, stacks=stacks))
    assert len(text) < 60_000
    assert "std::map<int, std::map<int" in text


def test_the_short_report_of_a_damaged_dump():
    """Says so at its end."""
    text = brief.text(report(dump=None, missing=4096, stacks=(), lacks=()))
    assert text.startswith("app (70)\n\n2 threads\n")
    assert text.endswith("\n\nThe dump is damaged: 4.1 kB are missing.")
