"""Toasts on Windows: desktop-notifier's, and the balloon of our icon where those cannot be had."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from tray.ffi.user32 import call

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from desktop_notifier import Notification

    from tray.desktop import Toast
    from tray.desktop.errands import Errands

log = logging.getLogger(__name__)

APP = "Hangshot"
"""The name above our toasts, and what Windows files them under."""
PATIENCE = 5.0
FAILURES = (ImportError, OSError, RuntimeError, AttributeError, TimeoutError)
"""What the Windows Runtime, or its lack, may raise."""


class Balloons(Protocol):
    """What shows a balloon."""

    def balloon(
        self, title: str, body: str, clicked: Callable[[], None] | None, gone: Callable[[], None]
    ) -> bool:
        """Show one, in the place of one before; False where it cannot be seen. ``gone`` tells its end."""

    def remove_balloon(self) -> None:
        """Take it away."""


class Toasts:
    """Shows toasts, and replaces those of the same topic.

    Buttons work only while we run, so toasts that need us are taken away at the end.
    """

    def __init__(
        self,
        errands: Errands,
        balloons: Callable[[], Balloons | None],
        notifier: Callable[[], Any] | None = None,
    ) -> None:
        self._errands = errands
        self._balloons = balloons
        self._make = notifier or _notifier
        self._notifier: Any = None
        self._refused = False
        self._silent = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._shown: dict[str, tuple[str, bool]] = {}
        self._ballooned = ""

    @property
    def kind(self) -> str:
        """``toasts`` or ``balloons``, as far as is known."""
        return "balloons" if self._refused else "toasts"

    def toast(self, toast: Toast) -> bool:
        """Show it; False, and one log line for all of them, where nobody shows toasts."""
        with self._lock:
            shown = (not self._refused and self._sent(toast)) or self._balloon(toast)
            if not shown and not self._silent:
                log.warning("No toasts: neither Windows nor our icon shows them.")
            self._silent = not shown
            return shown

    def dismiss(self, topic: str) -> None:
        """Take the toast of this topic away, if it is still there."""
        with self._lock:
            self._take_away(topic)

    def close(self) -> None:
        """Take away what would do nothing without us, and end the thread."""
        with self._lock:
            for topic in [topic for topic, (_, acts) in self._shown.items() if acts]:
                self._take_away(topic)
            loop, self._loop = self._loop, None
            if loop is not None:
                loop.call_soon_threadsafe(loop.stop)

    def _sent(self, toast: Toast) -> bool:
        """Whether Windows has taken it. Once it has refused one, it is not asked again."""
        try:
            return bool(self._run(self._send(toast)))
        except FAILURES as error:
            log.info("Windows shows no toasts, so balloons it is: %r", error)
            self._refused = True
            return False

    async def _send(self, toast: Toast) -> bool:
        if self._notifier is None:
            self._notifier = self._make()
        if not await self._notifier.has_authorisation():
            return False
        if toast.update and toast.topic not in self._shown:
            return True
        old, _ = self._shown.pop(toast.topic, ("", False))
        fresh = self._notification(toast)
        # The library's own ``send`` logs failures and goes on.
        await self._notifier._send(fresh)  # noqa: SLF001
        self._notifier._notification_cache[fresh.identifier] = fresh  # noqa: SLF001
        self._shown[toast.topic] = fresh.identifier, bool(toast.buttons or toast.clicked)
        if old:
            await self._notifier.clear(old)
        return True

    def _notification(self, toast: Toast) -> Notification:
        from desktop_notifier import Button, Notification, Urgency

        later = partial(self._later, toast.topic)
        buttons = tuple(Button(title=label, on_pressed=later(act)) for label, act in toast.buttons)
        return Notification(
            title=toast.title,
            message=toast.body,
            urgency=Urgency.Critical if toast.urgent else Urgency.Normal,
            buttons=buttons,
            on_clicked=later(toast.clicked) if toast.clicked else None,
            on_dismissed=partial(self._shown.pop, toast.topic, None),
        )

    def _later(self, topic: str, act: Callable[[], None]) -> Callable[[], None]:
        """``act``, off the toasts' thread; a toast that has been used is not brought up to date any more."""

        def used() -> None:
            self._shown.pop(topic, None)
            self._errands.post(act)

        return used

    def _balloon(self, toast: Toast) -> bool:
        """A click on it does what a click on the toast would, else what its first button would."""
        balloons = self._balloons()
        if balloons is None:
            return False
        if toast.update and toast.topic != self._ballooned:
            return True
        clicked = toast.clicked or next((act for _, act in toast.buttons), None)
        self._ballooned = toast.topic
        return balloons.balloon(toast.title, toast.body, clicked, self._balloon_gone)

    def _balloon_gone(self) -> None:
        self._ballooned = ""

    def _take_away(self, topic: str) -> None:
        identifier, _ = self._shown.pop(topic, ("", False))
        if identifier:
            try:
                self._run(self._notifier.clear(identifier))
            except FAILURES as error:
                log.debug("The toast is gone already: %r", error)
        elif topic == self._ballooned and (balloons := self._balloons()) is not None:
            self._ballooned = ""
            balloons.remove_balloon()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401  # whatever the work gives
        """Do it on the thread with the loop: desktop-notifier calls back on the loop it was made on."""
        import asyncio  # here, for it is a third of what the tray imports, and most presses come later

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_serve, args=(self._loop,), name="toasts", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _notifier() -> Any:  # noqa: ANN401  # its class exists on Windows only
    from desktop_notifier import Icon
    from desktop_notifier.backends.winrt import WinRTDesktopNotifier

    from tray.desktop import picture

    call("SetCurrentProcessExplicitAppUserModelID", APP)
    return WinRTDesktopNotifier(APP, Icon(path=picture.cached_png()))
