"""Whatever is done to a dump, the target runs on as if nothing had been."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import dumping
import pytest
from programs import Program, read_line, state, wait_until

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]

MODES = ["mini", "heap", "full"]
WAYS = [*((mode, "stop") for mode in MODES), ("heap", "snapshot"), ("full", "snapshot")]
"""Each mode, and how memory is read for it."""
METHODS = {"stop": "stop and copy", "snapshot": "snapshot"}
FAULTS = Path(__file__).parent.parent / "faults.py"


def counts(program: Program) -> dict[str, tuple[int, int]]:
    """How often each call of targets/eintr.c ended with EINTR, and otherwise."""
    rows = [line.split() for line in program.ask() if line.startswith("count ")]
    return {name: (int(interrupted), int(other)) for _, name, interrupted, other in rows}


@pytest.mark.parametrize(("mode", "how"), WAYS)
def test_no_call_is_interrupted(target, tmp_path: Path, mode: str, how: str) -> None:
    """No blocking call returns that would not have returned, neither with EINTR nor otherwise."""
    program = target("eintr")
    before = counts(program)
    assert set(before.values()) == {(0, 0)}
    for _ in range(3):
        outcome = dumping.dump(program.pid, mode, tmp_path, how)
        assert outcome.core
        assert outcome.last["method"] == METHODS[how]
        program.settle()
    after = counts(program)
    assert {name: seen for name, seen in after.items() if seen != (0, 0)} == {}


@pytest.mark.parametrize(("mode", "how"), WAYS)
def test_every_signal_arrives_once(target, tmp_path: Path, mode: str, how: str) -> None:
    """At a thousand signals a second none is lost or made, and there is no SIGCHLD."""
    program = target("signals", settle=False)
    for _ in range(3):
        assert dumping.dump(program.pid, mode, tmp_path, how).core
    [answer] = program.ask()
    sent, received, stray = (int(number) for number in re.findall(r"\d+", answer))
    assert sent > 100
    assert received == sent
    assert stray == 0


@pytest.mark.parametrize("mode", MODES)
def test_stopped_target_stays_stopped(target, tmp_path: Path, mode: str) -> None:
    """A process stopped by SIGSTOP can be dumped, stays stopped, and goes on with SIGCONT."""
    program = target("threads")
    os.kill(program.pid, signal.SIGSTOP)
    wait_until(lambda: all(state(program.pid, tid) == "T" for tid in program.tids), "every thread stopped")
    program.remember()
    outcome = dumping.dump(program.pid, mode, tmp_path)
    assert outcome.core.stat().st_size
    program.assert_unharmed()
    time.sleep(0.05)
    assert {state(program.pid, tid) for tid in program.tids} == {"T"}
    os.kill(program.pid, signal.SIGCONT)
    wait_until(
        lambda: all(state(program.pid, tid) == "S" for tid in program.tids), "every thread running again"
    )
    program.remember()


def test_stop_during_a_dump_holds(target, tmp_path: Path) -> None:
    """A SIGSTOP that comes while the target is dumped is not swallowed."""
    program = target("big_heap", 256)
    process = dumping.start(dumping.dump_command(program.pid, "heap", tmp_path / "x.core"), tmp_path)
    wait_until(lambda: state(program.pid) == "t" or process.poll() is not None, "the target frozen")
    os.kill(program.pid, signal.SIGSTOP)
    assert dumping.outcome(process).core
    wait_until(lambda: state(program.pid) == "T", "the target stopped")
    os.kill(program.pid, signal.SIGCONT)
    wait_until(lambda: state(program.pid) == "S", "the target running")


def test_kill_during_a_dump_kills(target, tmp_path: Path) -> None:
    """A target that is killed while it is dumped dies, and the dump ends without a hang or a half file."""
    program = target("big_heap", 256)
    process = dumping.start(dumping.dump_command(program.pid, "heap", tmp_path / "x.core"), tmp_path)
    wait_until(lambda: state(program.pid) == "t" or process.poll() is not None, "the target frozen")
    program.expect_dead = True
    os.kill(program.pid, signal.SIGKILL)
    outcome = dumping.outcome(process)
    assert program.process.wait(10) == -signal.SIGKILL
    if outcome.last["event"] == "error":
        assert outcome.error() == "TargetGone"
        assert leftovers(tmp_path) == []


@pytest.mark.parametrize(("mode", "how"), WAYS)
def test_threads_that_come_and_go(target, tmp_path: Path, mode: str, how: str) -> None:
    """A process that starts and ends threads all the time is dumped, and goes on doing so."""
    program = target("restless", settle=False)
    for _ in range(5):
        assert dumping.dump(program.pid, mode, tmp_path, how).core
        first, second = (int(program.ask()[0].split()[1]) for _ in range(2))
        wait_until(lambda then=second: int(program.ask()[0].split()[1]) > then, "threads that end")
        assert second >= first


@pytest.mark.parametrize(("mode", "how"), WAYS)
def test_busy_threads_go_on(target, tmp_path: Path, mode: str, how: str) -> None:
    """Threads that never sleep are dumped and run on."""
    program = target("busy", settle=False)
    assert dumping.dump(program.pid, mode, tmp_path, how).core
    program.assert_unharmed()
    assert [state(program.pid, tid) for tid in program.tids].count("R") == 2


def leftovers(folder: Path) -> list[str]:
    """Dumps, whole or not, and sidecars in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_killed_worker_does_no_harm(target, tmp_path: Path) -> None:
    """Killed at any of 200 moments, the worker leaves a running target and at most a ``.partial``."""
    program = target("threads")
    chance = random.Random(20261122)
    dumps = tmp_path / "dumps"
    dumps.mkdir(mode=0o700)
    began = time.monotonic()
    assert dumping.outcome(start_into(dumps, program, tmp_path)).core
    usual = time.monotonic() - began
    cut = 0
    for _ in range(200):
        process = start_into(dumps, program, tmp_path)
        time.sleep(chance.uniform(usual * 0.3, usual * 1.05))
        process.kill()
        process.communicate()
        program.assert_unharmed()
        cut += process.returncode == -signal.SIGKILL
    assert cut > 20, "hardly any of them was killed in time"
    assert all(re.fullmatch(r".*\.(core|json)(\.partial)?", name) for name in leftovers(dumps))
    for name in leftovers(dumps):
        if name.endswith(".json"):
            json.loads((dumps / name).read_text())


