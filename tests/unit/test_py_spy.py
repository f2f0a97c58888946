"""What py-spy tells, as it told it of real programs, and where it is taken from."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from tray.model import Frame, Stack, Trust
from tray.reports import py_spy, python_calls

if TYPE_CHECKING:
    from pathlib import Path

APP, LIB, DLL = r"C:\app\store.py", r"C:\Python\Lib\threading.py", r"C:\Python\python313.dll"


def frame(name: str, line: int, *, file: str = APP, entry: bool = False, shim: bool = False) -> dict:
    """A call as py-spy 0.4.3 prints it."""
    return {
        "name": name,
        "filename": file,
        "module": None,
        "short_filename": file.rpartition("\\")[2],
        "line": line,
        "locals": None,
        "is_entry": entry,
        "is_shim_entry": shim,
    }


def thread(tid: int, *frames: dict) -> dict:
    """A thread as py-spy 0.4.3 prints it."""
    return {
        "pid": 236,
        "thread_id": tid,
        "thread_name": "MainThread",
        "os_thread_id": tid,
        "active": True,
        "owns_gil": False,
        "frames": list(frames),
        "process_info": None,
    }


# The same program under three versions: sorted() calls a lambda that calls inner().
RECORDED = {
    "3.10": thread(
        240,
        frame("inner", 7, entry=True),
        frame("<lambda>", 5, entry=True),
        frame("save", 5, entry=True),
        frame("<module>", 13, entry=True, shim=True),
    ),
    "3.11": thread(
        240,
        frame("inner", 7),
        frame("Store.save.<locals>.<lambda>", 5, entry=True),
        frame("Store.save", 5),
        frame("<module>", 13, entry=True, shim=True),
    ),
    "3.13": thread(
        240,
        frame("inner", 7),
        frame("Store.save.<locals>.<lambda>", 5, shim=True),
        frame("Store.save", 5),
        frame("<module>", 13, shim=True),
    ),
}
SLEEP, SORT, MAIN = Frame(1, "Sleep", r"C:\Windows\kernel32.dll"), Frame(2, "", DLL), Frame(3, "Py_Main", DLL)
LOOP, STEP = Frame(4, "PyEval_EvalFrameDefault", DLL), Frame(5, "PyObject_Vectorcall", DLL)


@pytest.mark.parametrize("version", RECORDED)
def test_calls_take_the_place_of_their_loops(version: str) -> None:
    """One run of the loop serves one call until 3.10, and several since; each version marks its ends differently."""
    [stack] = py_spy.understood(json.dumps([RECORDED[version]]).encode())
    assert stack.tid == 240
    assert stack.frames[0] == Frame(
        0, "inner", file=APP, line=7, inlined=version != "3.10", trust=Trust.INTERPRETER
    )
    loops = (LOOP, STEP, LOOP, SORT, LOOP, STEP, LOOP) if version == "3.10" else (LOOP, STEP, SORT, LOOP)
    [found] = python_calls.merged([Stack(240, (SLEEP, *loops, MAIN))], [stack])
    names = [one.function.rpartition(".")[2] for one in found.frames]
    assert names == ["Sleep", "inner", "<lambda>", "save", "<module>", "Py_Main"]


def test_nonsense() -> None:
    """What is no thread or no call is left out, and the rest is kept."""
    good = thread(7, frame("f", 3))
    old = {**thread(8, frame("g", -1)), "os_thread_id": None}
    bad = [None, {}, {"frames": 3}, thread(9), thread(10, {"name": "x"}), [1]]
    found = py_spy.understood(json.dumps([*bad, good, old]).encode())
    assert [(one.tid, one.frames[0].line) for one in found] == [(7, 3), (8, 0)]
    for said in (b"", b"{}", b"[", b"3", b"\xff", b"[" * 100_000):
        assert py_spy.understood(said) == ()


@pytest.mark.parametrize("name", ["python310.dll", "PYTHON313t.DLL", "python311_d.dll", "python3.dll"])
def test_interpreters_of_windows(name: str) -> None:
    """They are known in every build."""
    assert python_calls._MODULE.fullmatch(name)
    assert not python_calls._MODULE.fullmatch("python.exe")  # that only starts one


def test_only_the_one_that_came_with_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A py-spy on the PATH may be anybody's."""
    (tmp_path / py_spy.NAME).write_bytes(b"MZ")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(metadata, "files", lambda _: None)
    assert py_spy.place() is None
    assert py_spy.of_process(1) == ((), "py-spy is not installed")
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert py_spy.place() == tmp_path / py_spy.NAME
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / "none"))
    assert py_spy.place() is None


def test_where_pip_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own list of files tells."""
    found = py_spy.place()
    if sys.platform == "win32" and sys.maxsize > 1 << 32:
        assert found
        assert found.name == py_spy.NAME

    def none(_: str) -> list:
        raise metadata.PackageNotFoundError("py-spy")

    monkeypatch.setattr(metadata, "files", none)
    assert py_spy.place() is None
