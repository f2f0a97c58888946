"""Makes every foreign request of a capture fail once, each time in a process of its own.

Run as a program: ``faults.py PID MODE ERRNO [FIRST STEP [HOW]]`` prints one line of
JSON per run: which request failed, and how the capture ended. With 0 for the error the
process is killed at that request instead. Forking is quick and safe here, because nothing
else runs in this process; the run that no request failed in, because there are fewer,
is the last.
"""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

LIMIT = 60
"""Seconds after which a run counts as hanging."""


def failing_kernel(number: int, error: int):
    """A kernel whose request ``number`` (from 0) fails, and a list that says which that was."""
    from tray.ffi.linux import Kernel

    failed: list[str] = []
    counter = itertools.count()
    lock = threading.Lock()

    def wrap(name: str):
        original = getattr(Kernel, name)

        def request(self, *arguments, **named):
            with lock:
                now = next(counter)
            if now == number:
                failed.append(f"{name}{arguments[1:2] if name == 'regset' else ''}")
                if not error:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(error, os.strerror(error))
            return original(self, *arguments, **named)

        return request

    # `ptrace` is what the others are made of: counting it too would fail each of them twice.
    names = [name for name in vars(Kernel) if not name.startswith("_") and name != "ptrace"]
    return type("Failing", (Kernel,), {name: wrap(name) for name in names})(), failed


def run(pid: int, mode: str, number: int, error: int, how: str) -> dict[str, object]:
    """One capture with one failing request; how it ended."""
    from tray.capture.linux import LinuxCapture
    from tray.errors import TrayError
    from tray.modes import MODES, How

    kernel, failed = failing_kernel(number, error)
    chosen = MODES[mode]
    ended: dict[str, object] = {}
    with tempfile.TemporaryFile() as file:
        try:
            capture = LinuxCapture(How(how), kernel)
            captured = capture.write(capture.target(pid), chosen, file, lambda done, total: False)
            ended = {"gaps": [f"{gap.what}: {gap.why}" for gap in captured.gaps]}
            ended["method"] = captured.method
            ended["threads"] = len(captured.threads)
            ended["size"] = file.seek(0, io.SEEK_END)
        except TrayError as problem:
            ended = {"error": type(problem).__name__, "message": str(problem), "hint": problem.hint}
        except OSError as problem:
            ended = {"os_error": errno.errorcode.get(problem.errno or 0, "?"), "message": str(problem)}
    return {"number": number, "failed": failed[0] if failed else None, **ended}


def forked(pid: int, mode: str, number: int, error: int, how: str) -> dict[str, object]:
    """`run` in a child, so that nothing of a failed run is left for the next."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT)
        try:
            answer = run(pid, mode, number, error, how)
        except BaseException as problem:  # noqa: BLE001 - anything else is what the test is after
            import traceback

            answer = {"number": number, "crash": repr(problem), "trace": traceback.format_exc()}
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answered = pipe.read()
    _, status = os.waitpid(child, 0)
    if answered:
        return json.loads(answered)
    if not error and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return {"number": number, "failed": "killed"}
    return {"number": number, "crash": "no answer: it hung or died"}


def main() -> None:
    """Fail request after request until there is none left to fail."""
    pid, mode, error = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    first, step = (int(word) for word in (sys.argv[4:6] or ("0", "1")))
    how = sys.argv[6] if sys.argv[6:] else "stop"
    before = alike(pid)
    import tray.capture.linux  # noqa: F401 - loaded once, before the forks

    for number in itertools.count(first, step):
        ended = forked(pid, mode, number, error, how)
        left = left_behind(pid) or strangers(pid, before)
        print(json.dumps({**ended, "left": left}), flush=True)
        if ended.get("failed") is None:
            return


def alike(pid: int) -> dict[int, str]:
    """State and parent of every process that runs the same program."""
    program = Path(f"/proc/{pid}/exe").stat()
    found = {}
    for path in Path("/proc").iterdir():
        try:
            lines = (
                (path / "status").read_text(errors="replace").splitlines() if path.name.isdecimal() else []
            )
            fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            zombie = fields.get("State", "?")[0] in "ZX" and fields.get("PPid") == str(pid)
            if zombie or (fields and os.path.samestat((path / "exe").stat(), program)):
                found[int(path.name)] = f"{fields['State'][0]}, child of {fields['PPid']}"
        except OSError:
            continue
    return found


def strangers(pid: int, before: dict[int, str]) -> list[str]:
    """Processes like the target that were not there before, and its zombies: a clone that was killed needs a moment."""
    deadline = time.monotonic() + 10
    while (new := {one: told for one, told in alike(pid).items() if one not in before}) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.005)
    return [f"{one}: {told}" for one, told in new.items()]


def left_behind(pid: int) -> list[str]:
    """Threads that are traced or stopped now that the capturing process is gone."""
    wrong = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "status").read_text()
        except OSError:  # the thread has just ended
            continue
        lines = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        if lines["TracerPid"] != "0" or lines["State"][0] in "tT":
            wrong.append(f"{task.name}: {lines['State']}, traced by {lines['TracerPid']}")
    return wrong


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