KILLED_AT_A_SIGNAL = """
import os, signal, sys, tempfile
from tray.capture.linux import LinuxCapture
from tray.ffi.linux import Kernel
from tray.modes import MODES, How

class Late(Kernel):
    def interrupt(self, tid):
        if tid == int(sys.argv[1]):
            os.kill(tid, signal.SIGUSR1)
            while "t (tracing stop)" not in self.text(f"/proc/{tid}/status"):
                pass
        super().interrupt(tid)

    def regset(self, tid, kind):
        os.kill(os.getpid(), signal.SIGKILL)

capture = LinuxCapture(How.STOP, Late())
capture.write(capture.target(int(sys.argv[1])), MODES["mini"], tempfile.TemporaryFile(), lambda done, total: False)
"""


def test_a_killed_worker_takes_no_signal_along(target) -> None:
    """A thread that was stopped at the very moment of a signal gets it, though nobody is left to give it."""
    program = target("signals", settle=False)
    words = [sys.executable, "-c", KILLED_AT_A_SIGNAL, str(program.pid)]
    killed = subprocess.run(words, check=False, timeout=dumping.LIMIT, cwd=FAULTS.parent.parent)
    assert killed.returncode == -signal.SIGKILL
    [answer] = program.ask()
    sent, received, stray = (int(number) for number in re.findall(r"\d+", answer))
    assert (received, stray) == (sent, 1)


def start_into(folder: Path, program: Program, home: Path) -> subprocess.Popen[str]:
    """Start a dump into a folder that serves as a store."""
    return dumping.start(dumping.dump_command(program.pid, "heap", f"{folder}/"), home)


def test_next_dump_removes_what_a_killed_one_left(target, tmp_path: Path) -> None:
    """The ``.partial`` of a killed worker is gone after the next dump into the same folder."""
    program = target("big_heap", 256)
    dumps = tmp_path / "dumps"
    dumps.mkdir(mode=0o700)
    process = start_into(dumps, program, tmp_path)
    wait_until(lambda: state(program.pid) == "t" or process.poll() is not None, "the target frozen")
    process.kill()
    process.communicate()
    program.assert_unharmed()
    assert any(name.endswith(".partial") for name in leftovers(dumps))
    core = dumping.outcome(start_into(dumps, program, tmp_path)).core
    assert leftovers(dumps) == sorted([core.name, core.with_suffix(".json").name])


