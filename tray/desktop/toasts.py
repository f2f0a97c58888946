"""Toasts on Linux: desktop-notifier's D-Bus back end on our own connection."""

from __future__ import annotations

import asyncio
import html
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tray.desktop import picture
from tray.desktop.bus import BusError, Peer, variant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dbus_fast.aio import MessageBus
    from desktop_notifier import Notification

    from tray.desktop import Toast
    from tray.desktop.bus import Bus
    from tray.desktop.errands import Errands

log = logging.getLogger(__name__)

SERVER = Peer(
    "org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.freedesktop.Notifications"
)
APP = "Hangshot"
DESKTOP_FILE = "io.github.hangshot.Hangshot"


@dataclass(frozen=True, slots=True)
class Shown:
    """A toast that may still be on the screen.

    Attributes:
        number: The server's number for it.
        identifier: desktop-notifier's.
        acts: Whether a click on it needs us to be there.
    """

    number: int
    identifier: str
    acts: bool


class Toasts:
    """Shows toasts, and replaces those of the same topic."""

    def __init__(self, bus: Bus, errands: Errands) -> None:
        self._bus = bus
        self._errands = errands
        self._notifier: Any = None
        self._turn: asyncio.Lock | None = None
        self._shown: dict[str, Shown] = {}
        self._silent = False

    def toast(self, toast: Toast) -> bool:
        """Show it; False, and one log line for all of them, where nobody shows toasts."""
        try:
            self._bus.run(self._in_turn(partial(self._send, toast)))
        except OSError as error:
            if not self._silent:
                self._silent = True
                log.warning("No toasts: %s", error.strerror)
            return False
        self._silent = False
        return True

    def dismiss(self, topic: str) -> None:
        """Take the toast of this topic away, if it is still there."""
        if topic not in self._shown:
            return
        try:
            self._bus.run(self._in_turn(partial(self._close, topic)))
        except OSError as error:
            log.debug("The toast is gone already: %s", error.strerror)

    def close(self) -> None:
        """Take away the toasts whose buttons would do nothing without us."""
        for topic, shown in list(self._shown.items()):
            if shown.acts:
                self.dismiss(topic)

    async def _in_turn(self, work: Callable[[], Awaitable[None]]) -> None:
        """One toast at a time, so that each knows the one it replaces."""
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            await work()

    async def _send(self, toast: Toast) -> None:
        notifier = await self._ready()
        if toast.update and toast.topic not in self._shown:
            return
        old = self._shown.pop(toast.topic, None)
        notifier.replaces = old.number if old else 0
        if old is not None:
            notifier.forget(old.identifier)
        sent = self._notification(toast, escape=notifier.reads_markup)
        try:
            await notifier.send(sent)
        except _failures() as error:
            raise _plain(error) from error
        acts = bool(toast.buttons or toast.clicked)
        self._shown[toast.topic] = Shown(notifier.sent, sent.identifier, acts)

    async def _close(self, topic: str) -> None:
        shown = self._shown.pop(topic, None)
        if shown is not None:
            self._notifier.forget(shown.identifier)
            await self._bus.request(SERVER, "CloseNotification", ("u", [shown.number]), start=False)

    async def _ready(self) -> Any:  # noqa: ANN401  # its class is made below, where dbus-fast exists
        """The notifier. Asked again as long as nobody showed toasts."""
        if self._notifier is None:
            notifier = _notifier(self._bus.connection())
            try:
                await notifier.open()
            except _failures() as error:
                raise _plain(error) from error
            self._notifier = notifier
        return self._notifier

    def _notification(self, toast: Toast, *, escape: bool) -> Notification:
        from desktop_notifier import Button, Notification, Urgency

        later = partial(self._later, toast.topic)
        buttons = tuple(Button(title=label, on_pressed=later(act)) for label, act in toast.buttons)
        return Notification(
            title=toast.title,
            message=html.escape(toast.body, quote=False) if escape else toast.body,
            urgency=Urgency.Critical if toast.urgent else Urgency.Normal,
            buttons=buttons,
            on_clicked=later(toast.clicked) if toast.clicked else None,
            on_dismissed=partial(self._shown.pop, toast.topic, None),
            timeout=-1 if toast.seconds is None else toast.seconds,
        )

    def _later(self, topic: str, act: Callable[[], None]) -> Callable[[], None]:
        """``act``, off the bus thread; a toast that has been used is not brought up to date any more."""

        def used() -> None:
            self._shown.pop(topic, None)
            self._errands.post(act)

        return used


def _failures() -> tuple[type[Exception], ...]:
    from dbus_fast.errors import DBusError

    return DBusError, EOFError, OSError, asyncio.TimeoutError


def _plain(error: Exception) -> BusError:
    """Any failure of the server or the bus as ours."""
    if isinstance(error, BusError):
        return error
    return BusError(0, str(error) or type(error).__name__, str(getattr(error, "type", "")))


def _notifier(connection: MessageBus) -> Any:  # noqa: ANN401  # see below
    """desktop-notifier's back end, on our connection, that replaces toasts.

    Made in a function: its base class exists only where dbus-fast does.
    """
    from desktop_notifier import Icon
    from desktop_notifier.backends.dbus import DBusDesktopNotifier

    class Notifier(DBusDesktopNotifier):
        """Adds what the library lacks: ``replaces_id``, the desktop entry, and failures that show."""

        replaces = 0
        sent = 0
        reads_markup = False

        async def open(self) -> None:
            """Find the server out; it is started if need be."""
            node = await connection.introspect(SERVER.name, SERVER.path)
            self.interface = connection.get_proxy_object(SERVER.name, SERVER.path, node).get_interface(
                SERVER.interface
            )
            server: Any = self.interface
            server.on_notification_closed(self._on_closed)
            server.on_action_invoked(self._on_action)
            self.reads_markup = "body-markup" in await server.call_get_capabilities()
            server.call_notify = partial(self._replacing, server.call_notify)

        async def send(self, notification: Notification) -> None:
            """Show it. The library's own way logs failures and goes on."""
            await self._send(notification)
            self._notification_cache[notification.identifier] = notification

        def forget(self, identifier: str) -> None:
            """Its callbacks are not wanted any more."""
            self._clear_notification_from_cache(identifier)
            self._platform_to_interface_notification_identifier.inverse.pop(identifier, None)

        async def _replacing(
            self, notify: Callable[..., Awaitable[int]], app: str, _new: int, *rest: object
        ) -> int:
            hints = rest[4]
            # Some old servers take text alone as hints; those get none from us.
            if isinstance(hints, dict) and not isinstance(hints.get("urgency"), str):
                hints["desktop-entry"] = variant("s", DESKTOP_FILE)
            self.sent = await notify(app, self.replaces, *rest)
            return self.sent

    return Notifier(APP, Icon(path=picture.cached_png()))
