"""Text on the X11 clipboard, served from our own window for as long as we run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.platform != "win32":
    from Xlib import X, Xatom
    from Xlib.protocol.event import SelectionNotify

if TYPE_CHECKING:
    from Xlib.display import Display
    from Xlib.protocol import rq

_UTF8 = ("UTF8_STRING", "text/plain;charset=utf-8", "TEXT")
_MOST = 100_000
"""Bytes that fit into one property on every server; more would need the INCR protocol."""


class Clipboard:
    """Owns the CLIPBOARD selection and hands its text out.

    All methods belong on the thread that reads the display's events.

    Source: Inter-Client Communication Conventions Manual, chapter 2.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._window = display.screen().root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
        self._text = ""

    def own(self, text: str) -> bool:
        """Put text there; False if it is too long or the server refuses."""
        if len(text.encode("utf-8", "replace")) > _MOST:
            return False
        self._text = text
        selection = self._display.get_atom("CLIPBOARD")
        # The time only matters between two programs that copy in one instant.
        self._window.set_selection_owner(selection, X.CurrentTime)
        return bool(self._display.get_selection_owner(selection) == self._window)

    def answer(self, request: rq.Event) -> None:
        """Hand the text to a program that pastes, in the form it asks for."""
        # A client from before X11R4 names no property and means the target's name.
        place = request.property or request.target
        given = self._give(request, place)
        reply = SelectionNotify(
            time=request.time,
            requestor=request.requestor,
            selection=request.selection,
            target=request.target,
            property=place if given else X.NONE,
        )
        request.requestor.send_event(reply)
        self._display.sync()  # a flush may leave the rest of a long text behind

    def forget(self) -> None:
        """Drop the text: another program has copied something."""
        self._text = ""

    def _give(self, request: rq.Event, place: int) -> bool:
        """Write the answer into the requestor's property; False if we do not have that form."""
        form = self._form(request.target)
        if form is None:
            return False
        kind, bits, value = form
        request.requestor.change_property(place, kind, bits, value)
        return True

    def _form(self, target: int) -> tuple[int, int, bytes | list[int]] | None:
        """Type, bits per unit and value of the text in the form ``target``."""
        atom = self._display.get_atom
        if target == atom("TARGETS"):
            return Xatom.ATOM, 32, [atom(name) for name in ("TARGETS", "STRING", *_UTF8)]
        if target == Xatom.STRING:
            return Xatom.STRING, 8, self._text.encode("latin-1", "replace")
        if target in {atom(name) for name in _UTF8}:
            kind = atom("UTF8_STRING") if target == atom("TEXT") else target
            return kind, 8, self._text.encode("utf-8", "replace")
        return None
