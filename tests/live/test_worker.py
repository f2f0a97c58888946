"""The worker process, with small programs standing in for the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from programs import wait_until

from tray import worker
from tray.capture import started
from tray.commands import orders
from tray.errors import CaptureFailed
from tray.worker import Worker

LOUD = """
import json, sys
def say(event, **fields): print(json.dumps({"schema": 1, "event": event, **fields}), flush=True)
"""


class Heard:
    """The events of one worker."""

    def __init__(self) -> None:
        self.events: list[dict] = []
        self.ended = threading.Event()

    def __call__(self, event: dict) -> None:
        assert not self.ended.is_set(), "an event after the last one"
        self.events.append(event)
        if event["event"] in worker.LAST:
            self.ended.set()

    def last(self) -> dict:
        """The last event, once it is there."""
        assert self.ended.wait(20), self.events
        return self.events[-1]

    def wait_for(self, event: str) -> None:
        """Wait until this event was told."""
        wait_until(lambda: any(one["event"] == event for one in self.events), event)


def start(program: str, **settings) -> tuple[Worker, Heard]:
    """A worker that runs this Python program."""
    heard = Heard()
    return Worker(heard, words=[sys.executable, "-c", LOUD + program], **settings), heard


def test_tells_what_it_hears() -> None:
    """Every event comes in order, the last one after the process has ended."""
    one, heard = start("""
request = json.loads(sys.stdin.readline())
say("started", target=request)
say("progress", done=1, total=1)
say("dumped", path="/x")
""")
    one.ask({"pid": 7, "window": {"title": "Zoë"}})
    assert heard.last()["path"] == "/x"
    assert [event["event"] for event in heard.events] == ["started", "progress", "dumped"]
    assert heard.events[0]["target"] == {"pid": 7, "window": {"title": "Zoë"}}
    with pytest.raises(ProcessLookupError):
        os.kill(one.pid, 0)


def test_start_does_not_wait(expected_warnings) -> None:
    """A worker that is slow to start keeps nobody waiting."""
    before = time.monotonic()
    one, heard = start("import time; time.sleep(60)")
    one.ask({})
    assert time.monotonic() - before < 5
    one.kill()
    heard.last()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise MemoryError('no room')", "The worker ended with code 1: MemoryError: no room."),
        ("pass", "The worker ended with code 0: it did not say why."),
        ("import os; os.kill(os.getpid(), 9)", "The worker was ended by SIGKILL."),
        ("say('started')", "The worker ended with code 0: it did not say why."),
    ],
)
def test_death_without_a_word(program: str, said: str, expected_warnings) -> None:
    """A worker that dies without a last line is told as a failure, with its own last words."""
    _, heard = start(program)
    assert (heard.last()["error"], heard.last()["message"]) == ("CaptureFailed", said)


def test_death_before_the_request(expected_warnings) -> None:
    """Asking a worker that has died is no error of its own."""
    one, heard = start("sys.exit(3)")
    heard.last()
    one.ask({"pid": 7})
    one.cancel()
    assert heard.last()["error"] == "CaptureFailed"


def test_bad_lines(expected_warnings) -> None:
    """Lines that are no events are passed over, and logged."""
    _, heard = start("""
print("hello")
print("[1]")
print("{")
print(json.dumps({"event": 3}))
print("\\udcff".encode("utf-8", "surrogateescape"), flush=True)
say("dumped")
""")
    assert heard.last()["event"] == "dumped"
    assert len(heard.events) == 1
    assert len(expected_warnings.messages) == 5


def test_cancel() -> None:
    """Cancel interrupts it; what it says about that is the last event."""
    one, heard = start("""
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell runs in the background
try:
    say("started")
    while True: time.sleep(0.01)  # one long wait could begin just after the interrupt came
except KeyboardInterrupt:
    say("error", error="Cancelled", exit_code=130)
