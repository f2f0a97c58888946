"""The apps that were in front, most recent first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray.model import Target

MOST = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """An app that was in front.

    Attributes:
        target: The process as it was then: its start time is kept, so that a
            later process with the same pid can never be dumped in its place.
        left: When it went out of front, on the monotonic clock; None if it is there.
        hung: Whether it was found not to answer.
    """

    target: Target
    left: float | None = None
    hung: bool | None = None

    @property
    def key(self) -> tuple[int, int]:
        """What tells processes apart."""
        return self.target.pid, self.target.started


class Recent:
    """The last apps that were in front, each process once."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: list[Seen] = []

    def saw(self, target: Target, now: float) -> None:
        """Note that ``target`` came to the front."""
        new = Seen(target)
        for old in self._seen:
            if old.key == new.key:
                new = Seen(target, hung=old.hung)
        left = [Seen(old.target, now if old.left is None else old.left, old.hung) for old in self._seen]
        self._seen = [new, *(old for old in left if old.key != new.key)][: self._most]

    def mark(self, hung: dict[tuple[int, int], bool | None]) -> None:
        """Note which of them answer."""
        self._seen = [Seen(old.target, old.left, hung.get(old.key, old.hung)) for old in self._seen]

    def drop(self, gone: set[tuple[int, int]]) -> None:
        """Forget the ones that have ended."""
        self._seen = [old for old in self._seen if old.key not in gone]

    @property
    def front(self) -> Seen | None:
        """The app in front now, or last."""
        return self._seen[0] if self._seen else None

    def __iter__(self) -> Iterator[Seen]:
        return iter(tuple(self._seen))
