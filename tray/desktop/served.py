"""An object of ours on the bus, described by tables.

dbus-fast has classes for this, but reads types from annotations and must be
there when the class is made; tables are plain values that also exist on systems
without D-Bus.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tray.desktop.bus import variant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dbus_fast import Message, Variant
    from dbus_fast.aio import MessageBus

log = logging.getLogger(__name__)

PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
FAILED = "org.freedesktop.DBus.Error.Failed"


@dataclass(frozen=True, slots=True)
class Method:
    """A method that others may call.

    Attributes:
        takes: Types of its arguments.
        gives: Types of its results.
        call: Gives a sequence of results, or a coroutine that does. Runs on the
            bus thread, so it must return at once.
    """

    takes: str
    gives: str
    call: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Property:
    """A property that others may read."""

    type: str
    value: Callable[[], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """One interface of one object."""

    path: str
    interface: str
    methods: Mapping[str, Method]
    properties: Mapping[str, Property] = field(default_factory=dict)
    signals: Mapping[str, str] = field(default_factory=dict)

    def signal(self, member: str, body: Sequence[object]) -> Message:
        """The message of a signal."""
        from dbus_fast import Message

        return Message.new_signal(self.path, self.interface, member, self.signals[member], list(body))

    def take(self, message: Message, connection: MessageBus) -> bool:
        """Answer a call to this path; False where it is not for this interface."""
        if message.interface in {self.interface, None}:
            return self._call(self.methods.get(message.member or ""), message, connection)
        if message.interface == INTROSPECTABLE:
            return self._call(Method("", "s", lambda: [self.description()]), message, connection)
        if message.interface == PROPERTIES and message.body and message.body[0] == self.interface:
            return self._call(self._property_methods().get(message.member or ""), message, connection)
        return False

    def description(self) -> str:
        """Introspection data, which some hosts read before they call."""
        lines = [f'<node><interface name="{self.interface}">']
        for name, method in self.methods.items():
            arguments = _arguments(method.takes, "in") + _arguments(method.gives, "out")
            lines.append(f'<method name="{name}">{arguments}</method>')
        for name, kind in self.properties.items():
            lines.append(f'<property name="{name}" type="{kind.type}" access="read"/>')
        for name, types in self.signals.items():
            lines.append(f'<signal name="{name}">{_arguments(types)}</signal>')
        lines.append("</interface></node>")
        return "".join(lines)

    def _property_methods(self) -> dict[str, Method]:
        return {
            "Get": Method("ss", "v", lambda _interface, name: [self._value(name)]),
            "GetAll": Method("s", "a{sv}", lambda _: [{name: self._value(name) for name in self.properties}]),
        }

    def _value(self, name: str) -> Variant:
        known = self.properties[name]
        return variant(known.type, known.value())

    def _call(self, method: Method | None, message: Message, connection: MessageBus) -> bool:
        if method is None or message.signature != method.takes:
            return False
        try:
            result = method.call(*message.body)
        except Exception as error:  # noqa: BLE001  # the caller is told, whatever it is
            _refuse(message, connection, error)
            return True
        if inspect.iscoroutine(result):
            _answer_later(asyncio.ensure_future(result), message, connection, method.gives)
        else:
            _answer(message, connection, method.gives, result)
        return True


_pending: set[asyncio.Future[Any]] = set()
"""asyncio keeps no hold on its tasks; without one they may vanish halfway."""


def _answer_later(task: asyncio.Future[Any], message: Message, connection: MessageBus, gives: str) -> None:
    def done(task: asyncio.Future[Any]) -> None:
        _pending.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Exception):
            _refuse(message, connection, error)
        else:
            _answer(message, connection, gives, task.result())

    _pending.add(task)
    task.add_done_callback(done)


def _answer(message: Message, connection: MessageBus, gives: str, result: Sequence[object] | None) -> None:
    from dbus_fast import Message, MessageFlag

    if message.flags & MessageFlag.NO_REPLY_EXPECTED or not connection.connected:
        return
    connection.send(Message.new_method_return(message, gives, list(result or ())))


def _refuse(message: Message, connection: MessageBus, error: Exception) -> None:
    from dbus_fast import Message

    log.debug("A call to %s failed", message.member, exc_info=error)
    if connection.connected:
        connection.send(Message.new_error(message, FAILED, str(error) or type(error).__name__))


def _arguments(types: str, direction: str = "") -> str:
    from dbus_fast.signature import get_signature_tree

    way = f' direction="{direction}"' if direction else ""
    return "".join(f'<arg type="{one.signature}"{way}/>' for one in get_signature_tree(types).types)