""")
    heard.wait_for("started")
    one.cancel()
    assert heard.last()["error"] == "Cancelled"


def test_cancel_without_a_word(expected_warnings) -> None:
    """A worker that just dies of the interrupt was cancelled too."""
    one, heard = start("import signal; signal.signal(2, signal.SIG_DFL); say('started'); sys.stdin.read()")
    heard.wait_for("started")
    one.cancel()
    assert heard.last()["error"] == "Cancelled"


def test_cancel_of_a_deaf_worker(monkeypatch: pytest.MonkeyPatch, expected_warnings) -> None:
    """A worker that does not stop is ended."""
    monkeypatch.setattr(worker, "GRACE", 0.1)
    one, heard = start("""
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
say("started")
while True: say("progress", done=1, total=2); signal.sigtimedwait([], 0.01)
""")
    heard.wait_for("started")
    one.cancel()
    assert heard.last()["error"] == "Cancelled"


def test_stuck_worker(expected_warnings) -> None:
    """A worker that says nothing any more is ended, which lets its target go."""
    one, heard = start("sys.stdin.readline(); say('started'); import time; time.sleep(600)", silence=1)
    one.ask({})
    assert heard.last()["message"] == "The worker said nothing for 1 seconds and was ended."


def test_worker_that_does_not_end(expected_warnings, monkeypatch) -> None:
    """Nobody waits for one that even its death does not end; here, another program keeps its output open."""
    monkeypatch.setattr(worker, "GRACE", 0.2)
    lasting = "import subprocess; subprocess.Popen([sys.executable, '-c', 'input(); input()'])"
    for cancelled in (False, True):
        one, heard = start(f"{lasting}; say('started'); import time; time.sleep(600)", silence=0.5)
        heard.wait_for("started")
        one.ask({"pinged": True})
        if cancelled:
            one.cancel()
        said = heard.last()["message"]
        expected = "The dump was cancelled." if cancelled else "the system cannot end it."
        assert said.endswith(expected)
        one.answered(hung=False)  # the one that it waits for
        wait_until(lambda one=one: one._stderr.closed, "the end of it all")


def test_unasked_worker_may_wait() -> None:
    """Before it is asked, a worker's silence means nothing."""
    one, heard = start("say('dumped', got=json.loads(sys.stdin.readline()))", silence=0.5)
    assert not heard.ended.wait(1)
    one.ask({"pid": 7})
    assert heard.last()["got"] == {"pid": 7}


def test_no_such_program() -> None:
    """What cannot be started is said at once."""
    with pytest.raises(CaptureFailed, match="could not be started: No such file"):
        Worker(Heard(), words=["/nowhere/hangshot"])


def test_orphan_ends_in_silence() -> None:
    """When the tray dies before it has asked, the worker finds its input closed and ends."""
    script = """
import sys
from tray.worker import Worker
print(Worker(print, words=[sys.executable, "-c", "import sys; sys.exit(not sys.stdin.readline())"]).pid)
sys.stdout.flush()
import os; os._exit(0)
"""
    tray = worker.spawn([sys.executable, "-c", script])
    pid = int(tray.communicate(timeout=20)[0])
    wait_until(lambda: not _runs(pid), "the worker's end")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return stat.rsplit(")", 1)[1].split()[0] != "Z"  # an orphan may wait for its reaper


def test_ctrl_c_does_not_reach_it() -> None:
    """A worker is in a session of its own, so Ctrl+C in our terminal ends only us."""
    one, heard = start("import os; say('dumped', session=os.getsid(0))")
    assert heard.last()["session"] == one.pid != os.getsid(0)


