"""The one running tray of a session, and how the command line reaches it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tray.desktop.bus import BusError, Peer
from tray.desktop.errands import run_safely
from tray.desktop.served import Method, Served
from tray.errors import CaptureFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tray.desktop.bus import Bus
    from tray.desktop.errands import Errands

log = logging.getLogger(__name__)

TRAY = Peer("io.github.hangshot.Hangshot", "/io/github/hangshot/Hangshot", "io.github.hangshot.Hangshot")
ALIVE = Peer(TRAY.name, TRAY.path, "org.freedesktop.DBus.Peer")
PATIENCE = 2.0
"""Seconds that a tray has to show that it is alive."""


class Instance:
    """Holds the name that says "the tray runs", or, without a bus, a lock that does."""

    def __init__(self, bus: Bus, errands: Errands) -> None:
        self._bus = bus
        self._errands = errands
        self._served: Served | None = None
        self._lock: int | None = None

    def claim(self, greeted: Callable[[], None], asked: Callable[[str], str]) -> bool:
        """Become the one tray; False if there is one, which is then greeted."""
        if not self._bus.reachable:
            return self._claim_lock()
        # Served first: whoever sees the name may ask at once.
        self._served = self._serve(greeted, asked)
        if self._bus.run(self._own()):
            return True
        self._withdraw()
        try:
            self._bus.call(TRAY, "Greet", start=False)
        except BusError as error:
            log.info("The running tray did not answer: %s", error.strerror)
        return False

    def runs(self) -> bool:
        """Whether a tray of another process runs in this session, or this one claims to be it."""
        if self._bus.reachable:
            return self._bus.owned(TRAY.name)
        try:
            if self._lock is not None or not self._claim_lock():
                return True
        except OSError as error:
            log.debug("No lock can be had: %s", error)
        self.close()
        return False

    def ask(self, request: str) -> str | None:
        """The running tray's answer, or None when none runs, or one that is stopped. Waits as long as it takes.

        Raises:
            CaptureFailed: The tray went away, or failed, before it answered.
        """
        if not self._bus.reachable or not self._lives():
            return None
        try:
            return str(self._bus.call(TRAY, "Ask", ("s", [request]), patience=None, start=False)[0])
        except BusError as error:
            if error.nobody:
                return None
            raise CaptureFailed(
                f"The running Hangshot did not finish: {error.strerror}",
                hint="'hangshot list' shows whether the dump was saved; 'hangshot' starts the tray again.",
            ) from error

    def _lives(self) -> bool:
        """Whether a tray runs and answers: a dump may take minutes, but to say so takes no time."""
        try:
            self._bus.call(ALIVE, "Ping", patience=PATIENCE, start=False)
        except BusError as error:
            if not error.nobody:
                log.warning("The running tray does not answer (%s), so it is done without.", error.strerror)
            return False
        return True

    def close(self) -> None:
        """Give the name or the lock back. Callable twice."""
        if self._served is not None:
            try:
                self._bus.run(self._disown())
            except BusError as error:
                log.debug("The name went with the bus: %s", error.strerror)
            self._withdraw()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _serve(self, greeted: Callable[[], None], asked: Callable[[str], str]) -> Served:
        def greet() -> None:
            self._errands.post(greeted)

        def ask(request: str) -> Coroutine[None, None, list[str]]:
            return _answer(asked, request)

        methods = {"Greet": Method("", "", greet), "Ask": Method("s", "s", ask)}
        served = Served(TRAY.path, TRAY.interface, methods)
        self._bus.serve(served)
        return served

    def _withdraw(self) -> None:
        if self._served is not None:
            self._bus.unserve(self._served)
            self._served = None

    async def _own(self) -> bool:
        from dbus_fast import NameFlag, RequestNameReply

        reply = await self._bus.connection().request_name(TRAY.name, NameFlag.DO_NOT_QUEUE)
        return reply in {RequestNameReply.PRIMARY_OWNER, RequestNameReply.ALREADY_OWNER}

    async def _disown(self) -> None:
        await self._bus.connection().release_name(TRAY.name)

    def _claim_lock(self) -> bool:
        if sys.platform == "win32":
            return True
        import fcntl

        file = os.open(_lock_path(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._lock = file
        return True


async def _answer(asked: Callable[[str], str], request: str) -> list[str]:
    """What ``asked`` gives, from a thread of its own: it may take minutes."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def settle(text: str | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(text or "")

    def work() -> None:
        text, failure = None, None
        try:
            text = asked(request)
        except Exception as error:
            log.exception("A request of the command line failed")
            failure = error
        # The loop may be closed by now: then nobody waits for the answer.
        run_safely(lambda: loop.is_closed() or loop.call_soon_threadsafe(settle, text, failure))

    threading.Thread(target=work, name="asked", daemon=True).start()
    return [await answer]


def _lock_path() -> Path:
    """Where the lock lies: never in ``/tmp``, where others could hold it against us."""
    from platformdirs import user_cache_path

    told = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(told) if told else user_cache_path("hangshot", appauthor=False)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / "hangshot.lock"
