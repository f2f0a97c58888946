"""What a dump lacks, one by one while that is little: an app may keep 30,000 mappings to itself."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING
from tray.model import Gap

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

MOST = 200
"""So many of one reason are told one by one."""


class Gaps(list[Gap]):
    """A list in which the further gaps of a reason become one, last."""

    def __init__(self, gaps: Iterable[Gap] = ()) -> None:
        super().__init__()
        self._counts: dict[str, int] = {}
        self._rests: dict[str, int] = {}
        self += gaps

    def append(self, gap: Gap) -> None:
        """Add one."""
        count = self._counts[gap.why] = self._counts.get(gap.why, 0) + 1
        if count > MOST + 1:
            place = self._rests[gap.why]
            self[place] = Gap(f"{count - MOST} more", gap.why, self[place].size + gap.size)
            return
        self._rests[gap.why] = len(self)
        super().append(gap if count <= MOST else Gap("1 more", gap.why, gap.size))

    def __iadd__(self, gaps: Iterable[Gap]) -> Self:  # type: ignore[override,misc] # a list takes any object there
        for gap in gaps:
            self.append(gap)
        return self
