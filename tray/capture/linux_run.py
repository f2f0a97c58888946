"""One capture on Linux.

Its order: open what is needed, stop all threads, read registers and the memory
map, copy the process's own memory, let go; then copy what comes from files only.
With a snapshot the memory is cloned instead of copied, and copied from the clone
once the process has been let go.

Source: core(5), ptrace(2), proc(5).
"""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import ExitStack

from tray.capture import (
    linux_caution,
    linux_ends,
    linux_facts,
    linux_files,
    linux_maps,
    linux_notes,
    linux_plan,
    linux_shared,
    linux_target,
    nothing,
)
from tray.capture.copy import Copy
from tray.capture.gaps import Gaps
from tray.capture.linux_files import Files
from tray.capture.linux_freeze import Freeze
from tray.capture.linux_output import Output
from tray.capture.linux_pages import Pages
from tray.capture.linux_snapshot import Shot
from tray.capture.linux_vectors import Vectors
from tray.errors import AccessDenied, CaptureFailed, NoTarget, TargetGone
from tray.formats import core_write
from tray.formats.spool import Spool
from tray.lean import TYPE_CHECKING, replace, unswept
from tray.model import Captured, Gap, Include, Snapshot
from tray.modes import How

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from tray.capture import Progress
    from tray.capture.linux_maps import Mapping
    from tray.capture.linux_triage import Triage
    from tray.ffi.linux import Kernel
    from tray.formats.numbers import Runs
    from tray.model import Mode, Target, Thread

_MODEST = 10
"""How much nicer than the target what copies its clone is."""
_TOLD = ("stat", "status", "cmdline", "auxv")
"""Files of /proc about the target that a dump quotes."""


