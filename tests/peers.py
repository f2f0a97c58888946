"""Other programs on the session bus, made with dbus-fast's own classes, to judge ours.

They live on a thread with a loop of its own and record what they are told.
"""

import asyncio
import os
import queue
import threading
from pathlib import Path
from typing import Annotated, Any

from dbus_fast import Message, MessageType, NameFlag, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusDict, DBusInt32, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

PATIENCE = 10.0

Strings = Annotated[list[str], DBusSignature("as")]


class Watcher(ServiceInterface):
    """The part of a panel that icons register with."""

    NAME = "org.kde.StatusNotifierWatcher"
    PATH = "/StatusNotifierWatcher"

    def __init__(self) -> None:
        super().__init__(self.NAME)
        self.registered: queue.Queue[str] = queue.Queue()

    @dbus_method()
    def RegisterStatusNotifierItem(self, service: DBusStr) -> None:  # noqa: N802
        self.registered.put(service)

    @dbus_property(access=PropertyAccess.READ)
    def IsStatusNotifierHostRegistered(self) -> DBusBool:  # noqa: N802
        return True


class Notifications(ServiceInterface):
    """A notification daemon that shows nothing and remembers all."""

    NAME = "org.freedesktop.Notifications"
    PATH = "/org/freedesktop/Notifications"

    def __init__(self, *capabilities: str) -> None:
        super().__init__(self.NAME)
        self.capabilities = list(capabilities)
        self.shown: queue.Queue[dict[str, Any]] = queue.Queue()
        self.closed: queue.Queue[int] = queue.Queue()
        self._last = 0

    @dbus_method()
    def Notify(  # noqa: N802, PLR0913, PLR0917
        self,
        app: DBusStr,
        replaces: DBusUInt32,
        icon: DBusStr,
        summary: DBusStr,
        body: DBusStr,
        actions: Strings,
        hints: DBusDict,
        timeout: DBusInt32,
    ) -> DBusUInt32:
        if not replaces:
            self._last += 1
        number = replaces or self._last
        self.shown.put(
            {
                "number": number,
                "replaces": replaces,
                "app": app,
                "icon": icon,
                "summary": summary,
                "body": body,
                "actions": dict(zip(actions[1::2], actions[::2], strict=True)),
                "hints": {name: value.value for name, value in hints.items()},
                "timeout": timeout,
            }
        )
        return number

    @dbus_method()
    def CloseNotification(self, number: DBusUInt32) -> None:  # noqa: N802
        self.closed.put(number)
        self.NotificationClosed(number, 3)

    @dbus_method()
    def GetCapabilities(self) -> Strings:  # noqa: N802
        return self.capabilities

    @dbus_method()
    def GetServerInformation(self) -> Annotated[tuple[str, str, str, str], DBusSignature("ssss")]:  # noqa: N802
        return ("Recorder", "Hangshot", "1", "1.2")

    @dbus_signal()
    def ActionInvoked(  # noqa: N802
        self, number: int, action: str
    ) -> Annotated[tuple[int, str], DBusSignature("us")]:
        return (number, action)

    @dbus_signal()
    def NotificationClosed(  # noqa: N802
        self, number: int, reason: int
    ) -> Annotated[tuple[int, int], DBusSignature("uu")]:
        return (number, reason)


class Colours(ServiceInterface):
    """The part of the desktop portal that tells colours."""

    NAME = "org.freedesktop.portal.Desktop"
    PATH = "/org/freedesktop/portal/desktop"

    def __init__(self, scheme: int) -> None:
        super().__init__("org.freedesktop.portal.Settings")
        self.scheme = scheme

    @dbus_method()
    def Read(self, namespace: DBusStr, key: DBusStr) -> Annotated[Any, DBusSignature("v")]:  # noqa: N802
        return Variant("v", Variant("u", self.scheme))

    @dbus_signal()
    def SettingChanged(  # noqa: N802
        self, namespace, key, value
    ) -> Annotated[tuple[str, str, Any], DBusSignature("ssv")]:
        return (namespace, key, value)


class FileManager(ServiceInterface):
    """A file manager that remembers what it was to show."""

    NAME = "org.freedesktop.FileManager1"
    PATH = "/org/freedesktop/FileManager1"

    def __init__(self) -> None:
        super().__init__(self.NAME)
        self.shown: queue.Queue[list[str]] = queue.Queue()

    @dbus_method()
    def ShowItems(self, uris: Annotated[list[str], DBusSignature("as")], startup: DBusStr) -> None:  # noqa: N802
        self.shown.put(uris)


class Folders(ServiceInterface):
    """The part of the desktop portal that opens folders."""

    NAME = "org.freedesktop.portal.Desktop"
    PATH = "/org/freedesktop/portal/desktop"

    def __init__(self) -> None:
        super().__init__("org.freedesktop.portal.OpenURI")
        self.opened: queue.Queue[str] = queue.Queue()

    @dbus_method()
    def OpenDirectory(  # noqa: N802
        self,
        parent: DBusStr,
        file: Annotated[int, DBusSignature("h")],
        options: Annotated[dict, DBusSignature("a{sv}")],
    ) -> Annotated[str, DBusSignature("o")]:
        self.opened.put(str(Path(f"/proc/self/fd/{file}").readlink()))
        os.close(file)
        return "/org/freedesktop/portal/desktop/request/1"


class Peer:
    """Another program on the bus."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.signals: queue.Queue[Message] = queue.Queue()
        self.bus: MessageBus = self.run(self._connect())

    async def _connect(self) -> MessageBus:
        bus = await MessageBus(negotiate_unix_fd=True).connect()
        bus.add_message_handler(self._heard)
        return bus

    def _heard(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.sender != "org.freedesktop.DBus":
            self.signals.put(message)

    def run(self, work):
        """What a coroutine gives that runs on the peer's own thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def post(self, act, *arguments) -> None:
        """Have something done on the peer's own thread."""
        self._loop.call_soon_threadsafe(act, *arguments)

    def serve(self, interface: ServiceInterface) -> ServiceInterface:
        """Become the watcher, or the notification daemon."""

        async def own() -> None:
            self.bus.export(interface.PATH, interface)
            await self.bus.request_name(interface.NAME, NameFlag.DO_NOT_QUEUE)

        self.run(own())
        return interface

    def leave(self, interface: ServiceInterface) -> None:
        """Stop being it."""

        async def disown() -> None:
            await self.bus.release_name(interface.NAME)
            self.bus.unexport(interface.PATH, interface)

        self.run(disown())

    def listen(self, rule: str) -> None:
        """Have `signals` filled with what this rule lets in."""
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.AddMatch", "s", rule)

    def call(self, name: str, path: str, method: str, signature: str = "", *body: Any) -> list[Any]:
        """What a method gives; an `AssertionError` if it fails."""
        interface, _, member = method.rpartition(".")
        message = Message(
            destination=name,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        reply = self.run(self.bus.call(message))
        assert reply.message_type is MessageType.METHOD_RETURN, f"{reply.error_name}: {reply.body}"
        return reply.body

    def property(self, name: str, path: str, interface: str, member: str) -> Any:
        """A property's value."""
        got = self.call(name, path, "org.freedesktop.DBus.Properties.Get", "ss", interface, member)[0]
        assert isinstance(got, Variant)
        return got.value

    def close(self) -> None:
        """Leave the bus."""

        async def leave() -> None:
            self.bus.disconnect()

        self.run(leave())
        self._loop.call_soon_threadsafe(self._loop.call_soon, self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


def connected():
    """The body of a fixture: a program on the bus, which leaves it afterwards."""
    peer = Peer()
    yield peer
    peer.close()
