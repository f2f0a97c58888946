"""The one running tray of a session, and how the command line reaches it: a mutex and a pipe.

What goes through the pipe is text. `multiprocessing.connection` can also send
Python objects, and would run what they say; that is never used here.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from ctypes.wintypes import DWORD
from typing import TYPE_CHECKING, Any

from tray.desktop.errands import run_safely
from tray.errors import CaptureFailed
from tray.ffi import user32
from tray.ffi.user32 import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.desktop.errands import Errands

log = logging.getLogger(__name__)

MUTEX = r"Local\io.github.hangshot.Hangshot"
"""Of this session: two users of one machine have a tray each."""
PATIENCE = 5.0
"""Seconds that a tray has to show that it is alive."""
GREET, ASK, ANSWER, FAILED = b"greet", b"ask:", b"ok:", b"failed:"


class Instance:
    """Holds the mutex that says "the tray runs", and listens to those who come later."""

    def __init__(self, errands: Errands, pipe: str | None = None, mutex: str = MUTEX) -> None:
        self._errands = errands
        self._pipe = pipe or pipe_name()
        self._mutex = mutex
        self._held = 0
        self._listener: Any = None
        self._thread: threading.Thread | None = None

    def claim(self, greeted: Callable[[], None], asked: Callable[[str], str]) -> bool:
        """Become the one tray; False if there is one, which is then greeted."""
        if self._held or self._take():
            if self._thread is None:
                self._serve(greeted, asked)
            return True
        try:
            self._exchange(GREET)
        except (OSError, EOFError) as error:
            log.info("The running tray did not answer: %s", error)
        return False

    def ask(self, request: str) -> str | None:
        """The running tray's answer, or None when none runs, or one that is stopped. Waits as long as it takes.

        Raises:
            CaptureFailed: The tray went away, or failed, before it answered.
        """
        try:
            self._exchange(b"")  # a dump may take minutes, but to say that it is there takes a tray no time
            answer = self._exchange(ASK + request.encode(), at_length=True)
        except FileNotFoundError:
            return None
        except TimeoutError as error:
            log.warning("The running tray does not answer (%s), so it is done without.", error)
            return None
        except (OSError, EOFError) as error:
            raise _unfinished("it went away") from error
        if answer.startswith(ANSWER):
            return answer.removeprefix(ANSWER).decode()
        raise _unfinished(answer.removeprefix(FAILED).decode("utf-8", "replace"))

    def runs(self) -> bool:
        """Whether a tray runs: another one, or we are it."""
        try:
            call("CloseHandle", call("OpenMutexW", user32.SYNCHRONIZE, 0, self._mutex))
        except OSError as error:
            return getattr(error, "winerror", 0) == user32.ERROR_ACCESS_DENIED
        return True

    def close(self) -> None:
        """Give the mutex back and listen no more. Callable twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            listener, self._listener = self._listener, None
            try:
                self._exchange(b"")  # wakes the one who waits for callers
            except (OSError, EOFError) as error:
                log.debug("Nobody listened any more: %s", error)
            thread.join(timeout=1.0)
            listener.close()
        if self._held:
            call("CloseHandle", self._held)
            self._held = 0

    def _take(self) -> bool:
        """Whether the mutex is ours now. One of an administrator's tray does not even let us in."""
        try:
            held = call("CreateMutexW", None, 0, self._mutex)
        except OSError as error:
            if getattr(error, "winerror", 0) == user32.ERROR_ACCESS_DENIED:
                return False
            raise
        if user32.last_error() == user32.ERROR_ALREADY_EXISTS:
            call("CloseHandle", held)
            return False
        self._held = held
        return True

    def _exchange(self, message: bytes, *, at_length: bool = False) -> bytes:
        """Tell the running tray, and wait for its answer, ``at_length`` for as long as it takes.

        Raises:
            TimeoutError: There is none.
            FileNotFoundError: No tray runs.
            OSError, EOFError: It went away.
        """
        from multiprocessing.connection import Client

        with Client(self._pipe, family="AF_PIPE") as connection:
            connection.send_bytes(message)
            if not connection.poll(None if at_length else PATIENCE):
                raise TimeoutError(f"nothing in {PATIENCE:g} s")
            return connection.recv_bytes()

    def _serve(self, greeted: Callable[[], None], asked: Callable[[str], str]) -> None:
        from multiprocessing.connection import Listener

        listener = Listener(self._pipe, family="AF_PIPE")
        self._listener = listener
        self._thread = threading.Thread(
            target=self._accept, args=(listener, greeted, asked), name="callers", daemon=True
        )
        self._thread.start()

    def _accept(self, listener: Any, greeted: Callable[[], None], asked: Callable[[str], str]) -> None:  # noqa: ANN401  # no types there
        while self._listener is not None:
            try:
                caller = listener.accept()
            except (OSError, EOFError) as error:  # one that hung up before we came
                log.debug("A caller is gone: %s", error)
                continue
            threading.Thread(
                target=lambda caller=caller: run_safely(lambda: self._answer(caller, greeted, asked)),
                name="caller",
                daemon=True,
            ).start()

    def _answer(self, caller: Any, greeted: Callable[[], None], asked: Callable[[str], str]) -> None:  # noqa: ANN401  # as above
        """Serve one caller, on a thread of its own: a dump may take minutes."""
        with caller:
            try:
                message = caller.recv_bytes()
                if message == GREET:
                    self._errands.post(greeted)
                caller.send_bytes(answered(message, asked))
            except (OSError, EOFError) as error:
                log.debug("A caller hung up: %s", error)


def answered(message: bytes, asked: Callable[[str], str]) -> bytes:
    """What a caller is answered."""
    if not message.startswith(ASK):
        return ANSWER
    try:
        return ANSWER + asked(message.removeprefix(ASK).decode()).encode()
    except Exception as error:
        log.exception("A request of the command line failed")
        return FAILED + str(error).encode()


def pipe_name() -> str:
    """The pipe of this session: names of pipes are shared by all of them."""
    session = DWORD()
    call("ProcessIdToSessionId", os.getpid(), ctypes.byref(session))
    return rf"\\.\pipe\io.github.hangshot.Hangshot-{session.value}"


def _unfinished(why: str) -> CaptureFailed:
    return CaptureFailed(
        f"The running Hangshot did not finish: {why}.",
        hint="'hangshot list' shows whether the dump was saved; 'hangshot' starts the tray again.",
    )