class Run:
    """One capture; `main` does it, on the thread that traces.

    Attributes:
        cancelled: Set from outside to have it stop.
        frozen: Whether the target may be standing still.
        moved: Bytes copied so far.
        looked: Blocks of the target's memory map that were read before it was stopped.
        error: What went wrong, after `main`.
        sample: CPU times from some time before, to tell who is busy.
        how: Whether to copy the memory or to clone it.
        hung: Tells whether the target's window hangs, if the target itself does not.
        low_impact: Whether to give way to all else, once the target runs again.
        written: Called when all is in the file.
        smaps: What the file of this name says, if it is read already.
    """

    def __init__(
        self, kernel: Kernel, target: Target, mode: Mode, file: BinaryIO, progress: Progress
    ) -> None:
        self.kernel, self.target, self.mode, self.file = kernel, target, mode, file
        self.progress = progress
        self.how = How.AUTO
        self.hung: Callable[[], bool | None] | None = None
        self.low_impact = False
        self.written: Callable[[], object] = nothing
        self.smaps: Iterator[bytes] | None = None
        self.cancelled = self.frozen = False
        self.moved = self.looked = 0
        self.error: BaseException | None = None
        self.sample: linux_facts.Sample | None = None
        self.freeze = Freeze(kernel, target.pid, Vectors(file.fileno()))
        self.spool = Spool(file.fileno())
        self.shot = Shot(kernel, self.freeze, self.spool)
        self.output = Output(kernel, file.fileno())
        self.threads: tuple[Thread, ...] = ()
        self.plan = linux_plan.Plan()
        self._gaps = Gaps()
        self._busy: dict[int, float] = {}
        self._slept: dict[int, float] = {}
        self._ends: dict[int, tuple[str, int]] = {}
        self._layout = core_write.Layout(0, 0, 0, 0, 0)
        self._mapped = linux_maps.Mappings()
        self._triage: Triage | None = None
        self._told_of: dict[str, bytes] = {}
        self._area = b""

    def captured(self) -> Captured:
        """What came of it."""
        gaps = (*self.freeze.gaps, *self.plan.gaps, *self._gaps)
        stuck = self.freeze.stuck()
        return Captured("elf-core", self.threads, self.freeze.seconds, self.shot.method, gaps, stuck)

    def main(self) -> None:
        """Everything, on the tracing thread; what goes wrong is left in ``error``."""
        try:
            with ExitStack() as open_files:
                self._capture(open_files)
        except OSError as error:
            self.error = self._meaning(error)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self.error = error

    def _meaning(self, error: OSError) -> BaseException:
        """A failed request about the target in our words; others, as a full disk, stay as they are."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
            return error
        if error.errno == errno.ESRCH or linux_target.ending(self.kernel, self.target.pid):
            return TargetGone(f"{self.target.name} ({self.target.pid}) ended while it was being dumped.")
        if error.errno in (errno.EPERM, errno.EACCES):
            return AccessDenied(
                f"{self.target.name} cannot be read: {error.strerror}.", hint="See 'hangshot doctor'."
            )
        return CaptureFailed(f"{self.target.name} could not be dumped: {error.strerror}.")

    def _capture(self, open_files: ExitStack) -> None:
        pid = self.target.pid
        memory = self.kernel.open(f"/proc/{pid}/mem")
        open_files.callback(os.close, memory)
        pages = Pages(self.kernel, pid, self.spool)
        open_files.callback(pages.close)
        files = Files(self.kernel, pid)
        open_files.callback(files.close)
        open_files.callback(self.shot.end)
        open_files.callback(self.output.close)
        open_files.callback(self.spool.close)
        open_files.callback(self.freeze.vectors.forget)
        open_files.enter_context(unswept())  # nobody looks through all of us while the target stands still
        try:
            self._look_around(files)
            self._hold(files, pages)
            self._read_target(memory)
            if not self.shot.take(self._mapped, self.mode.include, pages, files, memory, self._stopped):
                self._copy_target(memory, pages, files)
            if not self._triage:
                self.freeze.read_and_release()
        finally:
            self.freeze.release()
            self.frozen = False
        if self.shot.pid:
            self._copy_clone(self._snapshot(), files)
        else:
            self._write_head(self._snapshot())
        self._copy_parts(live=False)
        if self._triage:
            self._strip(self._triage)
        self.written()
        self.threads = linux_ends.told(self.kernel, self.threads, pid)

    def _strip(self, triage: Triage) -> None:
        """Take out of the file what strangers shall not see; the target runs already."""
        for start, end, offset in self._places():
            content = bytearray(end - start)
            self.kernel.read_file(self.file.fileno(), memoryview(content), offset)
            self.output.write(memoryview(triage.strip(start, bytes(content))), offset)

    def _copy_target(self, memory: int, pages: Pages, files: Files) -> None:
        """Copy the memory of the target, which stands still, behind the room for the head, which can wait."""
        auxv, threads = self._told_of["auxv"], self.freeze.seen()
        read = linux_shared.reading(self.kernel, memory)
        if Include.HEAP in self.mode.include:
            self.plan = linux_plan.large(self._mapped, self.mode.include, pages, files)
        elif Include.STACKS not in self.mode.include:
            from tray.capture.linux_triage import Triage

            self._triage = Triage(threads, self._mapped, auxv, read)
            self.plan = linux_plan.small(self._mapped, self._triage.pages)
        else:
            from tray.capture import linux_mini

            wanted = linux_mini.pages(threads, self._mapped, auxv, read, pages.own)
            self.plan = linux_plan.small(self._mapped, wanted)
        self._area = b"" if self._triage else self.freeze.area()
        self._lay_out(core_write.room(len(threads), self._area, auxv, self._files()))
        self._copy(self.plan.runs, lambda buffer, address: self.kernel.read_memory(memory, buffer, address))
        self._copy_parts(live=True)

    def _copy_clone(self, snapshot: Snapshot, files: Files) -> None:
        """The same from the clone, while the target runs: it goes first, for what it writes now costs it more."""
        try:
            if self.low_impact:
                self.kernel.give_way()
            elif not linux_caution.brief(self.kernel, self.shot.pid):
                _step_back()
            with self.shot.opened() as (memory, pages):
                self.plan = self.shot.plan(self._mapped, self.mode.include, pages, files)
                self._write_head(snapshot)
                self._copy(self.shot.aside.runs, self.shot.aside.read)
                self._copy_parts(live=True)
                self._copy(
                    self.shot.runs, lambda buffer, address: self.kernel.read_memory(memory, buffer, address)
                )
        except (TargetGone, ProcessLookupError, FileNotFoundError) as error:
            raise CaptureFailed(
                f"The clone of {self.target.name} was ended, as when memory runs short.",
                hint="Try again with --capture stop, which needs no clone.",
            ) from error
        self.shot.dismiss()  # for the system to take apart what is not small, on another processor

    def _look_around(self, files: Files) -> None:
        """What a copy of memory needs and can be found out before the target is stopped: the map, flags, files."""
        if Include.HEAP in self.mode.include:
            smaps = self.smaps or self.kernel.blocks(f"/proc/{self.target.pid}/smaps")
            self._mapped = linux_maps.flagged(self._meanwhile(smaps), self.spool)
            files.open(self._mapped.each(lambda kind: kind.inode and self._from_file(kind) and kind.module))
            files.open(self._mapped.each(lambda kind: kind.fileless))
            files.open(self._mapped.each(lambda kind: kind.inode and self._from_file(kind)))
            return
        self._mapped = linux_maps.listed(self._meanwhile(self._maps()), self.spool)
        if Include.STACKS in self.mode.include:
            from tray.capture import linux_mini  # noqa: F401 - not when the target stands still
        else:
            from tray.capture import linux_triage  # noqa: F401 - as above

    def _meanwhile(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Blocks of a file that may be long; a target that does not answer is stopped before the end of it.

        There is nothing to disturb then, and what it is at now is wanted. One that answers
        stands still for a moment only, before which all must be known.
        """
        due = linux_facts.SAMPLE + (self.sample.at if self.sample else time.monotonic())
        undecided = self.how is not How.SNAPSHOT
        for block in blocks:
            self.looked += bool(block)
            yield block
            if undecided and time.monotonic() > due:
                undecided = False
                if self._hangs() and not linux_files.serves(self.target.pid):
                    self._sit_out()
                    self._stop()

    def _hold(self, files: Files, pages: Pages) -> None:
        """Decide how to read the target's memory, and stop it, unless it stands still already."""
        if self.frozen:
            return
        self._sit_out()
        if Include.HEAP in self.mode.include:
            self.shot.consider(self.how, self._mapped, files, pages, hung=self._hangs())
        self._stop()

    def _sit_out(self) -> None:
        """See who is busy; by the end of this a window has had time to answer."""
        self._busy = linux_facts.busy(self.kernel, self.sample, self.target.pid)

    def _stop(self) -> None:
        self._slept = linux_facts.slept(self.kernel, self.target.pid)
        self.frozen = True
        self.freeze.stop()
        self._check_identity()

    def _hangs(self) -> bool:
        """Whether its window hangs, as far as that is known yet."""
        window = self.target.window
        return bool(self.hung() if self.hung else window and window.hung)

    def _from_file(self, mapping: Mapping) -> bool:
        return not mapping.shared or mapping.fileless or Include.MAPPED_FILES in self.mode.include

    def _check_identity(self) -> None:
        """The pid may have changed hands between the choice of the target and the stop."""
        try:
            same = linux_target.started(self.kernel, self.target.pid) == self.target.started
        except NoTarget:
            same = False
        if not same:
            raise TargetGone(f"{self.target.name} ({self.target.pid}) ended before it could be dumped.")

    def _read_target(self, memory: int) -> None:
        """Everything about the stopped target, but its memory, that may be another once it runs."""
        pid = self.target.pid
        self.freeze.read()
        read, seen = linux_shared.reading(self.kernel, memory), self.freeze.seen()
        self._ends = linux_shared.ends(self.kernel, seen, read, pid)
        self._mapped = self._mappings()
        self._told_of = {name: self.kernel.bytes(f"/proc/{pid}/{name}") for name in _TOLD}

    def _mappings(self) -> linux_maps.Mappings:
        """The memory map of the stopped target; it is read anew only if it has changed since."""
        if linux_maps.fingerprint(self._maps()) == self._mapped.fingerprint:
            return self._mapped
        now = linux_maps.listed(self._maps(), self.spool, self._mapped.flags_at)
        if Include.HEAP not in self.mode.include or now.edges == self._mapped.edges:
            return now
        return linux_maps.flagged(self.kernel.blocks(f"/proc/{self.target.pid}/smaps"), self.spool)

    def _maps(self) -> Iterator[bytes]:
        return self.kernel.blocks(f"/proc/{self.target.pid}/maps")

    def _snapshot(self) -> Snapshot:
        """Everything about the target but its memory."""
        pid, window = self.target.pid, self.target.window
        seen = self.freeze.threads(window.thread if window else None)
        self.threads = linux_facts.told(seen, self._busy, pid, self._slept, self._ends)
        stat, status, words = (os.fsdecode(self._told_of[name]) for name in ("stat", "status", "cmdline"))
        fields = stat[stat.rindex(")") + 2 :].split()
        return Snapshot(
            pid=pid,
            parent=int(fields[1]),
            uid=int(status.split("\nUid:", 1)[1].split()[0]),
            gid=int(status.split("\nGid:", 1)[1].split()[0]),
            state=self.threads[0].state,
            name=stat[stat.index("(") + 1 : stat.rindex(")")],
            arguments=words.replace("\0", " ").rstrip(),
            threads=self.threads,
            mappings=self._files(),
            auxv=self._told_of["auxv"],
        )

    def _files(self) -> linux_notes.FileMappings:
        return linux_notes.FileMappings(self._mapped, str(self.target.executable))

    def _lay_out(self, notes: int) -> None:
        """Give everything its place behind so many bytes of notes; what is never written stays a hole."""
        self._layout = core_write.layout(self.plan.memory, notes)
        os.ftruncate(self.file.fileno(), self._layout.size)
        self.output.prepare(self.plan.size, hurry=self.frozen and not self.low_impact)

    def _write_head(self, snapshot: Snapshot) -> None:
        """Write notes and headers."""
        snapshot = self._triage.told(snapshot) if self._triage else snapshot
        notes = linux_notes.write(snapshot, self._vectors, self.output.write)
        self.freeze.vectors.forget()
        if not self._layout.size:
            self._lay_out(notes)
        for position, content in core_write.headers(self.plan.memory, replace(self._layout, notes=notes)):
            view, at = memoryview(content), position
            while view:
                count = self.output.write(view, at)
                view, at = view[count:], at + count

    def _vectors(self, thread: Thread) -> tuple[bytes, bytes]:
        """`Thread.floating` and `Thread.extended`, as far as there is room."""
        if self._triage:
            return b"", b""
        floating, extended = self.freeze.wide(thread)
        if self._layout.size and len(extended) > len(
            self._area
        ):  # all have as many, but asking may have failed
            self._gaps.append(Gap(f"AVX registers of thread {thread.tid}", "there was no room for them"))
            return floating, b""
        return floating, extended

    def _copy(self, runs: Runs, read: Callable[[memoryview, int], int]) -> None:
        """Copy runs of the target's address space to their places in the file."""
        if not runs:
            return
        copy = Copy(read, self.output.write, self._told, self.plan.size, done=self.moved, name=self._name)
        try:
            copy.run(runs, self._places())
        finally:
            self.moved = copy.done
            self._gaps += copy.gaps

    def _copy_parts(self, *, live: bool) -> None:
        """Copy what comes from files; what lies behind the end of a file is a gap, as it is for the target."""
        parts = self.plan.live if live else self.plan.parts
        self._copy(parts.runs, parts.reader(self.kernel))

    def _places(self) -> Iterator[tuple[int, int, int]]:
        return core_write.places(self.plan.memory, self._layout)

    def _stopped(self, done: int, total: int) -> bool:  # noqa: ARG002 - a `Progress` that tells nobody
        return self.cancelled

    def _told(self, done: int, total: int) -> bool:
        self.moved = done
        return self.progress(done, total) or self.cancelled

    def _name(self, start: int, end: int) -> str:
        """A stretch of memory, for a gap, with its file."""
        path = mapping.path if (mapping := self._mapped.at(start)) else ""
        return f"{start:x}-{end:x} {path}".rstrip()


def _step_back() -> None:
    """Let others have the processor first, from now on and on this thread and those it starts."""
    if sys.platform != "win32":
        os.nice(_MODEST)
