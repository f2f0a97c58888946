"""A dump from a copy-on-write clone: the same content, and no sign of it in the app."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dumping
import judges
import pytest
from faults import alike, strangers
from programs import Program, read_line, state, status, wait_until

from tray.capture.linux import LinuxCapture
from tray.model import Window
from tray.modes import MODES, How

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]

ROUNDS = int(os.environ.get("HANGSHOT_ROUNDS", "100"))
"""How often a race is run; 1,000 in the proof that comes with a release."""
MOST = 0.9
"""Share of the rounds that must come to a clone; on a crowded machine a thread may be too slow to stop for one."""
HERE = Path(__file__).parent.parent
MIB = 1 << 20
UNTOLD = {"rounds", "sent", "received"}


def shots(program: Program, rounds: int, *words: str) -> dict[str, int]:
    """Take snapshots of a program, all in one process; how often each method came out."""
    command = [sys.executable, str(HERE / "storm.py"), str(program.pid), str(rounds), *words]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=580).stdout
    return json.loads(said)["methods"]


def signs(program: Program) -> dict[str, int]:
    """What targets/wary.c has seen that it should not have."""
    words = program.ask()[0].split()
    told = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    assert told["rounds"] > 0
    assert told["sent"] > 0
    return {name: count for name, count in told.items() if count and name not in UNTOLD}


def lost(program: Program) -> int:
    """Signals that targets/wary.c sent itself and that never came."""
    words = program.ask()[0].split()
    told = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    return told["sent"] - told["received"]


def test_nothing_of_it_is_seen(target) -> None:
    """Whichever thread is borrowed, busy or waiting, while threads, signals and children come and go."""
    program = target("wary", settle=False)
    assert shots(program, ROUNDS, "any").get("snapshot", 0) >= ROUNDS * MOST
    assert signs(program) == {}
    assert wait_until(lambda: lost(program) <= 1, "every signal") is True


@pytest.mark.parametrize("kind", ["futex", "timed", "nanosleep", "epoll", "read", "busy"])
def test_every_kind_of_thread_can_be_borrowed(target, kind: str) -> None:
    """The call that it was in goes on, in time, with its registers, its red zone and its signal mask."""
    program = target("wary", kind, settle=False)
    rounds = max(ROUNDS // 5, 20)
    assert shots(program, rounds, "any").get("snapshot", 0) >= rounds * MOST
    assert signs(program) == {}


def test_killed_at_any_request_it_leaves_nothing(target) -> None:
    """Killed before each single request: no register, mask or handler changed, no clone left, no zombie."""
    program = target("wary", settle=False)
    command = [sys.executable, str(HERE / "faults.py"), str(program.pid), "heap", "0", "0", "1", "snapshot"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=580).stdout
    runs = [json.loads(line) for line in said.splitlines()]
    assert len(runs) > 200
    assert "method" in runs[-1], "the last of them was not left alone"
    assert [run for run in runs if run["left"] or "crash" in run] == []
    # A call that the kernel does not restart may have ended early, and the process between been seen by
    # somebody who looked for such with __WALL: both only between a kill and the next instruction.
    assert signs(program).keys() <= {"outcomes", "hasty", "children"}


def test_each_request_may_fail(target) -> None:
    """Then it is stopped and copied, or a clear error; the thread that was borrowed finds home."""
    program = target("wary", settle=False)
    command = [
        sys.executable,
        str(HERE / "faults.py"),
        str(program.pid),
        "heap",
        str(errno.EIO),
        "0",
        "1",
        "snapshot",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=580).stdout
    runs = [json.loads(line) for line in said.splitlines()]
    assert [run for run in runs if run["left"] or "crash" in run] == []
    assert sum("could not be cloned" in run.get("method", "") for run in runs) > 50
    assert signs(program).keys() <= {"outcomes", "hasty", "children"}


def test_killed_at_random_moments(target, tmp_path: Path) -> None:
    """Killed at any of many moments it leaves a running target, no clone and no zombie."""
    program = target("big_heap", 64)
    before = alike(program.pid)
    chance = random.Random(20261123)
    dumps = tmp_path / "dumps"
    dumps.mkdir(mode=0o700)
    words = dumping.dump_command(program.pid, "heap", f"{dumps}/", "snapshot")
    began = time.monotonic()
    assert dumping.outcome(dumping.start(words, tmp_path)).last["method"] == "snapshot"
    usual = time.monotonic() - began
    cut = 0
    for _ in range(ROUNDS // 2):
        process = dumping.start(words, tmp_path)
        read_line(process.stdout)
        time.sleep(chance.uniform(0, usual * 0.4))
        process.kill()
        process.communicate()
        cut += process.returncode == -signal.SIGKILL
        program.assert_unharmed()
        for path in dumps.iterdir():
            path.unlink()
    assert strangers(program.pid, before) == []
    assert cut > ROUNDS // 10, "hardly any of them was killed in time"


def test_a_stop_meanwhile_holds(target) -> None:
    """A SIGSTOP at any moment is neither swallowed nor doubled, whether a thread is just borrowed or not."""
    program = target("threads")
    chance = random.Random(1)
    command = [sys.executable, str(HERE / "storm.py"), str(program.pid), str(ROUNDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as storm:
        while storm.poll() is None:
            time.sleep(chance.uniform(0, 0.004))
            os.kill(program.pid, signal.SIGSTOP)
            wait_until(lambda: state(program.pid) in "Tt", "the target stopped")
            time.sleep(chance.uniform(0, 0.02))
            os.kill(program.pid, signal.SIGCONT)
        assert storm.stdout is not None
        methods = json.loads(storm.stdout.read())["methods"]
    assert methods.get("snapshot", 0) > 0
    os.kill(program.pid, signal.SIGCONT)
    wait_until(lambda: all(state(program.pid, tid) == "S" for tid in program.tids), "every thread running")


def after_a_stop(program: Program, then: str) -> Iterator[tuple[int, int]]:
    """A SIGSTOP at every turn of the injection, and soon after it ``then``: turn, and how many requests after."""
    for turn in itertools.count():
        for later in (0, 2, 5):
            words = [sys.executable, str(HERE / "stops.py"), str(program.pid), str(turn), str(later), then]
            ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=dumping.LIMIT)
            if ended.stdout == "over\n":
                assert turn > 8, "the injection has fewer turns than it had"
                return
            assert ended.returncode == (-signal.SIGKILL if then == "KILL" else 0), ended.stderr
            yield turn, later


def test_a_stop_outlives_a_killed_worker(target) -> None:
    """A SIGSTOP that comes while a thread is borrowed holds, at whichever moment after it the worker is killed."""
    program = target("threads")
    for turn, later in after_a_stop(program, "KILL"):
        stopped = f"every thread stopped, turn {turn}, {later} requests on"
        wait_until(lambda: all(state(program.pid, tid) == "T" for tid in program.tids), stopped)
        os.kill(program.pid, signal.SIGCONT)
        program.settle()
        program.assert_unharmed()


def test_a_stop_that_is_taken_back_is_over(target) -> None:
    """A SIGSTOP and a SIGCONT while a thread is borrowed leave a running target, as they would without us."""
    program = target("threads")
    for _ in after_a_stop(program, "CONT"):
        program.assert_unharmed()


def test_what_a_clone_lacks_is_there(target, tmp_path: Path) -> None:
    """Memory that is kept from children or wiped in them, and shared memory, as it was."""
    program = target("apart")
    outcome = dumping.dump(program.pid, "heap", tmp_path, "snapshot")
    assert outcome.last["method"] == "snapshot"
    assert outcome.gaps() == ""
    for address, byte in zip(program.words, (b"\x11", b"\x22", b"\x33"), strict=True):
        assert judges.stored(outcome.core, int(address, 16), 4 * MIB) == byte * (4 * MIB)


def test_much_shared_memory_is_read_later_and_that_is_said(target, tmp_path: Path) -> None:
    """It would cost the pause that the clone saves."""
    program = target("apart", 32)
    outcome = dumping.dump(program.pid, "heap", tmp_path, "snapshot")
    assert outcome.last["method"] == "snapshot"
    assert "36 MiB: shared memory, read while the app ran on" in outcome.gaps()
    assert judges.stored(outcome.core, int(program.words[2], 16), 36 * MIB) == b"\x33" * (36 * MIB)


def clone_of(program: Program, before: Iterable[int]) -> int:
    """The clone that is being read now; 0 if there is none. It is marked as the first to go when memory runs short."""
    for pid in alike(program.pid).keys() - set(before):
        try:
            if Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n":
                return pid
        except OSError:  # the process between, which has just ended
            continue
    return 0


def test_the_clone_holds_nothing_open(target, tmp_path: Path) -> None:
    """Neither files nor a child of the target's: what the target closes is closed, and it can wait for all its own."""
    program = target("big_heap", 1024)
    before = set(alike(program.pid))
    process = dumping.start(
        dumping.dump_command(program.pid, "heap", tmp_path / "x.core", "snapshot"), tmp_path
    )
    clone = wait_until(lambda: clone_of(program, before) or process.poll() is not None, "the clone")
    assert list(Path(f"/proc/{clone}/fd").iterdir()) == []
    assert status(clone)["PPid"] != str(program.pid)
    wait_until(lambda: state(program.pid) == "S", "the target running while its clone is read")
    assert Path(f"/proc/{clone}").exists()
    assert dumping.outcome(process).last["method"] == "snapshot"
    assert strangers(program.pid, dict.fromkeys(before, "")) == []


