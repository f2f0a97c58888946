"""One capture on Windows: open, remember, snapshot or not, MiniDumpWriteDump, and what follows from its failures.

Source: learn.microsoft.com, "MiniDumpWriteDump function".
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import ExitStack

from tray import __version__
from tray.capture import windows_memory, windows_snapshot, windows_target, windows_threads
from tray.capture.windows_asked import Asking
from tray.capture.windows_callback import Answers
from tray.capture.windows_flags import Ladder
from tray.capture.windows_pointed import Pointed
from tray.capture.windows_shared import Shared
from tray.errors import AccessDenied, CaptureFailed, TargetGone, TrayError, Unsupported
from tray.ffi import dbghelp, win32
from tray.ffi.win32 import code
from tray.lean import TYPE_CHECKING, replace
from tray.model import Captured, Gap, Include

if TYPE_CHECKING:
    from typing import BinaryIO

    from tray.capture import Progress
    from tray.capture.windows_asked import Sample
    from tray.capture.windows_callback import Added
    from tray.capture.windows_snapshot import Clone
    from tray.ffi.win32 import Stretch, System
    from tray.model import Mode, Target, Trigger
    from tray.verdicts import Asked

_32_BIT_VIEW = "the 32-bit view of its threads (in WinDbg: .load wow64exts, then !wow64exts.sw)"
_NO_32_BIT = "it is a 32-bit program, and there is no 32-bit Hangshot here"
_NO_SHARED = "a snapshot has no memory that is shared with other programs"
_ERRNOS = (errno.ENOSPC, errno.EFBIG, errno.EROFS)


LARGE = 512 << 20
"""Bytes that dbghelp writes in a second or two; until then a cancel can wait."""


class Run:
    """One capture; `main` does it, on the one thread that calls dbghelp.

    Attributes:
        frozen: Whether the target may be standing still.
        error: What went wrong, after `main`.
        suspensions: How the target's threads were before; `undo` it if `main` never ends.
        handles: Whether to list the target's handles, where the mode has them; False after that made dbghelp hang.
        may_clone: Whether a snapshot may be dumped in the target's place.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that makes a dump meets here
        self,
        system: System,
        target: Target,
        mode: Mode,
        file: BinaryIO,
        progress: Progress,
        trigger: Trigger | None = None,
        before: Sample | None = None,
    ) -> None:
        self.system, self.target, self.mode, self.file = system, target, mode, file
        self.frozen = False
        self.error: BaseException | None = None
        self.suspensions: windows_threads.Suspensions | None = None
        self.handles = self.may_clone = True
        self._ladder: Ladder | None = None
        self._progress, self._trigger, self._before = progress, trigger, before
        self._cancelled = False
        self._answers: Answers | None = None
        self._captured: Captured | None = None
        self._gaps: list[Gap] = []
        self._left_out: list[Gap] = []
        self._states: windows_threads.States = {}
        self._seconds = 0.0
        self._most = self._total = 0
        self._stretches: list[Stretch] = []
        self._asked: Asked | None = None
        self._busy: dict[int, float] = {}

    @property
    def moved(self) -> int:
        """Grows as long as dbghelp is alive."""
        return self._answers.asked + self._length() if self._answers else 0

    def look(self) -> None:
        """Tell the progress what dbghelp has written by itself, and obey it."""
        if (
            self.frozen
            and self._answers
            and not self._answers.done
            and self._grow(self._length(), self._total)
        ):
            self.cancel()

    def _length(self) -> int:
        try:
            return os.fstat(self.file.fileno()).st_size
        except (OSError, ValueError):  # closed, since the dump is done or given up
            return 0

    @property
    def lists_handles(self) -> bool:
        """Whether dbghelp is at work on a dump with the target's handles."""
        return bool(self._ladder and self._ladder.flags & dbghelp.MiniDumpWithHandleData)

    def cancel(self) -> None:
        """Have it stop at the next question of dbghelp's; from any thread."""
        self._cancelled = True
        if self._answers:
            self._answers.cancelled = True

    def let_go(self) -> None:
        """Undo what dbghelp has left suspended; from any thread."""
        if self.suspensions:
            self.suspensions.undo(self._answers.met if self._answers else ())

    def captured(self) -> Captured:
        """What came of it.

        Raises:
            CaptureFailed: Nothing did.
        """
        if self._captured is None:
            raise CaptureFailed(f"{self.target.name} could not be dumped.")
        return self._captured

    def main(self) -> None:
        """Everything, on one thread; what goes wrong is left in ``error``."""
        try:
            with ExitStack() as handles:
                self._capture(handles)
        except OSError as error:
            self.error = self._meaning(error)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self.error = error

    def _capture(self, handles: ExitStack) -> None:
        process, rights = windows_target.opened(self.system, self.target)
        handles.callback(self.system.close, process)
        bits = windows_target.bits(self.system, process)
        self._check_bits(bits)
        asking = Asking(self.system, process, self.target, self._before)
        self.suspensions = windows_threads.Suspensions(self.system, self.target.pid)
        self._stretches = list(self.system.stretches(process))
        found = windows_memory.sizes(self._stretches)
        ladder = self._ladder = Ladder(self.mode.include, without_handles=self._without_handles(rights))
        clone = None
        may_clone = self.may_clone and rights == windows_target.CLONE
        if windows_snapshot.fits(self.system, process, self.mode.include, may_clone=may_clone, bits=bits):
            clone = handles.enter_context(windows_snapshot.taken(self.system, process))
        if clone and found.shared:
            self._gaps.append(Gap("shared memory", _NO_SHARED, found.shared))
        tids = self.system.threads(self.target.pid)
        total = windows_memory.estimate(found, len(tids), self.mode.include)
        asked, self._busy = asking.done(tids)
        self._asked = replace(asked, stopped=clone is None)
        self._states = windows_threads.states(self.system, self.target.pid)
        answers = self._written(process, clone, ladder, total)
        if Include.STACKS not in self.mode.include:
            from tray.formats import minidump

            minidump.forget_folders(self.file)
        self._tell(answers, ladder, clone)

    def _without_handles(self, rights: int) -> str:
        """Why handles are left out; empty if they are not."""
        if not self.handles:
            return "listing them made Windows' dbghelp hang"
        return "the system gives no right to list them" if rights == windows_target.READ else ""

    def _check_bits(self, bits: int) -> None:
        """A 32-bit program cannot dump a 64-bit one; the other way round the dump needs a word."""
        if bits == 64 and not self.system.is_64_bit():  # noqa: PLR2004
            raise Unsupported(
                f"{self.target.name} is a 64-bit program, and this Hangshot is a 32-bit one.",
                hint="Use the 64-bit Hangshot.",
            )
        if bits == 32 and self.system.is_64_bit():  # noqa: PLR2004
            self._gaps.append(Gap(_32_BIT_VIEW, _NO_32_BIT))

    def _written(self, process: int, clone: Clone | None, ladder: Ladder, total: int) -> Answers:
        """Write the dump, on ever lower rungs until one holds; gives the answers of that one."""
        while True:
            answers = self._fresh_answers(process, clone, total)
            try:
                self._write(clone.handle if clone else process, ladder.flags, answers)
            except OSError as error:
                if answers.error:
                    raise answers.error from error
                if not self._may_go_on(process, error) or not ladder.down(code(error), error.strerror or "?"):
                    raise
                self.file.seek(0)
                self.file.truncate()
                continue
            if answers.error:
                raise answers.error
            return answers

    def _fresh_answers(self, process: int, clone: Clone | None, total: int) -> Answers:
        """Answers for one attempt.

        Writes are taken over for large dumps only: that brings a cancel within
        milliseconds, which others are too quick to need. It has its price, for dbghelp
        then hands out pieces of some 50 kB; else it writes without asking anything.
        """
        large = total > LARGE
        writer = self.system.writer(self.system.file_handle(self.file.fileno())) if large else None
        answers = Answers(
            self._grow,
            total,
            write=writer,
            snapshot=clone is not None,
            added=self._added(process),
        )
        answers.cancelled = self._cancelled
        self._answers = answers
        return answers

    def _added(self, process: int) -> Added | None:
        """What is added to what dbghelp takes by itself: shared memory to a heap, to stacks locks among variables."""
        flags = self._ladder.flags if self._ladder else 0
        self._left_out = []
        if flags & dbghelp.MiniDumpWithFullMemory:
            return None
        if flags & dbghelp.MiniDumpWithPrivateReadWriteMemory:
            shared = Shared(self._stretches, lambda address: self.system.mapped_file(process, address))
            self._left_out = shared.gaps
            return shared
        if Include.STACKS not in self.mode.include or Include.GLOBALS in self.mode.include:
            return None
        return Pointed(self._stretches, lambda address, size: self.system.read(process, address, size))

    def _grow(self, done: int, total: int) -> bool:
        """Tell the progress, which never goes back, though a smaller dump begins anew."""
        self._most = max(self._most, done)
        self._total = max(self._total, self._most, total)
        return self._progress(self._most, self._total)

    def _write(self, process: int, flags: int, answers: Answers) -> None:
        """One call of MiniDumpWriteDump. The target runs again when this returns or raises."""
        callback = dbghelp.MINIDUMP_CALLBACK_INFORMATION(dbghelp.MINIDUMP_CALLBACK_ROUTINE(answers), None)
        streams = dbghelp.user_stream(dbghelp.CommentStreamW, self._comment().encode("utf-16-le") + b"\0\0")
        handle = self.system.file_handle(self.file.fileno())
        began = time.monotonic()
        self.frozen = True
        try:
            self.system.write_dump(process, self.target.pid, handle, flags, streams, callback)
        except BaseException:
            self.let_go()  # a crash within dbghelp, as while libraries come and go, leaves all suspended
            raise
        finally:
            self._seconds += time.monotonic() - (answers.first_stop or began)
            self.frozen = False

    def _may_go_on(self, process: int, error: OSError) -> bool:
        """Whether a smaller dump can help: not on a full disk, nor when the target has gone."""
        if error.errno in _ERRNOS or self.system.ended(process):
            return False
        return code(error) not in (win32.ERROR_PROC_NOT_FOUND, win32.ERROR_CANCELLED)

    def _tell(self, answers: Answers, ladder: Ladder, clone: Clone | None) -> None:
        answers.finish()
        self._captured = Captured(
            "minidump",
            windows_threads.named(self.system, answers.threads, self._busy, self._states),
            clone.seconds if clone else self._seconds,
            "snapshot" if clone else "stop and copy",
            (*self._gaps, *ladder.gaps, *self._left_out, *answers.gaps()),
            asked=self._asked,
        )

    def _comment(self) -> str:
        """What a debugger shows when it opens the dump."""
        words = [f"Hangshot {__version__}", f"mode {self.mode.name}"]
        if self._trigger:
            words.append(f"taken by {self._trigger.value}")
        window = self.target.window
        if window and Include.STACKS in self.mode.include:
            answer = {True: "not responding", False: "responding", None: "cannot tell if it responds"}
            words.append(f"window {window.title!r}, {answer[window.hung]}")
        return "; ".join(words)

    def _meaning(self, error: OSError) -> TrayError | OSError:
        """A failed request in our words; a full disk stays as it is."""
        if error.errno in _ERRNOS:
            return error
        name = self.target.name
        if self._has_ended():
            return TargetGone(f"{name} ({self.target.pid}) ended while it was being dumped.")
        if code(error) == win32.ERROR_ACCESS_DENIED:
            return AccessDenied(f"{name} cannot be read: {error.strerror}.", hint="See 'hangshot doctor'.")
        return CaptureFailed(f"{name} could not be dumped: {error.strerror}.")

    def _has_ended(self) -> bool:
        try:
            return windows_target.started(self.system, self.target.pid) != self.target.started
        except (OSError, TrayError):
            return True
