"""``hangshot dump``: one process → one dump. Also the worker that the tray starts."""

from __future__ import annotations

import sys
import time
from _thread import interrupt_main
from contextlib import contextmanager

from tray.commands import UNTOLD
from tray.errors import BadSettings, BadUsage, Cancelled, Stalled
from tray.lean import TYPE_CHECKING, UTC, datetime, loading, logger
from tray.model import Retention, Trigger, Window
from tray.modes import MODES, How
from tray.packed import KINDS
from tray.paths import Path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from typing import Any

    from tray.capture import Capture
    from tray.commands.lent import Lent
    from tray.commands.orders import Orders, Ping
    from tray.interrupts import Held
    from tray.model import Dump, Target
    from tray.settings import Settings
    from tray.store import Store

log = logger(__name__)

HELP = "dump a process, or the app in front"

SCHEMA = 1


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "process", nargs="?", metavar="PID|NAME", help="the process to dump; a name, if only one has it"
    )
    parser.add_argument("--foreground", action="store_true", help="dump the app in front, as the hotkey does")
    parser.add_argument(
        "--mode",
        choices=MODES,
        help="what to keep: mini the stacks, heap also the app's own memory, full everything, "
        "triage calls alone, for sharing (default: as in the settings)",
    )
    parser.add_argument(
        "--output", metavar="DIR-or-FILE", help="where to put the dump (default: the folder in the settings)"
    )
    parser.add_argument(
        "--capture",
        choices=[how.value for how in How],
        help="how to read the memory of a Linux app (default: as in the settings)",
    )
    parser.add_argument(
        "--low-impact",
        action="store_true",
        help="give way to all else that wants the processor or the disk (Linux; default: as in the settings)",
    )
    parser.add_argument(
        "--compress",
        choices=KINDS,
        help="pack the dump once the app runs again (default: as in the settings)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    parser.add_argument("--started", type=int, metavar="TICKS", help=UNTOLD)
    parser.add_argument("--request", action="store_true", help=UNTOLD)
    parser.add_argument("--without-handles", action="store_true", help=UNTOLD)
    parser.add_argument("--as-administrator", action="store_true", help=UNTOLD)
    parser.add_argument("--pipes", metavar="NAME", help=UNTOLD)
    parser.add_argument("--only", nargs=2, type=int, help=UNTOLD)


def run(arguments: argparse.Namespace) -> int:
    """Take the dump.

    Raises:
        TrayError: There is none.
    """
    if sum((arguments.request, arguments.foreground, arguments.process is not None)) != 1:
        raise BadUsage("Say which process to dump: a PID, a name, or --foreground.")
    if arguments.request and arguments.as_administrator:
        from tray.commands import elevated
        from tray.commands.orders import Orders

        return elevated.go_between(Orders())
    if arguments.request:
        return _worker(arguments.pipes, arguments.only)
    if arguments.foreground:
        from tray.commands import foreground

        return foreground.run(arguments)
    pid, started = _chosen(arguments.process, arguments.started)
    request = {"pid": pid, "started": started, "mode": arguments.mode, "output": arguments.output}
    request["handles"] = not arguments.without_handles
    request["capture"], request["compress"] = arguments.capture, arguments.compress
    request["low_impact"] = arguments.low_impact
    return _take(request, Trigger.CLI, wanted(), as_json=arguments.json)


def wanted() -> Settings:
    """The settings; a mistake in them must not cost the dump of an app that hangs now."""
    from tray import settings

    try:
        found = settings.load(settings.path())
    except BadSettings as error:
        advice = "The defaults are used instead, and no old dump is removed."
        print(f"hangshot: {error}\n  {advice}", file=sys.stderr)
        return settings.Settings(retention=Retention())
    if found.warnings:
        print("  No old dump is removed until that is mended.", file=sys.stderr)
    return found


def _chosen(process: str, started: int | None) -> tuple[int, int | None]:
    """The process that a PID or a name means."""
    if process.isdecimal():
        return int(process), started
    from tray.capture import named

    return named.process(process)


def _end_after_the_tray() -> None:
    """When the session ends Windows asks the tray first, which waits for us; else we would be ended meanwhile.

    Source: learn.microsoft.com, "SetProcessShutdownParameters".
    """
    if sys.platform == "win32":
        from tray.ffi import user32

        try:
            user32.call("SetProcessShutdownParameters", user32.SHUTDOWN_LATER, 0)
        except OSError as error:
            log.debug("Windows may end us before the tray: %s", error)


def _worker(pipes: str | None, only: list[int] | None) -> int:
    """Wait for one request on standard input or a pipe, then dump; end silently if none comes.

    Args:
        pipes: Where to join them, for a worker that may do more than who asks.
        only: The pid and start time that such a one may be asked for.
    """
    from tray.commands.orders import CANCEL, Orders

    orders, lender = Orders(), None
    _end_after_the_tray()
    if pipes:
        from tray.commands import elevated

        orders, lender = elevated.joined(pipes)
    _prepare()
    import json

    line = orders.line()
    if not line:
        return 0
    if line == CANCEL:
        raise Cancelled("The dump was cancelled.")
    try:
        request = json.loads(line)
        trigger = Trigger(request["trigger"])
        whom = int(request["pid"]), int(request["started"])
        wanted = _chosen_by(request)
    except (ValueError, KeyError, TypeError) as error:
        raise BadUsage(f"The request makes no sense: {error!r}.") from error
    if lender and only != [*whom]:
        raise BadUsage("The user was asked about another app.")
    if sys.platform == "win32":  # elsewhere a signal does it
        orders.obey(interrupt_main)
    request["pid"], request["started"] = whom
    request["lender"] = lender or request.get("lender")
    if sys.platform != "win32":
        time.tzset()  # it may have waited since before a journey
    return _take(request, trigger, wanted, as_json=True, orders=orders)


def _chosen_by(request: dict[str, Any]) -> Settings:
    """What the tray's settings say, as its request has them."""
    from tray.settings import Settings

    return Settings(
        folder=Path(request["folder"]),
        retention=Retention(**request["retention"]),
        capture=How(request.get("capture") or How.AUTO),
        low_impact=bool(request.get("low_impact")),
        compress=_packing(request.get("compress") or KINDS[0]),
    )


def _prepare() -> None:
    """Import all that any dump takes, and open what the system's back end needs, before anybody waits for it."""
    with loading():
        from tray import interrupts, settings
        from tray.capture import capture
        from tray.store import expiry

        parts = [interrupts, settings, expiry]
        if sys.platform == "linux":
            from tray.capture import linux_mini, linux_triage

            parts += [linux_mini, linux_triage]
        here = capture().format
        _load()
    log.debug("ready for %s: %s", here, [part.__name__ for part in parts])


def _load() -> None:
    """Import what a dump takes besides the back end."""
    with loading():
        from tray import flow, store
        from tray.commands import progress

        if sys.platform == "win32":
            from tray.formats import minidump
            from tray.reports import windows_waits

            log.debug("and %s, %s", minidump.__name__, windows_waits.__name__)
    log.debug("loaded: %s", [part.__name__ for part in (flow, store, progress)])


def _take(
    request: dict[str, Any],
    trigger: Trigger,
    wanted: Settings,
    *,
    as_json: bool,
    orders: Orders | None = None,
) -> int:
    """Take one dump and tell about it; gives the exit code. Once it is whole, Ctrl+C comes too late."""
    from tray.interrupts import Held

    taken = datetime.now(UTC)
    output, packing = request.get("output"), _packing(request.get("compress") or wanted.compress)
    ping = _ping(orders) if orders and request.get("pinged") else None
    with Held() as held:
        with held.interruptible():
            mode = _mode(request.get("mode") or wanted.mode)
            request["mode"] = mode.name
            here = _back_end(request, wanted, ping)
            target = here.target(request["pid"], request["started"], _window(request.get("window")))
            if sys.platform == "win32":
                from tray.commands import handover

                if (code := handover.narrow(request, target, orders, as_json=as_json)) is not None:
                    return code
            need = here.estimate(target, mode)
            _load()  # only now: meanwhile the system tells what it is slow to tell
            store = _store(request, wanted, orders)
            if as_json:
                say(_started(target, mode.name, need))
        from tray import flow
        from tray.commands.progress import Reporter
        from tray.store import Store

        with (
            _tried_again(request, target, orders, as_json=as_json),
            Reporter(target.name, as_json=as_json) as reporter,
        ):
            dump = flow.dump(
                here, store, target, mode, trigger, taken,
                need=need, held=held, progress=reporter, output=output, compress=packing,
                settled=ping.settled if ping else None,
            )  # fmt: skip
        if isinstance(store, Store):  # else who lent the files does it
            _done(dump, store, request, held, as_json=as_json)
    return 0


@contextmanager
def _tried_again(
    request: dict[str, Any], target: Target, orders: Orders | None, *, as_json: bool
) -> Iterator[None]:
    """If the system's own dumper hangs over a handle, have it try once more without them."""
    try:
        yield
    except Stalled:
        if request.get("handles", True):
            from tray.commands import handover

            handover.again(request, target, orders, as_json=as_json)
        raise


def _ping(orders: Orders) -> Ping:
    from tray.commands.orders import Ping

    return Ping(orders)


def _back_end(request: dict[str, Any], wanted: Settings, ping: Ping | None) -> Capture:
    """What reads the target, as the request or else the settings want it."""
    how, gentle = request.get("capture") or wanted.capture, request.get("low_impact") or wanted.low_impact
    with loading():
        from tray.capture import capture

        return capture(
            How(how),
            handles=request.get("handles", True),
            low_impact=bool(gentle),
            hung=ping.hung if ping else None,
        )


def _store(request: dict[str, Any], wanted: Settings, orders: Orders | None) -> Store | Lent:
    """Where the dump goes: a folder, or files that somebody lends us."""
    if orders and request.get("lender"):
        from tray.commands import lent

        return lent.Lent(int(request["lender"]), orders, say)
    from tray.store import Store

    return Store(wanted.folder, wanted.retention)


def _started(target: Target, mode: str, estimate: int) -> dict[str, Any]:
    """The event that a dump begins with."""
    return {"event": "started", "target": _whom(target), "mode": mode, "estimate": estimate}


def _done(dump: Dump, store: Store, request: dict[str, Any], held: Held, *, as_json: bool) -> None:
    """Do what follows a dump: remove old ones, tell about it."""
    from tray import flow

    removed = [] if request.get("output") else flow.prune(store)
    if as_json:
        say(dumped(dump, removed))
    else:
        from tray.commands import talk

        talk.tell(dump, removed, request.get("output"))
        talk.explain(dump, held)


def _mode(name: str) -> Any:  # noqa: ANN401 - a Mode; spelt so that the worker need not import more
    if name not in MODES:
        raise BadUsage(f"There is no mode {name!r}; there are {', '.join(MODES)}.")
    return MODES[name]


def _packing(kind: str) -> str:
    if kind not in KINDS:
        raise BadUsage(f"Dumps cannot be packed as {kind!r}; there is {', '.join(KINDS)}.")
    return kind


def _window(fields: dict[str, Any] | None) -> Window | None:
    if not fields:
        return None
    return Window(
        int(fields["pid"]), str(fields.get("title") or ""), fields.get("hung"), fields.get("thread")
    )


def _whom(target: Target) -> dict[str, Any]:
    executable = None if target.executable is None else str(target.executable)
    return {"pid": target.pid, "started": target.started, "name": target.name, "executable": executable}


def dumped(dump: Dump, removed: list[Path]) -> dict[str, Any]:
    """The last line of ``--json``, for `say`: what the sidecar says, less the threads."""
    from tray.store import sidecar

    fields = sidecar.fields(dump)
    del fields["threads"]
    return {"event": "dumped", **fields, "removed": [str(path) for path in removed]}


def say(event: Mapping[str, Any]) -> None:
    """Print an event in a line of its own; it may be long, and is made as it is written."""
    from tray.store import streamed

    sys.stdout.writelines(streamed.pieces({"schema": SCHEMA, **event}))
    sys.stdout.flush()
