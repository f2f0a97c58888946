"""The worker: a short-lived ``hangshot dump`` of our own, and what it tells.

Only the worker touches the target. Its end, however it comes, lets the target
go; so whatever goes wrong here, ending the worker is the cure. Windows alone does
not take back a dead worker's suspensions: that is done here.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from tray.capture import remembered
from tray.errors import BadDump, Cancelled, CaptureFailed, TrayError
from tray.lean import TYPE_CHECKING, logger
from tray.program import command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO, Any

    Event = dict[str, Any]
    """One JSON line of the worker, as ``{"schema": 1, "event": "progress", "done": 1, "total": 9}``."""


log = logger(__name__)

CANCEL = "cancel"
"""What a worker on Windows is told to stop with."""
ANSWERS, UNKNOWN = "answers", "unknown"
"""What one is told whose window was being pinged: that it answered, or that nobody can tell."""
LAST = ("dumped", "error")
"""The events that a worker ends with."""

SILENCE = 60.0
"""Seconds without a word while memory is read, after which a worker counts as stuck."""
SYNCING = 600.0
"""The same once all is read: the target runs again, and a slow disk may need minutes to sync."""
GRACE = 5.0
"""Seconds between asking a worker to stop and ending it, and that it may take to end then."""
_ENDLESS = 1 << 32
"""Stands for the exit code of one that has not ended."""

_ROOT = Path(__file__).resolve().parent.parent


def spawn(
    words: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int | IO[bytes] | None = None,
) -> subprocess.Popen[str]:
    """Start a program that a Ctrl+C in our terminal does not reach.

    Its folder is the one our package lies in: ``python -m`` looks for modules
    in the current folder first, and the user's may hold a ``tray`` of its own.
    """
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return subprocess.Popen(
        list(words),
        cwd=_ROOT,
        encoding="utf-8",
        errors="replace",
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=sys.platform != "win32",
        creationflags=flags,
    )


class Worker:
    """One worker process, waiting for a request from the moment it is made.

    Nothing here blocks the caller. ``told`` is called on a thread of our own
    with every event; the last one is ``dumped`` or ``error``, comes exactly once
    and after the process has ended, also when the worker itself said nothing.
    A worker that is kept ready for later is made without it: see `tell`.

    Raises:
        CaptureFailed: The process could not be started.
    """

    def __init__(
        self,
        told: Callable[[Event], None] | None = None,
        *,
        words: Sequence[str] | None = None,
        silence: float = SILENCE,
    ) -> None:
        self._told = told
        self._last: Event | None = None
        self._unheard: Event | None = None
        self._dismissed = False
        self._cancelled = self._stuck = False
        self._patience = self._silence = silence
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the worker has ended
        self._process = self._start(words or command("dump", "--json", "--request"))
        self._news = threading.Condition()
        self._deadline: float | None = None
        self._let_go: Callable[[], int] = lambda: 0
        self._ended = self._told_last = False
        for act in (self._listen, self._guard):
            threading.Thread(target=act, name=f"worker{act.__name__}", daemon=True).start()

    def _start(self, words: Sequence[str]) -> subprocess.Popen[str]:
        try:
            return spawn(words, stdin=subprocess.PIPE, stderr=self._stderr)
        except OSError as error:
            self._stderr.close()
            raise CaptureFailed(f"The worker could not be started: {error.strerror or error}.") from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return not self._ended and self._process.poll() is None

    def tell(self, told: Callable[[Event], None]) -> None:
        """Have every event told from now on; if it has ended unheard meanwhile, that is told at once."""
        with self._news:
            self._told = told
            unheard, self._unheard = self._unheard, None
        if unheard:
            told(unheard)

    def ask(self, request: Mapping[str, Any]) -> None:
        """Hand it the one request it waits for."""
        self._await(self._silence)
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        self._let_go = remembered(int(request.get("pid") or 0))
        try:
            self._write(json.dumps(request))
            if sys.platform != "win32" and not request.get("pinged"):
                stdin.close()
        except OSError:
            log.info("the worker ended before it was asked")  # and `_listen` tells why

    def answered(self, hung: bool | None) -> None:  # noqa: FBT001 - three states, as `Window.hung`
        """Tell it of the ping; only that there is no answer is not told: it knows how long it has waited."""
        if hung:
            return
        with suppress(OSError):  # it has ended
            self._write(ANSWERS if hung is False else UNKNOWN)
            if self._process.stdin:
                self._process.stdin.close()

    def _write(self, line: str) -> None:
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def cancel(self) -> None:
        """Ask it to stop; it is ended if it does not within `GRACE` seconds."""
        self._cancelled = True
        self._await(GRACE)
        if sys.platform == "win32":  # no signal reaches a program without a console
            with suppress(OSError):
                self._write(CANCEL)
        else:
            self._process.send_signal(signal.SIGINT)

    def dismiss(self) -> None:
        """End one that was never asked; nothing is told of it."""
        self._dismissed = True
        self._process.kill()

    def kill(self) -> None:
        """End it at once; the system lets the target go."""
        self._process.kill()

    def _await(self, seconds: float) -> None:
        """Expect the next word, or the end, within this time."""
        with self._news:
            self._deadline = time.monotonic() + seconds
            self._news.notify()

    def _listen(self) -> None:
        """Tell every event, and the last one when the process has ended."""
        if self._process.stdout is None:
            return
        with self._process.stdout as lines:
            for line in lines:
                self._hear(line)
        code = self._process.wait()
        with self._news:
            self._ended = True
            self._news.notify()
        self._finish(code)
        self._close()

    def _finish(self, code: int) -> None:
        """Tell the last event, once, and take back what a dead worker may leave."""
        with self._news:
            first, self._told_last = not self._told_last, True
        if not first:
            return
        if not self._last and (count := self._let_go()):
            log.warning("the worker left %d threads of the target suspended; they run again", count)
        if not self._dismissed:
            self._tell(self._last or self._lost(code).event())

    def _tell(self, event: Event) -> None:
        """Tell an event; the last one is kept while nobody listens."""
        with self._news:
            told = self._told
            if told is None:
                self._unheard = event
        if told:
            told(event)

    def _hear(self, line: str) -> None:
        event = parsed(line)
        if self._told_last:
            return
        if event is None:
            log.warning("the worker said something else than an event: %.200r", line)
            return
        if event["event"] in LAST:
            self._last = self._last or event  # a dump that is there stays there, whatever comes after
            return
        if not self._cancelled:
            all_read = event["event"] == "progress" and event.get("done") == event.get("total")
            self._await(SYNCING if all_read else self._silence)
        self._tell(event)

    def _guard(self) -> None:
        """End a worker that is silent for too long; sleeps until there is something to decide.

        One that hangs in the system, as on a disk that does not answer, only ends when that
        answers; nobody waits for it.
        """
        with self._news:
            while not self._ended:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._news.wait(left)
            if self._ended:
                return
            self._stuck = True
            self._process.kill()
            if self._news.wait_for(lambda: self._ended, GRACE):
                return
        self._finish(_ENDLESS)

    def _lost(self, code: int) -> TrayError:
        """Why there was no last word."""
        tail = self._tail()
        log.warning("the worker ended with %s and without a last word: %s", code, tail)
        if self._cancelled:
            return Cancelled("The dump was cancelled.")
        if code == _ENDLESS:
            words = f"The worker said nothing for {self._silence:.0f} seconds, and the system cannot end it."
            return CaptureFailed(words, hint="Does the disk with the dump folder answer?")
        if self._stuck:
            return CaptureFailed(f"The worker said nothing for {self._silence:.0f} seconds and was ended.")
        if code < 0:
            return CaptureFailed(f"The worker was ended by {signal.Signals(-code).name}.")
        return CaptureFailed(f"The worker ended with code {code}: {tail or 'it did not say why'}.")

    def _tail(self) -> str:
        """The last line it wrote to stderr."""
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").split("\n")
        return next((line.strip()[:300].rstrip(".") for line in reversed(lines) if line.strip()), "")

    def _close(self) -> None:
        self._stderr.close()
        stdin = self._process.stdin
        try:
            if stdin:
                stdin.close()
        except OSError:  # it ended with our request unread
            pass


def elevated(told: Callable[[Event], None]) -> Worker:
    """A worker that works as administrator, if the user says yes (Windows).

    Raises:
        CaptureFailed: The process could not be started.
    """
    return Worker(told, words=command("dump", "--json", "--request", "--as-administrator"))


READING = 30.0
"""Seconds after which nobody waits any longer for a dump to be read; the readers have limits of their own."""


def explain(path: str, told: Callable[[Event], None]) -> None:
    """Have a process of its own read why a dump's app hangs, and write that beside the dump.

    Returns at once; ``told`` gets the event ``explained``, on another thread, or is never called.
    """

    def run() -> None:
        event = _read("explain", path)
        if event["event"] == "explained":
            told(event)
        else:
            log.info("why the app hangs was not read: %.300s", event.get("message"))

    threading.Thread(target=run, name="explain", daemon=True).start()


def page(path: str, told: Callable[[Event], None]) -> None:
    """Have a process of its own make the page about a dump.

    Returns at once; ``told`` gets the event ``page`` or ``error``, on another thread.
    """
    threading.Thread(target=lambda: told(_read("inspect", path, "--html")), name="page", daemon=True).start()


def _read(*words: str) -> Event:
    """The one event of a command of ours that reads a dump."""
    try:
        process = spawn(command(*words, "--json"), stderr=subprocess.DEVNULL)
        said, _ = process.communicate(timeout=READING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return BadDump(f"The dump could not be read within {READING:.0f} s.").event()
    except OSError as error:
        return TrayError(f"Nothing could be started to read the dump: {error.strerror}.").event()
    return parsed(said) or TrayError(f"The dump was not read: {said[-300:] or 'nobody said why'}.").event()


def parsed(line: str) -> Event | None:
    """The event in a line of JSON; None if there is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None
