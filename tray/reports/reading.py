"""A reader of call stacks at work, in a process of its own; whatever happens to it, what it told until then is kept."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

import tray
from tray.lean import TYPE_CHECKING
from tray.model import Frame, Stack, Trust
from tray.reports.stacks import Symbols, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Self

_FLAGS = 0
if sys.platform == "win32":
    _FLAGS = subprocess.CREATE_NO_WINDOW  # the tray has no console that a console program could take part in
_CRASHED = 0xC0000000
"""Exit codes from here on are NTSTATUS values of a program that Windows ended."""


class Reading:
    """A reader at work; the end of the ``with`` block ends it, if its time has not.

    Args:
        command: Runs it.
        limit: Seconds that it may take.
        environment: Its own.
    """

    def __init__(self, command: Sequence[str], limit: float, environment: Mapping[str, str]) -> None:
        self._limit, self._late = limit, False
        self._talk, self._failure = b"", ""
        self._listener = threading.Thread(target=self._hear, daemon=True)
        self._clock = threading.Timer(limit, self._stop)
        self._clock.daemon = True
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=os.path.dirname(os.path.dirname(tray.__file__)),  # noqa: PTH120 - python -m looks in the current folder first
                creationflags=_FLAGS,
            )
        except OSError as error:
            self._failure = f"The reader of call stacks cannot be started ({error.strerror})"
            return
        self._clock.start()
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._clock.cancel()
        self._process.kill()
        self._end()
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def told(self, heard: Callable[[Sequence[Symbols]], object] = bool) -> Told:
        """What it said, once it has ended.

        Args:
            heard: Told of the modules as soon as the reader names them.
        """
        if self._process is None or self._process.stdout is None:
            return Told(ended=self._failure)
        found = understood(self._process.stdout, heard)
        code = self._end()
        ended = f"The reader of call stacks was ended after {self._limit:g} s" if self._late else ""
        return Told(found.stacks, found.symbols, ended or end(code, self._talk), found.lacks)

    def _hear(self) -> None:
        """Take what it complains of, or it would wait for that."""
        if self._process and self._process.stderr:
            self._talk = self._process.stderr.read()

    def _stop(self) -> None:
        """End it for its lateness."""
        self._late = True
        if self._process:
            self._process.kill()

    def _end(self) -> int:
        """Wait for its end; gives its exit code."""
        code = self._process.wait() if self._process else 0
        self._clock.cancel()
        self._listener.join()
        return code


def end(code: int, talk: bytes) -> str:
    """Why a reader with this exit code did not finish; empty for 0."""
    if code == 0:
        return ""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"The reader of call stacks crashed ({signal.Signals(-code).name})"
    if code >= _CRASHED:
        return f"The reader of call stacks crashed ({code:#x})"
    lines = talk.decode(errors="replace").strip().splitlines()
    return f"The reader of call stacks gave up ({lines[-1][:200] if lines else f'exit code {code}'})"


def understood(said: Iterable[bytes], heard: Callable[[Sequence[Symbols]], object] = bool) -> Told:
    """What a reader's lines mean; one that is cut off or wrong says nothing."""
    stacks: dict[int, Stack] = {}
    symbols: list[Symbols] = []
    lacks: list[str] = []
    for line in said:
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            fact = json.loads(line)
            if "tid" in fact:
                stacks[fact["tid"]] = _stack(fact, stacks)
            if modules := fact.get("modules"):
                symbols += _symbols(modules)
                heard(symbols)
            if lack := fact.get("lack"):
                lacks.append(str(lack))
            if why := fact.get("missing"):
                lacks.append(
                    f"Call stacks are read by drgn, which cannot be loaded ({why}); 'pip install drgn' gets it."
                )
    return Told(tuple(stacks.values()), tuple(symbols), "", tuple(lacks))


def _stack(fact: Mapping[str, Any], known: Mapping[int, Stack]) -> Stack:
    """A thread's; calls like those of another one are the very same."""
    if "like" in fact:
        like = known[fact["like"]]
        return Stack(int(fact["tid"]), like.frames, like.cut)
    frames = tuple(
        Frame(int(pc), str(function), "", 0, str(file), int(line), bool(inlined), Trust(trust))
        for pc, function, file, line, inlined, trust in fact["frames"]
    )
    return Stack(int(fact["tid"]), frames, str(fact["cut"]))


def _symbols(modules: Sequence[Mapping[str, Any]]) -> list[Symbols]:
    """One for each range of each module; the kernel's own never lacks anything that could be had."""
    return [
        Symbols(one["name"], start, end, bool(one["file"]), bool(one["debug"]) or one["file"] == "[vdso]")
        for one in modules
        for start, end in one["ranges"]
    ]