@pytest.mark.parametrize("moment", ["early", "frozen"])
def test_ctrl_c_leaves_nothing_behind(target, tmp_path: Path, moment: str) -> None:
    """Ctrl+C during a dump: no file, exit code 130, and the target runs."""
    program = target("big_heap", 512)
    dumps = tmp_path / "dumps"
    dumps.mkdir(mode=0o700)
    process = start_into(dumps, program, tmp_path)
    if moment == "early":
        read_line(process.stdout)
    else:
        wait_until(lambda: state(program.pid) == "t" or process.poll() is not None, "the target frozen")
    process.send_signal(signal.SIGINT)
    outcome = dumping.outcome(process)
    assert outcome.code == 130
    assert outcome.error() == "Cancelled"
    assert leftovers(dumps) == []
    program.assert_unharmed()


def test_ctrl_c_at_any_moment(target, tmp_path: Path) -> None:
    """At any of 60 moments it leaves a running target, and a whole dump or nothing."""
    program = target("threads")
    chance = random.Random(20261123)
    dumps = tmp_path / "dumps"
    dumps.mkdir(mode=0o700)
    seen = set()
    for _ in range(60):
        process = start_into(dumps, program, tmp_path)
        read_line(process.stdout)
        time.sleep(chance.uniform(0, 0.06))
        process.send_signal(signal.SIGINT)
        outcome = dumping.outcome(process)
        told = next(line["event"] for line in outcome.lines if line["event"] in {"dumped", "error"})
        seen.add(told)
        assert [Path(name).suffix for name in leftovers(dumps)] == [".core", ".json"] * (told == "dumped")
        for name in leftovers(dumps):
            (dumps / name).unlink()
        program.assert_unharmed()
    assert "error" in seen, "none of them came in time"


def test_full_disk_leaves_nothing_behind(target, tmp_path: Path) -> None:
    """A write that fails in the middle removes the partial, says so, and the target runs."""
    program = target("big_heap", 64)
    dumps = tmp_path / "dumps"
    dumps.mkdir(mode=0o700)
    words = ["sh", "-c", 'ulimit -f 20480; exec "$@"', "sh"]  # 10 or 20 MiB, as the shell counts
    process = dumping.start([*words, *dumping.dump_command(program.pid, "heap", f"{dumps}/")], tmp_path)
    outcome = dumping.outcome(process)
    assert outcome.error()
    assert leftovers(dumps) == []


def faulty(programs: list[Program], mode: str, error: int) -> list[dict[str, object]]:
    """What came of a capture for each of its requests that failed: the targets share the work."""
    lanes = []
    for first, program in enumerate(programs):
        words = [
            sys.executable,
            str(FAULTS),
            str(program.pid),
            mode,
            str(error),
            str(first),
            str(len(programs)),
        ]
        lanes.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
    said = "".join(lane.communicate(timeout=300)[0] for lane in lanes)
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.parametrize(
    ("mode", "error"),
    [("mini", "EPERM"), ("mini", "ESRCH"), ("mini", "EINTR"), ("full", "EIO"), ("full", "ENOMEM")],
)
def test_each_request_may_fail(target, mode: str, error: str) -> None:
    """Each request to the kernel fails once: a dump with gaps or a clear error, and no harm."""
    programs = [target("deadlock"), target("deadlock")]
    runs = faulty(programs, mode, getattr(errno, error))
    assert len(runs) > 60
    assert [run for run in runs if "crash" in run or run["left"]] == []
    for run in runs:
        if "error" in run:
            assert run["message"], run
        elif "gaps" in run and run["threads"] < 4 and error != "ESRCH":  # which says that a thread ended
            assert run["gaps"], f"a thread is missing, and nobody says so: {run}"
    unhurt = [run for run in runs if run["failed"] is None]
    assert [(run["threads"], run["gaps"]) for run in unhurt] == [(4, [])] * 2
