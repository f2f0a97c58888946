"""What is read after a dump is done: functions in the verdict, a report beside it, and never a dump lost by it."""

from __future__ import annotations

import json
import queue
import re
import resource
import signal
import stat
from typing import TYPE_CHECKING

import dumping
import pytest
from programs import read_line

from tray import worker

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]

RING = "Deadlock: a ↔ b, both in lock()"
"""Begins the sentence; on a slow machine it also says for how long."""
SECONDS = {"threads": 2.0, "many_threads": 10.0}
"""How long why may take to be told, for 10 threads and for 500."""


def test_dump_says_in_which_functions(target, tmp_path: Path) -> None:
    """The path is on standard output; sentence, report and sidecar say where the threads are."""
    program = target("waits", "ring2")
    process = dumping.start(dumping.command("dump", program.pid, "--output", f"{tmp_path}/"), tmp_path)
    said, talk = process.communicate(timeout=dumping.LIMIT)
    assert process.returncode == 0, talk
    [path] = tmp_path.glob("*.core")
    report, sidecar = path.with_suffix(".txt"), path.with_suffix(".json")
    assert said == f"{path}\n"
    assert re.search(rf"  {re.escape(RING)}.*\.\n  Report: {report}\n", talk)
    assert json.loads(sidecar.read_text())["verdict"]["sentence"].startswith(RING)
    assert [wait["function"] for wait in json.loads(sidecar.read_text())["verdict"]["chain"]] == [
        "lock()"
    ] * 2
    assert RING in report.read_text()
    assert str(tmp_path) not in report.read_text(), "paths tell about people"
    assert stat.S_IMODE(report.stat().st_mode) == stat.S_IMODE(sidecar.stat().st_mode) == 0o600


def test_programs_get_the_dump_alone(target, tmp_path: Path) -> None:
    """``--json`` waits for nothing; ``explain`` tells the rest, and can be asked again."""
    core = dumping.dump(target("waits", "ring2").pid, "mini", tmp_path).core
    assert not core.with_suffix(".txt").exists()
    for _ in range(2):
        told = dumping.outcome(dumping.start(dumping.command("explain", core, "--json"), tmp_path)).last
        assert told["event"] == "explained"
        assert told["verdict"]["sentence"].startswith(RING)
        assert told["report"] == str(core.with_suffix(".txt"))
    process = dumping.start(dumping.command("explain", core), tmp_path)
    said, talk = process.communicate(timeout=dumping.LIMIT)
    assert process.returncode == 0, talk
    assert said.startswith(RING)


def test_the_tray_is_told(target, tmp_path: Path) -> None:
    """By a process of its own; of what is no dump nothing is told."""
    core = dumping.dump(target("waits", "ring2").pid, "mini", tmp_path).core
    told: queue.SimpleQueue[worker.Event] = queue.SimpleQueue()
    worker.explain(str(tmp_path / "none.core"), told.put)
    worker.explain(str(core), told.put)
    assert told.get(timeout=dumping.LIMIT)["verdict"]["sentence"].startswith(RING)
    assert told.empty()


def test_ctrl_c_after_the_dump(target, tmp_path: Path) -> None:
    """Costs only what was still to be read."""
    program = target("many_threads")
    process = dumping.start(dumping.command("dump", program.pid, "--output", f"{tmp_path}/"), tmp_path)
    path = read_line(process.stdout)
    assert read_line(process.stderr).startswith("Dumped many_threads (")
    assert read_line(process.stderr).startswith("  Nothing wrong seen: "), "why it hangs is told at once"
    process.send_signal(signal.SIGINT)
    _, talk = process.communicate(timeout=dumping.LIMIT)
    assert process.returncode == 0, talk
    assert re.fullmatch(r"  There is no report, for you stopped it.*\n|(  .*\n)?  Report: .*\n", talk)
    assert [file.suffix for file in sorted(tmp_path.glob("many_threads*"))][:2] == [".core", ".json"]
    assert dumping.outcome(dumping.start(dumping.command("explain", path, "--json"), tmp_path)).code == 0


@pytest.mark.parametrize("name", SECONDS)
def test_it_takes_little_time(target, name: str, tmp_path: Path) -> None:
    """In time of a processor, for other programs may use it too; the best of three."""
    core = dumping.dump(target(name).pid, "mini", tmp_path).core
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert dumping.outcome(dumping.start(dumping.command("explain", core, "--json"), tmp_path)).code == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < SECONDS[name], took
