"""What ``hangshot dump`` tells a person who waits for it."""

from __future__ import annotations

import sys
from contextlib import suppress

from tray import flow
from tray.errors import TrayError
from tray.lean import TYPE_CHECKING
from tray.packed import SUFFIX
from tray.paths import Path
from tray.printable import printable
from tray.sizes import shown

if TYPE_CHECKING:
    from tray.interrupts import Held
    from tray.model import Dump


def tell(dump: Dump, removed: list[Path], output: str | None) -> None:
    """The path on standard output, for a script; the talk on standard error, for a person."""
    with suppress(OSError):  # nobody need listen
        _talk(dump, removed, output)
    try:
        print(dump.path, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        cause = f"The dump is whole, but its path could not be printed: {error.strerror}."
        raise TrayError(cause, hint=f"It is {dump.path}") from error


def _talk(dump: Dump, removed: list[Path], output: str | None) -> None:
    """What a person wants to know at once."""
    gaps = f", {len(dump.gaps)} gaps" if len(dump.gaps) > 1 else ", 1 gap" if dump.gaps else ""
    print(
        f"Dumped {printable(dump.target.name)} ({dump.target.pid}): {shown(dump.allocated)}, {dump.mode}; "
        f"it stood still for {dump.frozen:.3f} s{gaps}.",
        file=sys.stderr,
    )
    for gap in dump.gaps[:5]:
        print(f"  missing: {printable(gap.what)}: {gap.why}", file=sys.stderr)
    if removed:
        print(f"  {len(removed)} old dump(s) removed, as the settings say.", file=sys.stderr)
    if output and dump.path.name == Path(output).name + SUFFIX:
        print(f"  It is packed, so {SUFFIX} was added to its name.", file=sys.stderr)
    if dump.verdict:
        print(f"  {_sentence(dump)}", file=sys.stderr)


def _sentence(dump: Dump) -> str:
    """Why it hangs, as far as that is known at once."""
    return printable(f"{dump.verdict.sentence}.") if dump.verdict else ""


def explain(dump: Dump, held: Held) -> None:
    """Say in which functions it hangs, and where the report is; neither an error nor Ctrl+C costs more than that."""
    try:
        with held.interruptible():
            report, text = flow.explain(dump.path)
        from tray.commands.explain import told

        lines = [line for line in told(report)[:1] if line != _sentence(dump)]
        lines.append(f"Report: {text}")
    except KeyboardInterrupt:
        lines = ["There is no report, for you stopped it; 'hangshot explain' makes one."]
    except (TrayError, OSError) as error:
        hint = error.hint if isinstance(error, TrayError) else ""
        lines = [f"There is no report: {error}", *([hint] if hint else [])]
    with suppress(OSError):
        for line in lines:
            print(f"  {printable(line, bytes_too=True)}", file=sys.stderr)