def test_command_is_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is this very program: by this interpreter, or the console program beside a frozen one."""
    assert worker.command("dump") == [sys.executable, "-m", "tray", "dump"]
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", "/opt/hangshot/hangshot-tray")
    assert worker.command("dump") == ["/opt/hangshot/hangshot", "dump"]


def test_one_that_waits_is_told_to_later() -> None:
    """A worker made without a listener tells everything to the one that comes."""
    heard = Heard()
    one = Worker(words=[sys.executable, "-c", LOUD + "say('dumped', got=json.loads(sys.stdin.readline()))"])
    assert one.alive
    one.tell(heard)
    one.ask({"pid": 7})
    assert heard.last()["got"] == {"pid": 7}
    wait_until(lambda: not one.alive, "its end")


def test_one_that_died_waiting_is_told_at_once(expected_warnings) -> None:
    """Whoever comes to listen after its end hears of it all the same."""
    heard = Heard()
    one = Worker(words=[sys.executable, "-c", "raise SystemExit(3)"])
    wait_until(lambda: one._unheard, "its end")
    assert not one.alive
    one.tell(heard)
    assert heard.last()["error"] == "CaptureFailed"


def test_dismissed_in_silence() -> None:
    """A worker that was never needed ends without a word and without a warning."""
    one, heard = start("sys.stdin.read()")
    one.dismiss()
    wait_until(lambda: one._ended, "its end")
    assert not heard.events


LATE = """
import os, sys
from tray import cli
read, before = os.read, set()
def listen(descriptor, size):
    if descriptor == 0 and not before:
        before.update(sys.modules)
    return read(descriptor, size)
os.read = listen
code = cli.main(["dump", "--json", "--request"])
print("late:", sorted(name for name in set(sys.modules) - before if name.startswith("tray")))
sys.exit(code)
"""


def request(pid: int, folder: Path, mode: str, *, pinged: bool = False) -> dict:
    """A request as the tray writes it."""
    window = {"pid": pid, "title": "", "hung": None, "thread": None}
    asked = {"pid": pid, "started": started(pid), "mode": mode, "trigger": "hotkey", "folder": str(folder)}
    retention = {"count": 5, "days": 30, "size": 1 << 30}
    return {**asked, "retention": retention, "window": window, "pinged": pinged}


@pytest.mark.linux
@pytest.mark.ptrace
def test_our_own_waits_with_everything_imported(target, tmp_path: Path) -> None:
    """The real worker has all our modules before it reads its request: none is imported while a key waits."""
    done = subprocess.run(
        [sys.executable, "-c", LATE], input=json.dumps(request(target("threads").pid, tmp_path, "heap")),
        capture_output=True, text=True, check=False, timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "late: []"


@pytest.mark.linux
@pytest.mark.ptrace
@pytest.mark.parametrize(
    ("answer", "hung", "method"),
    [
        (False, False, "snapshot"),
        (None, None, "snapshot"),
        ("none", True, "stop and copy"),
        ("the tray has died", None, "snapshot"),
    ],
)
def test_freezes_before_the_window_answers(target, tmp_path: Path, answer, hung, method: str) -> None:
    """A window that is being pinged counts as hung until it answers; the last word is told when it had its time."""
    heard = Heard()
    one = Worker(heard)
    one.ask(request(target("big_heap", 32).pid, tmp_path, "heap", pinged=True))
    if answer == "the tray has died":
        one._process.stdin.close()
    elif answer != "none":
        one.answered(answer)
    last = heard.last()
    assert (last["window"]["hung"], last["method"]) == (hung, method)
    assert answer != "none" or last["seconds"] + 0.1 > orders.TIME_TO_ANSWER


PATIENT = """
import sys
from tray import cli
from tray.commands import orders
orders.TIME_TO_ANSWER = 60.0
sys.exit(cli.main(["dump", "--json", "--request"]))
"""


@pytest.mark.linux
@pytest.mark.ptrace
def test_a_late_answer_counts(target, tmp_path: Path) -> None:
    """Who answers after the freeze, but in time, is told as living."""
    heard = Heard()
    one = Worker(heard, words=[sys.executable, "-c", PATIENT])
    one.ask(request(target("threads").pid, tmp_path, "mini", pinged=True))
    heard.wait_for("progress")
    one.answered(False)
    assert heard.last()["window"]["hung"] is False
