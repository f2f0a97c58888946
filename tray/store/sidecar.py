"""Dump ↔ JSON: the file beside a dump, and the events of the command line."""

from __future__ import annotations

from contextlib import suppress

from tray.lean import TYPE_CHECKING, datetime, dumps
from tray.model import Dump, Frame, Gap, Stack, Target, Thread, Trigger, Trust, Window
from tray.packed import base
from tray.paths import Path
from tray.store import reason, streamed
from tray.store.names import FORMATS, parse
from tray.store.streamed import LINES, plain, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

SCHEMA = 1
LAST = ("window", "seconds", "size", "allocated")
"""Fields that stand at the end, so that all others can be written before these are known."""


def as_json(dump: Dump) -> dict[str, Any]:
    """All that is known about a dump, in what JSON can hold."""
    import json

    told: dict[str, Any] = json.loads("".join(streamed.pieces(fields(dump))))
    return told


def fields(dump: Dump) -> dict[str, Any]:
    """The same for `streamed` to write: an iterator stands for each list, whose rows are made when asked for.

    What is known only when the dump is on the disk stands at the end; see `LAST`.
    """
    target = dump.target
    return {
        "id": dump.id,
        "path": str(dump.path),
        "sidecar": str(dump.sidecar),
        "format": dump.format,
        "mode": dump.mode,
        "trigger": dump.trigger.value,
        "taken": dump.taken.isoformat(),
        "frozen_seconds": dump.frozen,
        "method": dump.method,
        "target": {
            "pid": target.pid,
            "started": target.started,
            "name": target.name,
            "executable": None if target.executable is None else str(target.executable),
        },
        "gaps": map(_gap_text, dump.gaps),
        "threads": map(_thread_text, dump.threads),
        "stuck": map(_thread_text, dump.stuck),
        "verdict": reason.text(dump.verdict),
        "waits": reason.waits_texts(dump.waits),
        "calls": map(_calls_text, dump.calls),
        "calls_after": dump.calls_after,
        "calls_missing": dump.calls_missing,
        "version": dump.version,
        "system": dump.system,
        "window": _window_as_json(target.window),
        "seconds": dump.seconds,
        "size": dump.size,
        "allocated": dump.allocated,
    }


def _window_as_json(window: Window | None) -> dict[str, Any] | None:
    """A window, or null for a target that was picked by pid."""
    if window is None:
        return None
    return {"pid": window.pid, "title": window.title, "hung": window.hung, "thread": window.thread}


def _gap_text(gap: Gap) -> str:
    """A gap as JSON."""
    return f'{{"what": {quoted(gap.what)}, "why": {quoted(gap.why)}, "size": {gap.size}}}'


def _thread_text(thread: Thread) -> str:
    """A thread as JSON, without its registers; those are in the dump."""
    return (
        f'{{"tid": {thread.tid}, "name": {quoted(thread.name)}, "state": {quoted(thread.state)}, '
        f'"waits_in": {quoted(thread.waits_in)}, "waits_on": {quoted(thread.waits_on)}, '
        f'"other_end": {quoted(thread.other_end)}, "back": {thread.back}, '
        f'"busy": {plain(thread.busy)}, "slept": {plain(thread.slept)}}}'
    )


def _calls_text(stack: Stack) -> str:
    """An interpreter's calls as JSON: function, file, line, and whether C called it."""
    frames = [[frame.function, frame.file, frame.line, not frame.inlined] for frame in stack.frames]
    return dumps({"tid": stack.tid, "frames": frames})


def most(dump: Dump) -> Iterator[bytes]:
    """The sidecar of a dump, piece by piece, but for what `rest` gives.

    It names its dump without the folder, so that both can be moved, and a mailed
    sidecar does not tell whose home it came from. Plain ASCII: a name that is not
    UTF-8 survives as an escaped surrogate.
    """
    values = {"schema": SCHEMA, **fields(dump), "path": dump.path.name}
    for key in ("sidecar", *LAST):
        del values[key]
    return streamed.blocks(streamed.pieces(values, LINES._replace(end="")))


def rest(dump: Dump) -> bytes:
    """Its end: what nobody knows before the dump is on the disk."""
    values = fields(dump)
    last = {key: values[key] for key in LAST}
    return "".join(streamed.pieces(last, LINES._replace(begin=LINES.between))).encode()


def text(dump: Dump) -> str:
    """All of it."""
    return b"".join([*most(dump), rest(dump)]).decode()


def read(content: bytes, path: Path) -> Dump:
    """The dump at ``path``, from the content of its sidecar.

    Raises:
        ValueError: It is damaged, of a later version, or no sidecar at all.
    """
    import json

    try:
        mapping = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(mapping, dict) or mapping.get("schema") != SCHEMA:
        raise ValueError("not a sidecar that this version knows")
    return from_json(mapping, path)