def test_the_clone_may_be_killed(target, tmp_path: Path) -> None:
    """By somebody who is out of memory: a clear error, and the target runs."""
    program = target("big_heap", 512)
    before = set(alike(program.pid))
    process = dumping.start(
        dumping.dump_command(program.pid, "heap", tmp_path / "x.core", "snapshot"), tmp_path
    )
    clone = wait_until(lambda: clone_of(program, before) or process.poll() is not None, "the clone")
    os.kill(int(clone), signal.SIGKILL)
    assert dumping.outcome(process).error() == "CaptureFailed"
    program.assert_unharmed()


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("seccomp", "it filters its system calls (seccomp)"),
        ("userfault", "it handles its own page faults (userfaultfd)"),
        ("subreaper", "orphans among its descendants become its children"),
        ("vfork", "not all of its threads could be stopped"),
        ("changed", "it protects itself from being looked into"),
    ],
)
def test_it_is_stopped_and_copied_where_a_clone_could_hurt(
    target, tmp_path: Path, rule: str, why: str
) -> None:
    """And the sidecar says why."""
    program = target("guarded_calls", rule, settle=False)
    if "impossible" in program.words:
        pytest.skip(f"{rule} is not for this user")
    outcome = dumping.dump(program.pid, "heap", tmp_path, "snapshot")
    assert outcome.last["method"] == f"stop and copy ({why})"
    program.assert_unharmed()


