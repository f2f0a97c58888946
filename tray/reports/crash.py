"""What a crash handler's dump was written for."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING
from tray.reports.names import last

if TYPE_CHECKING:
    from tray.model import Report


def sentences(report: Report) -> list[str]:
    """The crash in one sentence; none for a dump of a hang."""
    if not (found := report.crash):
        return []
    module = next((one for one in report.modules if one.start <= found.pc < one.end), None)
    place = f"{last(module.path)}+0x{found.pc - module.start:x}" if module else f"0x{found.pc:x}"
    name = f" ({found.name})" if found.name else ""
    return [f"thread {found.tid} raised exception 0x{found.code:x}{name} at {place}"]
