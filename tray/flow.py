"""Target, mode and trigger → dump: the one file that sees all parts."""

from __future__ import annotations

import os
import sys
import time
from contextlib import nullcontext

from tray import __version__, packed, reports
from tray.capture import nothing, started
from tray.errors import BadDump, CaptureFailed, TrayError
from tray.formats import core
from tray.lean import TYPE_CHECKING, UTC, Protocol, datetime, logger, replace, unswept
from tray.model import Dump, Include
from tray.reports import why

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO, Self

    from tray.capture import Capture, Progress
    from tray.interrupts import Held
    from tray.model import Captured, Mode, Report, Target, Trigger
    from tray.store import Store

log = logger(__name__)


class Unfinished(Protocol):
    """A dump while it is written, as `tray.store.Partial` is one."""

    file: BinaryIO
    path: Path

    @property
    def id(self) -> str:
        """The id of the dump to be."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def scratch(self) -> BinaryIO:
        """A private file without a name."""
        ...

    def begin_sync(self) -> None:
        """Let what was written go to the disk meanwhile; nothing the second time."""
        ...

    def tell(self, dump: Dump) -> None:
        """Take note of what is known about it before it is there."""
        ...

    def sync(self) -> None:
        """Wait until it is there."""
        ...

    def finish(self, describe: Callable[[int, int], Dump]) -> Dump:
        """Give it its name."""
        ...


class Keeper(Protocol):
    """Where dumps are written: a `tray.store.Store`, or one that belongs to somebody else."""

    def begin(  # noqa: PLR0913 - a name is made of all this
        self,
        target: Target,
        mode: Mode,
        suffix: str,
        taken: datetime,
        *,
        need: int,
        output: Path | str | None = None,
    ) -> Unfinished:
        """Open the unfinished file of a new dump."""
        ...


def dump(  # noqa: PLR0913, PLR0917 - all that makes a dump meets here
    capture: Capture,
    store: Keeper,
    target: Target,
    mode: Mode,
    trigger: Trigger,
    taken: datetime,
    *,
    need: int,
    held: Held,
    progress: Progress,
    output: Path | str | None = None,
    compress: str = packed.KINDS[0],
    settled: Callable[[Target, float], Target] | None = None,
) -> Dump:
    """Take a dump of ``target``, verified and on the disk under its own name.

    Args:
        capture: Reads the target.
        store: Keeps the file.
        target: From ``capture.target``.
        mode: What to keep.
        trigger: Why.
        taken: When the key went down, aware.
        need: About how many bytes it will take: `Capture.estimate`.
        held: Keeps Ctrl+C back; let in until the dump is about to get its name.
        progress: Told while memory is copied.
        output: A folder or file instead of the store's own folder.
        compress: How to pack it, once the target runs again; one of `packed.KINDS`.
        settled: Gives the target as the sidecar shall tell it, when all else is done; it may wait.
            Also gets how many seconds it was frozen.

    Raises:
        TrayError: Any of its family. The target runs on and no file is left.
        KeyboardInterrupt: Likewise, whatever the moment that Ctrl+C came in.
    """
    began = time.monotonic()
    packing = compress != packed.KINDS[0]
    suffix, need = capture.suffix + packed.SUFFIX * packing, need * (1 + packing)
    with unswept(), store.begin(target, mode, suffix, taken, need=need, output=output) as partial:
        with partial.scratch() if packing else nullcontext(partial.file) as file:
            with held.interruptible():
                written = nothing if packing else partial.begin_sync
                captured = capture.write(target, mode, file, progress, trigger, written=written)
            written()
            if Include.STACKS not in mode.include:
                target, captured = _for_strangers(target, captured)
            with held.interruptible():
                found = _seen(file, captured)
                if packing:
                    packed.pack(file, partial.file)
        dump = _described(partial, target, mode, trigger, taken, captured, found)
        partial.tell(dump)
        with held.interruptible():
            partial.sync()
            target = settled(target, captured.frozen) if settled else target
        return partial.finish(
            lambda size, allocated: replace(
                dump, target=target, seconds=time.monotonic() - began, size=size, allocated=allocated
            )
        )


def _described(  # noqa: PLR0913, PLR0917 - as above
    partial: Unfinished,
    target: Target,
    mode: Mode,
    trigger: Trigger,
    taken: datetime,
    captured: Captured,
    found: why.Why | None,
) -> Dump:
    """All that is known of a dump before it has its name; how large it is, and how long it took, comes last."""
    return Dump(
        id=partial.id,
        path=partial.path,
        format=captured.format,
        mode=mode.name,
        trigger=trigger,
        target=target,
        taken=taken,
        seconds=0.0,
        frozen=captured.frozen,
        method=captured.method,
        size=0,
        allocated=0,
        threads=captured.threads,
        gaps=captured.gaps,
        stuck=captured.stuck,
        verdict=found.verdict if found else None,
        waits=found.waits if found else (),
        version=__version__,
        system=_system(),
    )


def explain(path: Path) -> tuple[Report, Path]:
    """Read why a finished dump's app hangs, with its call stacks, and write that beside it.

    Gives the report, and where its text lies. The text leaves out what tells about a person.
    It takes as long as the readers may: seconds.

    Raises:
        NoDump: There is no such dump.
        BadDump: It cannot be read.
        NotWritten: The report could not be written.
    """
    from tray.reports import reader

    with reports.begun(path, reader.READERS) as made:  # which takes its time; what follows is done meanwhile
        from tray.reports import brief, redact
        from tray.store import beside, described

        known = described(path)
        report = made(_asked(known) if known else None)
    if report.dump:
        report = replace(report, dump=replace(report.dump, verdict=why.known(report)))
    hide = redact.words(report)
    text = hide(brief.text(redact.redacted(report)))
    return report, beside.update(path, report.dump, text)


def _asked(dump: Dump) -> Dump:
    """The dump with its Python calls, where only the app itself can tell them, and hangs on."""
    from tray.reports import py_spy, python_calls

    modes, ask = {
        "elf-core": (("mini",), python_calls.of_process),  # the others hold what pystack reads
        "minidump": (("mini", "heap", "full"), py_spy.of_process),
    }[dump.format]
    if dump.calls or dump.mode not in modes or not _lives(dump.target):
        return dump
    if not python_calls.is_python(reports.make(dump.path, None).modules):
        return dump
    calls, missing = ask(dump.target.pid)
    if not _lives(dump.target):
        return dump
    return replace(dump, calls=calls, calls_after=_since(dump), calls_missing=missing)


def _since(dump: Dump) -> float:
    """Seconds since the end of a capture; 0 if the clock was set back meanwhile."""
    return max(0.0, (datetime.now(UTC) - dump.taken).total_seconds() - dump.seconds)


def _lives(target: Target) -> bool:
    """Whether this very process still runs."""
    try:
        return started(target.pid) == target.started
    except (TrayError, OSError):
        return False


def _system() -> str:
    """What this runs on, for the sidecar."""
    if sys.platform != "win32":
        here = os.uname()
        return f"{here.sysname} {here.release} {here.machine}"
    import platform  # which takes its time to load

    return f"{platform.system()} {platform.release()} {platform.machine()}"


def prune(store: Store) -> list[Path]:
    """Remove what has expired; that this fails is no reason to call a good dump failed."""
    try:
        return store.prune()
    except (OSError, TrayError) as error:
        log.warning("Old dumps could not be removed: %s", error)
        return []


def _for_strangers(target: Target, captured: Captured) -> tuple[Target, Captured]:
    """What the sidecar of a dump of calls alone says: no window's title, and no file's place."""
    threads, stuck = (
        tuple(replace(one, waits_on="") for one in some) for some in (captured.threads, captured.stuck)
    )
    return replace(target, window=None, executable=None), replace(captured, threads=threads, stuck=stuck)


def verified(kind: str) -> Callable[[BinaryIO, int], core.Core | None]:
    """How a file of this format is seen to be whole before it gets its name; gives a reader, if it took one."""
    if kind == core.Core.format:
        return core.verified
    from tray.formats import minidump

    return minidump.verify


def _seen(written: BinaryIO, captured: Captured) -> why.Why | None:
    """Why the target hangs, where that can be told; before, the file is read back to see that it is whole.

    Raises:
        CaptureFailed: It is not; better no dump than half a one.
    """
    with os.fdopen(os.dup(written.fileno()), "rb", buffering=0) as file:
        try:
            read = verified(captured.format)(file, len(captured.threads))
        except BadDump as error:
            raise CaptureFailed(f"The dump came out damaged and was removed: {error}") from error
        try:
            return why.at_once(file, captured, read)
        finally:
            if read:
                read.close()