@pytest.fixture
def huge_pages() -> Iterator[None]:
    """Two pages in the system's pool of huge ones that nobody uses, for the time of a test."""
    pool, free = Path("/proc/sys/vm/nr_hugepages"), "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
    before = int(pool.read_text())
    try:
        pool.write_text(f"{before + 2 - int(Path(free).read_text())}")
    except OSError as error:
        pytest.skip(f"the pool of huge pages cannot be changed ({error.strerror})")
    yield
    pool.write_text(str(before))


@pytest.mark.usefixtures("huge_pages")
def test_huge_pages_of_the_pool(target, tmp_path: Path) -> None:
    """They are in a dump; of a clone too the pool has none, and SIGBUS would end an app that writes to its own."""
    for kind, method in (
        ("shared", "snapshot"),
        ("own", "stop and copy (it has memory of its own in the system's pool of huge pages (hugetlbfs))"),
    ):
        program = target("huge_pages", kind)
        if "impossible" in program.words:
            pytest.skip("the system has no huge pages to spare")
        outcome = dumping.dump(program.pid, "heap", tmp_path, "snapshot")
        assert outcome.last["method"] == method
        assert outcome.gaps() == ""
        assert judges.stored(outcome.core, int(program.words[0], 16), 4 * MIB) == b"\x77" * (4 * MIB)
        program.assert_unharmed()
        program.end()
        program.expect_dead = True


def test_a_stopped_app_is_not_cloned(target, tmp_path: Path) -> None:
    """It has nothing to be disturbed in, and stays stopped."""
    program = target("threads")
    os.kill(program.pid, signal.SIGSTOP)
    wait_until(lambda: all(state(program.pid, tid) == "T" for tid in program.tids), "every thread stopped")
    outcome = dumping.dump(program.pid, "heap", tmp_path, "snapshot")
    assert outcome.last["method"] == "stop and copy (it is stopped)"
    assert {state(program.pid, tid) for tid in program.tids} == {"T"}
    os.kill(program.pid, signal.SIGCONT)
    wait_until(lambda: state(program.pid) == "S", "the target running")