def taken(head: bytes) -> datetime | None:
    """When a dump was taken, from the first lines of its sidecar; None where these do not tell."""
    for line in head.splitlines():
        key, _, value = line.partition(b": ")
        if key == b' "taken"':
            with suppress(ValueError, TypeError):
                return _time(value.decode().rstrip(",").strip('"'))
    return None


def from_json(mapping: Mapping[str, Any], path: Path) -> Dump:
    """The dump at ``path`` as `as_json` told it; the path in the mapping is not looked at.

    Raises:
        ValueError: A field is missing or of the wrong kind.
    """
    try:
        return _dump(mapping, path)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"a field is missing or wrong: {error}") from error


def _dump(mapping: Mapping[str, Any], path: Path) -> Dump:
    """A dump, field by field."""
    return Dump(
        id=_text(mapping["id"]),
        path=path,
        format=_text(mapping["format"]),
        mode=_text(mapping["mode"]),
        trigger=Trigger(mapping["trigger"]),
        target=_target(mapping["target"], mapping["window"]),
        taken=_time(mapping["taken"]),
        seconds=_seconds(mapping["seconds"]),
        frozen=_seconds(mapping["frozen_seconds"]),
        method=_text(mapping["method"]),
        size=_whole(mapping["size"]),
        allocated=_whole(mapping["allocated"]),
        threads=tuple(_thread(thread) for thread in mapping["threads"]),
        gaps=tuple(_gap(gap) for gap in mapping["gaps"]),
        version=_text(mapping["version"]),
        system=_text(mapping["system"]),
        stuck=tuple(_thread(thread) for thread in mapping.get("stuck", ())),
        verdict=reason.from_json(mapping.get("verdict")),
        waits=reason.waits_from_json(mapping.get("waits", ())),
        calls=tuple(_calls(stack) for stack in mapping.get("calls", ())),
        calls_after=_seconds(mapping.get("calls_after", 0.0)),
        calls_missing=_text(mapping.get("calls_missing", "")),
    )


def _target(target: Mapping[str, Any], window: Mapping[str, Any] | None) -> Target:
    """A target with its window, if it has one."""
    executable = target["executable"]
    return Target(
        pid=_whole(target["pid"]),
        started=_whole(target["started"]),
        name=_text(target["name"]),
        executable=None if executable is None else Path(_text(executable)),
        window=None if window is None else _window(window),
    )


def _window(window: Mapping[str, Any]) -> Window:
    """A window; whether it is hung may be null."""
    hung, thread = window["hung"], window["thread"]
    if hung is not None and not isinstance(hung, bool):
        raise TypeError(f"{hung!r} is neither yes nor no")
    number = None if thread is None else _whole(thread)
    return Window(_whole(window["pid"]), _text(window["title"]), hung, number)


def _thread(thread: Mapping[str, Any]) -> Thread:
    """A thread without registers."""
    name, state, waits_in = (_text(thread[key]) for key in ("name", "state", "waits_in"))
    busy, slept = thread.get("busy"), thread.get("slept")
    return Thread(
        _whole(thread["tid"]),
        name,
        state,
        waits_in,
        waits_on=_text(thread.get("waits_on", "")),
        other_end=_text(thread.get("other_end", "")),
        back=_whole(thread.get("back", 0)),
        busy=None if busy is None else _seconds(busy),
        slept=None if slept is None else _seconds(slept),
    )


def _calls(stack: Mapping[str, Any]) -> Stack:
    """A thread's calls by its interpreter."""
    return Stack(
        _whole(stack["tid"]),
        tuple(
            Frame(0, _text(function), "", 0, _text(file), _whole(line), not entry, Trust.INTERPRETER)
            for function, file, line, entry in stack["frames"]
        ),
    )


def _gap(gap: Mapping[str, Any]) -> Gap:
    """A gap."""
    return Gap(_text(gap["what"]), _text(gap["why"]), _whole(gap["size"]))


def _text(value: object) -> str:
    """A string, and nothing that merely turns into one."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: object) -> int:
    """A whole number; JSON's true is none, though Python's is."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _seconds(value: object) -> float:
    """A number."""
    return value if isinstance(value, float) else float(_whole(value))


def _time(value: object) -> datetime:
    """An aware time."""
    time = datetime.fromisoformat(_text(value))
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time


def from_name(path: Path, size: int, allocated: int) -> Dump | None:
    """What the file's name alone tells; None for a file that we did not name.

    For dumps whose sidecar is missing or damaged. What is not known is left
    empty, and the trigger is told as the command line.
    """
    name = parse(base(path).stem)
    if name is None:
        return None
    return Dump(
        id=base(path).stem,
        path=path,
        format=FORMATS[base(path).suffix],
        mode=name.mode,
        trigger=Trigger.CLI,
        target=Target(name.pid, 0, name.name),
        taken=name.taken,
        seconds=0.0,
        frozen=0.0,
        method="",
        size=size,
        allocated=allocated,
    )
