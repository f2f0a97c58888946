"""The hotkey as the user has set it: bound, taken, impossible or paused."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tray.desktop.hotkey import parse
from tray.errors import BadHotkey, TrayError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.desktop import Desktop

log = logging.getLogger(__name__)


class Keys:
    """Binds one hotkey at a time.

    Attributes:
        trouble: Why no hotkey works, if none does.
        paused: Whether the user has paused it.
    """

    def __init__(self, desktop: Desktop, pressed: Callable[[], None]) -> None:
        self._desktop, self._pressed = desktop, pressed
        self._text = self._label = ""
        self.trouble: TrayError | None = None
        self.paused = False

    @property
    def label(self) -> str:
        """The hotkey that works now, as ``Ctrl+Alt+Shift+D``; empty if none does."""
        return "" if self.trouble or self.paused else self._label

    def use(self, text: str) -> TrayError | None:
        """Bind this hotkey instead of the one before.

        Gives what is wrong with it, if anything; the one before is then bound
        again, if there was one.
        """
        before = self._text if not self.trouble else ""
        problem = self._bind(text)
        if problem and before and not self._bind(before):
            return problem
        self.trouble = problem
        return problem

    def obey(self, text: str) -> bool:
        """Whether this hotkey is the one in force, or would be but for a pause."""
        return not self.trouble and self._text == text

    def pause(self, *, wanted: bool) -> None:
        """Give the hotkey back for a while, or take it again."""
        self._desktop.unbind()
        self.paused = wanted
        self.trouble = None if wanted else self._bind(self._text)

    def _bind(self, text: str) -> TrayError | None:
        try:
            label = parse(text).label
            if not self.paused:
                self._desktop.unbind()
                self._desktop.bind(text, self._pressed)
        except (BadHotkey, Unsupported) as error:
            log.warning("hotkey %s: %s", text, error)
            if not self._text:
                self._text = text  # so that a pause and its end try it again
            return error
        self._text, self._label = text, label
        return None