def test_a_process_limit_is_respected(target, tmp_path: Path) -> None:
    """An app that may hardly have another process is not given one."""
    program = target("threads")
    resource.prlimit(program.pid, resource.RLIMIT_NPROC, (5, 5))
    outcome = dumping.dump(program.pid, "heap", tmp_path, "snapshot")
    assert outcome.last["method"] == "stop and copy (the limit of processes is near)"


@pytest.mark.parametrize(
    ("name", "arguments", "method"),
    [
        ("big_heap", (64,), "snapshot"),
        ("many_threads", (250,), "snapshot"),
        ("threads", (), "stop and copy"),
    ],
)
def test_auto_clones_what_would_stand_still_for_long(
    target, tmp_path: Path, name: str, arguments: tuple[int, ...], method: str
) -> None:
    """And stops and copies what is copied in a moment."""
    outcome = dumping.dump(target(name, *arguments).pid, "heap", tmp_path, "auto")
    assert outcome.last["method"] == method


def test_auto_does_not_clone_what_hangs(target, tmp_path: Path) -> None:
    """There is nothing to disturb, so nothing is borrowed."""
    program = target("big_heap", 64)
    window = Window(program.pid, "", hung=True)
    with (tmp_path / "core").open("w+b") as file:
        capture = LinuxCapture()
        found = capture.target(program.pid, window=window)
        captured = capture.write(found, MODES["heap"], file, lambda done, total: False)
    assert captured.method == "stop and copy"


@pytest.mark.parametrize(("mebibytes", "nice"), [(4, 0), (256, 10)])
def test_much_is_copied_behind_all_others(target, tmp_path: Path, mebibytes: int, nice: int) -> None:
    """A little is done before anyone minds."""
    seen: set[int] = set()

    def progress(done: int, total: int) -> bool:
        tasks = Path("/proc/self/task").iterdir()
        seen.update(os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks)
        return False

    with (tmp_path / "core").open("w+b") as file:
        capture = LinuxCapture(How.SNAPSHOT)
        captured = capture.write(
            capture.target(target("big_heap", mebibytes).pid), MODES["heap"], file, progress
        )
    assert captured.method == "snapshot"
    assert max(seen) == nice


def smaps(pid: int, field: str) -> int:
    """A field of smaps_rollup, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.findall(rf"^{field}: +(\d+) kB$", text, re.MULTILINE)[0]) * 1024


def test_nothing_grows(target, tmp_path: Path) -> None:
    """Not a prefork worker's own memory, which it shares with its parent, nor its page tables."""
    program = target("prefork")
    private, tables = smaps(program.pid, "Private_Dirty"), status(program.pid)["VmPTE"]
    shared = smaps(program.pid, "Shared_Dirty")
    for _ in range(3):
        assert dumping.dump(program.pid, "heap", tmp_path, "snapshot").last["method"] == "snapshot"
    # The clone is another that shares; it is gone once its tables are taken down.
    wait_until(lambda: abs(smaps(program.pid, "Private_Dirty") - private) <= 16 * 4096, "as much of its own")
    assert abs(smaps(program.pid, "Shared_Dirty") - shared) <= 16 * 4096
    assert status(program.pid)["VmPTE"] == tables


def test_mini_is_stopped_and_copied(target, tmp_path: Path) -> None:
    """It takes no longer than a clone would."""
    outcome = dumping.dump(target("threads").pid, "mini", tmp_path, "snapshot")
    assert outcome.last["method"] == "stop and copy"


def test_the_pause_is_short(target, tmp_path: Path) -> None:
    """Half of what stopping and copying takes at the very most, also on a crowded machine."""
    program = target("big_heap", 512)
    frozen = {
        how: min(dumping.dump(program.pid, "heap", tmp_path, how).last["frozen_seconds"] for _ in range(3))
        for how in ("stop", "snapshot")
    }
    assert frozen["snapshot"] < frozen["stop"] / 2, frozen
