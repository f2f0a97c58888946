"""A capture from a clone: whether to take one, what it lacks, and what is read from it."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from tray.capture import linux_caution, linux_code, linux_maps, linux_plan
from tray.capture.gaps import Gaps
from tray.capture.linux_aside import MOST, MOST_SHARED, Aside
from tray.capture.linux_clone import Clone, NoClone
from tray.capture.linux_pages import Pages
from tray.capture.linux_parts import Parts
from tray.formats.numbers import Runs
from tray.lean import TYPE_CHECKING
from tray.model import Gap
from tray.modes import How

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray.capture import Progress
    from tray.capture.linux_code import Found
    from tray.capture.linux_files import Files
    from tray.capture.linux_freeze import Freeze
    from tray.capture.linux_maps import Mapping, Mappings
    from tray.capture.linux_plan import Plan
    from tray.ffi.linux import Kernel
    from tray.formats.spool import Spool
    from tray.model import Include


class Shot:
    """The clone of one capture, or the reason why there is none.

    Attributes:
        aside: What was read while the target stood still.
        runs: Start and end, in turn, of what is read from the clone; after `plan`.
    """

    def __init__(self, kernel: Kernel, freeze: Freeze, spool: Spool) -> None:
        self._kernel, self._freeze, self._spool = kernel, freeze, spool
        self._clone = Clone(kernel, freeze)
        self._code: Found | None = None
        self._why_not = ""
        self._apart = linux_plan.Plan()
        self._early = Parts()
        self._known: Mappings | None = None
        self.aside = Aside(spool)
        self.runs = Runs()
        self._taken = False

    @property
    def pid(self) -> int:
        """Of the clone; 0 when there is none."""
        return self._clone.pid

    @property
    def method(self) -> str:
        """For the sidecar: how memory was read, and why not from a clone where that was wanted."""
        if self._taken:
            return "snapshot"
        return f"stop and copy ({self._why_not})" if self._why_not else "stop and copy"

    def consider(self, how: How, mappings: Mappings, files: Files, pages: Pages, *, hung: bool) -> None:
        """Decide whether to take a clone, before the target is stopped."""
        pid = self._freeze.pid
        if how is How.STOP or (how is How.AUTO and (hung or linux_caution.small(self._kernel, pid))):
            return
        self._why_not = linux_caution.against(self._kernel, pid, mappings.kinds)
        if not self._why_not:
            self._why_not = "it has no C library that is known"
            try:
                self._code = linux_code.find(self._kernel, mappings, files, pages)
            except OSError as error:
                self._why_not = f"its code cannot be read: {error.strerror}"
        if self._code:
            self._why_not = ""
            self._known = mappings

    def take(  # noqa: PLR0913, PLR0917 - all that is open meets here
        self,
        mappings: Mappings,
        include: Include,
        pages: Pages,
        files: Files,
        memory: int,
        progress: Progress,
    ) -> bool:
        """Take the clone of the stopped target, if that was decided; else it must be copied as it stands.

        Raises:
            TargetGone: It was killed.
            Cancelled: ``progress`` asked to stop.
        """
        if self._code is None:
            return False
        try:
            self._check(mappings)
            must = self._set_apart(mappings, include, pages, files)
            self._clone.take(mappings, pages, self._code.code)
        except NoClone as reason:
            self._why_not = str(reason)
            return False
        self._taken = True
        self._put_aside(must, memory, progress)
        return True

    def _check(self, mappings: Mappings) -> None:
        """What only the stopped target tells."""
        if self._code is None or (mappings is not self._known and not self._code.holds(mappings)):
            raise NoClone("it has just loaded or unloaded a library")
        held = self._freeze.held()
        if self._freeze.gaps or any(
            one.stuck or not (one.stopped or one.ended or not one.state) for one in held
        ):
            raise NoClone("not all of its threads could be stopped")
        if any(one.state in ("T", "t") for one in held):
            raise NoClone("it is stopped")

    def _set_apart(self, mappings: Mappings, include: Include, pages: Pages, files: Files) -> Runs:
        """Plan for what the clone lacks or shares; gives the runs of what it lacks."""
        lost = linux_plan.large(mappings, include, pages, files, _lacking)
        shared = linux_plan.large(mappings, include, pages, files, _sharing)
        total = shared.runs.size + lost.live.size + shared.live.size
        if lost.runs.size > MOST:
            raise NoClone("it keeps much memory from its children (MADV_DONTFORK)")
        self._apart = linux_plan.joined(lost, shared, self._spool)
        if total <= MOST_SHARED:
            self._early, self._apart.live = self._apart.live, Parts()
            return linux_plan.united(lost.runs, shared.runs, self._spool)
        self.runs = shared.runs
        why = "shared memory, read while the app ran on: it may be newer than the rest"
        self._apart.gaps.append(Gap(f"{total >> 20} MiB", why))
        return lost.runs

    def _put_aside(self, runs: Runs, memory: int, progress: Progress) -> None:
        """Read what cannot wait."""
        gaps: list[Gap] = []
        if runs:
            gaps += self.aside.keep(
                runs, lambda buffer, address: self._kernel.read_memory(memory, buffer, address), progress
            )
        if self._early.runs:
            gaps += self.aside.keep(self._early.runs, self._early.reader(self._kernel), progress)
        self._apart.gaps += gaps
        self._apart.runs = self.aside.runs

    @contextmanager
    def opened(self) -> Iterator[tuple[int, Pages]]:
        """The clone's memory, as it was when the target stood still, and its page map; both open."""
        with ExitStack() as stack:
            self._clone.give_way()
            memory = self._kernel.open_memory(self.pid)
            stack.callback(os.close, memory)
            self._clone.mend(memory)
            pages = Pages(self._kernel, self.pid, self._spool)
            stack.callback(pages.close)
            yield memory, pages

    def plan(self, mappings: Mappings, include: Include, pages: Pages, files: Files) -> Plan:
        """What to store, from the clone and from what was put aside."""
        mappings, missing = self._cloned(mappings)
        own = linux_plan.large(mappings, include, pages, files, lambda kind: kind.cloned)
        own.gaps += missing
        total, own_runs = linux_plan.joined(self._apart, own, self._spool), own.runs
        total.runs = linux_plan.united(total.runs, self.runs, self._spool)
        self.runs = linux_plan.united(self.runs, own_runs, self._spool)
        return total

    def _cloned(self, mappings: Mappings) -> tuple[Mappings, Gaps]:
        """The mappings less those that the clone should have and has not, and these."""
        maps = f"/proc/{self.pid}/maps"
        if linux_maps.fingerprint(self._kernel.blocks(maps)) == mappings.fingerprint:
            return mappings, Gaps()
        here = linux_maps.listed(self._kernel.blocks(maps), self._spool).edges
        cloned = mappings.places(lambda kind: kind.cloned and not kind.special)
        missing = [place for place in cloned if not _has(here, *mappings.span(place))]
        why = "kept from the clone at the last moment"
        gaps = (Gap(str(one), why, one.size) for one in map(mappings.made, missing))
        return mappings.without(frozenset(missing)) if missing else mappings, Gaps(gaps)

    def dismiss(self) -> None:
        """The clone has been read: let it end by itself and forget what was put aside; `end` must still be called."""
        self._clone.dismiss()
        self.aside.close()

    def end(self) -> None:
        """End the clone and forget what was put aside. Never raises; callable twice."""
        self._clone.end()
        self.aside.close()


def _lacking(kind: Mapping) -> bool:
    """Whether a clone lacks mappings of this kind."""
    return bool(kind.flags & {linux_maps.NOT_INHERITED, linux_maps.WIPED})


def _sharing(kind: Mapping) -> bool:
    """Whether a clone shares mappings of this kind."""
    return kind.shared and not _lacking(kind)


def _has(edges: Runs, start: int, end: int) -> bool:
    """Whether one of the mappings with these edges begins and ends there."""
    index = edges.rank(start) - 1
    return index >= 0 and index % 2 == 0 and [*edges[index : index + 2]] == [start, end]
