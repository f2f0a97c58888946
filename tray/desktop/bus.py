"""The session bus: one connection on a thread of its own, for all that need it.

Other threads hand work to that thread and wait with a limit; what the bus has
to tell is passed on to an `Errands` thread, so that no callback of ours ever
holds the bus up. Nothing here wakes by the clock: a quiet bus costs nothing.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tray.desktop.errands import run_safely
from tray.desktop.patient import Patient

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from dbus_fast import Message, Variant
    from dbus_fast.aio import MessageBus

    from tray.desktop.served import Served

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a call waits for an answer, where nothing else is said."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Peer:
    """One interface of another program's object."""

    name: str
    path: str
    interface: str


DAEMON = Peer("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
"""The bus itself."""


class BusError(OSError):
    """There is no session bus, it is lost, or a call on it failed.

    Attributes:
        name: The D-Bus error, as ``org.freedesktop.DBus.Error.ServiceUnknown``;
            empty where the bus itself is the trouble.
    """

    def __init__(self, number: int, text: str, name: str = "") -> None:
        super().__init__(number, text)
        self.name = name

    @property
    def nobody(self) -> bool:
        """Whether the call failed because nobody has that name."""
        return self.name.rpartition(".")[2] in {"ServiceUnknown", "NameHasNoOwner"}


def variant(signature: str, value: object) -> Variant:
    """A value that carries its type along, as D-Bus wants it in many places."""
    from dbus_fast import Variant

    return Variant(signature, value)


def address() -> str | None:
    """Where the session bus listens, or None where there is none."""
    if told := os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return told
    # After su, sudo or ssh the variable is often gone while systemd's bus is there.
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and (socket := Path(runtime) / "bus").is_socket():
        return f"unix:path={socket}"
    return None


class Bus:
    """A connection to the session bus, made when it is first needed.

    Every method may be called from any thread but the bus's own, unless it says
    otherwise, and raises `BusError` where there is no bus.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._connection: MessageBus | None = None
        self._served: list[Served] = []
        self._heard: list[Callable[[Message], None]] = []
        self._rules: set[str] = set()
        self._lost = False
        self._closed = False

    @property
    def reachable(self) -> bool:
        """Whether there is a bus to talk to; connects if that was not done yet."""
        try:
            self.connection()
        except BusError:
            return False
        return True

    def connection(self) -> MessageBus:
        """The connection itself. To be used on the bus thread only: see `run`."""
        with self._lock:
            if self._closed or self._lost:
                raise BusError(errno.ENOTCONN, "The connection to the session bus is closed.")
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    def run(self, work: Coroutine[Any, Any, _Result], patience: float | None = PATIENCE) -> _Result:
        """The result of a coroutine that runs on the bus thread; None waits for ever."""
        try:
            self.connection()
        except BusError:
            work.close()
            raise
        return self._wait(work, patience)

    def post(self, callback: Callable[[], object]) -> None:
        """Have ``callback`` run on the bus thread soon; nothing without a bus."""
        with self._lock:
            if self._loop is not None and not self._lost:
                self._loop.call_soon_threadsafe(run_safely, callback)

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Have a coroutine run on the bus thread; nobody waits for it. From any thread."""
        with self._lock:
            if self._loop is None or self._lost:
                work.close()
            else:
                asyncio.run_coroutine_threadsafe(_logged(work), self._loop)

    def call(
        self,
        peer: Peer,
        member: str,
        arguments: tuple[str, Sequence[object]] = ("", ()),
        *,
        patience: float | None = PATIENCE,
        start: bool = True,
    ) -> list[Any]:
        """The answer to a method call.

        Args:
            peer: Who shall answer.
            member: The method.
            arguments: Their types, and they.
            patience: Seconds to wait; None for ever.
            start: Whether the bus may start a program that has the name.
        """
        return self.run(self.request(peer, member, arguments, start=start), patience)

    async def request(
        self,
        peer: Peer,
        member: str,
        arguments: tuple[str, Sequence[object]] = ("", ()),
        *,
        start: bool = True,
        files: Sequence[int] = (),
    ) -> list[Any]:
        """As `call`, for coroutines on the bus thread; ``files`` are handed over open."""
        from dbus_fast import Message, MessageFlag, MessageType

        message = Message(
            destination=peer.name,
            path=peer.path,
            interface=peer.interface,
            member=member,
            signature=arguments[0],
            body=list(arguments[1]),
            unix_fds=list(files),
            flags=MessageFlag.NONE if start else MessageFlag.NO_AUTOSTART,
        )
        if self._connection is None or not self._connection.connected:
            raise BusError(errno.ENOTCONN, "The session bus is lost.")
        try:
            reply = await self._connection.call(message)
        except (EOFError, OSError) as error:
            raise BusError(errno.ENOTCONN, "The session bus is lost.") from error
        if reply.message_type is MessageType.ERROR:
            text = str(reply.body[0]) if reply.body else str(reply.error_name)
            raise BusError(errno.EIO, text, str(reply.error_name))
        return list(reply.body)

    def owned(self, name: str) -> bool:
        """Whether a program has this name now."""
        return bool(self.call(DAEMON, "NameHasOwner", ("s", [name]))[0])

    def serve(self, served: Served) -> None:
        """Answer calls to this object from now on."""
        self.connection()
        self._served = [*self._served, served]

    def unserve(self, served: Served) -> None:
        """Stop answering for it."""
        self._served = [one for one in self._served if one is not served]

    def emit(self, served: Served, member: str, *body: object) -> None:
        """Send a signal of a served object; nothing where the bus is lost."""
        self.post(lambda: self._emit(served, member, body))

    def hear(self, rule: str, heard: Callable[[Message], None]) -> None:
        """Call ``heard``, on the bus thread, with each signal; ``rule`` lets more signals in.

        Rules add up for the whole connection, so ``heard`` must look at what it gets.
        """
        self.connection()
        self._heard = [*self._heard, heard]
        if rule not in self._rules:
            self._rules.add(rule)
            self.call(DAEMON, "AddMatch", ("s", [rule]))

    def hear_owner(self, name: str, changed: Callable[[str], None]) -> None:
        """Call ``changed``, on the bus thread, with the new owner of ``name``, or empty."""

        def heard(message: Message) -> None:
            from_bus = message.sender == DAEMON.name and message.member == "NameOwnerChanged"
            if from_bus and message.body[0] == name:
                changed(message.body[2])

        self.hear(f"type='signal',sender='{DAEMON.name}',member='NameOwnerChanged',arg0='{name}'", heard)

    def close(self) -> None:
        """Leave the bus and end the thread. Callable twice."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(self._disconnect, loop)
        if thread is not threading.current_thread():
            thread.join(timeout=PATIENCE)

    def _disconnect(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._connection is not None:
            self._connection.disconnect()
        # One round more, so that dbus-fast sees its socket end before the loop does.
        loop.call_soon(loop.call_soon, loop.stop)

    def _connect(self) -> MessageBus:
        where = address()
        if where is None:
            raise BusError(errno.ENOENT, "There is no session bus.")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._live, args=(self._loop,), name="bus", daemon=True)
            self._thread.start()
        return self._wait(self._join(where), PATIENCE)

    async def _join(self, where: str) -> MessageBus:
        from dbus_fast.aio import MessageBus
        from dbus_fast.errors import AuthError, InvalidAddressError

        try:
            connection = await MessageBus(bus_address=where, negotiate_unix_fd=True).connect()
        except (OSError, EOFError, AuthError, InvalidAddressError) as error:
            raise BusError(errno.ENOENT, f"The session bus does not answer: {error}.") from error
        Patient.calm(connection)
        connection.add_message_handler(self._message)
        self._watcher = asyncio.ensure_future(self._watch(connection))
        return connection

    async def _watch(self, connection: MessageBus) -> None:
        try:
            await connection.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except (OSError, EOFError) as error:
            log.debug("The session bus hung up: %r", error)
        if not self._closed:
            self._lost = True
            log.warning("The session bus is lost: no icon and no toasts until Hangshot starts again.")

    def _live(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            rest = asyncio.all_tasks(loop)
            for task in rest:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        finally:
            loop.close()

    def _wait(self, work: Coroutine[Any, Any, _Result], patience: float | None) -> _Result:
        # Under the lock, so that nothing is handed to a loop that has ended.
        with self._lock:
            if self._loop is None or threading.current_thread() is self._thread:
                work.close()
                raise BusError(
                    errno.EDEADLK, "The bus thread cannot wait for itself, nor for one that ended."
                )
            future: Future[_Result] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(patience)
        except TooLate as error:
            future.cancel()
            raise BusError(errno.ETIMEDOUT, "No answer over the session bus.") from error
        except CancelledError as error:
            raise BusError(errno.ENOTCONN, "The connection to the session bus was closed.") from error

    def _emit(self, served: Served, member: str, body: Sequence[object]) -> None:
        if self._connection is not None and self._connection.connected:
            self._connection.send(served.signal(member, body))

    def _message(self, message: Message) -> bool:
        """Hand a message to whom it concerns; True where it was a call to us."""
        from dbus_fast import MessageType

        if message.message_type is MessageType.SIGNAL:
            for heard in self._heard:
                heard(message)
        elif message.message_type is MessageType.METHOD_CALL and self._connection is not None:
            here = [served for served in self._served if served.path == message.path]
            return any(served.take(message, self._connection) for served in here)
        return False


async def _logged(work: Coroutine[Any, Any, object]) -> None:
    """``work``; what it raises is logged, for nobody waits for it."""
    try:
        await work
    except BusError as error:
        log.debug("On the session bus: %s", error.strerror)
    except Exception:
        log.exception("Work on the session bus failed")
