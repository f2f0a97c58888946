"""Who is at the other end of what a thread waits on: the process behind a pipe, socket, file lock or child.

Looked up when the target runs again, and for no longer than `PATIENCE`; what is
not found by then stays unknown. Nothing here opens or asks a file itself, which
may hang as it hangs the target.

Source: pipe(7), sock_diag(7), proc_pid_fd(5), proc_pid_fdinfo(5), proc_pid_mountinfo(5), proc_locks(5).
"""

from __future__ import annotations

import os
import stat
import time

from tray.capture import linux_stuck
from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING, dataclass, field
from tray.model import Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tray.ffi.linux import Kernel

PATIENCE = 0.25
"""Seconds. A desktop with 400 processes takes a tenth of that."""
OWN = "its own"
LOCKING = frozenset({72, 73})
"""``fcntl`` and ``flock``."""
WAIT4, WAITING_FOR_ANY, CHILDREN = 61, frozenset({61, 247}), frozenset({56, 57, 58, 61, 247, 435})
"""``wait4``; it and ``waitid``; these, and what starts a child: ``clone``, ``fork``, ``vfork`` and ``clone3``."""
WRITING = frozenset({1, 18, 20, 44, 46, 307})
"""``write``, ``sendto`` and their like: those wait for a reader."""
_MOST_NAMES, _MOST_PLACES = 2, 256
_NO_NAME = ("", "/")
"""How what a thread waits on begins where that does not tell what it waits for."""
_TURN = 0.002
"""Seconds between two looks."""
_NO_FILE_SYSTEM = ("/dev/", "/proc/", "/sys/")


def told(kernel: Kernel, threads: Iterable[Thread], pid: int) -> tuple[Thread, ...]:
    """Threads with who is at the other end, and without their registers: those are in the dump by now."""
    look = _Look(kernel, pid, time.monotonic() + PATIENCE)
    return tuple(look.told(thread) for thread in threads)


@dataclass(slots=True)
class _Look:
    """One look around; what was found once is not looked for again."""

    kernel: Kernel
    pid: int
    limit: float
    found: dict[tuple[str, bool], str] = field(default_factory=dict)
    asked: int = 0

    def told(self, thread: Thread) -> Thread:
        """One thread, with what is found."""
        result, argument, number = ffi.CALL.unpack_from(thread.registers)
        waits_in, end = thread.waits_in, thread.other_end
        if result in ffi.INTERRUPTED:
            if not waits_in and number != ffi.FUTEX and thread.waits_on[:1] in _NO_NAME:
                waits_in = self._place(thread)
            end = end or self.end(thread, number, argument & 0xFFFFFFFF, waits_in)
            if thread.state == "S":
                waits_in = waits_in or ffi.WAITING.get(number, "")
        return Thread(
            thread.tid,
            thread.name,
            thread.state,
            waits_in,
            waits_on=thread.waits_on,
            other_end=end,
            back=thread.back,
            busy=thread.busy,
            slept=thread.slept,
        )

    def _place(self, thread: Thread) -> str:
        """The kernel function that one of a crowd sleeps in, if it is in the call again that it was stopped in."""
        if thread.state != "S" or self.asked == _MOST_PLACES or time.monotonic() > self.limit:
            return ""
        self.asked += 1
        code, stack = ffi.PLACE.unpack_from(thread.registers)
        if self._text(f"task/{thread.tid}/syscall").split()[-2:] != [hex(stack), hex(code)]:
            return ""
        return linux_stuck.place(self.kernel, f"/proc/{self.pid}/task/{thread.tid}/wchan")

    def end(self, thread: Thread, number: int, argument: int, waits_in: str) -> str:
        """Who must act for the thread's call to end; empty where nobody can tell."""
        if number in LOCKING:
            return self._named(self._lock_holders(thread.tid))
        if number in CHILDREN:
            only = argument if number == WAIT4 and 0 < argument < 1 << 31 else 0
            return self._named({only} if only else self._children(thread, number))
        key = thread.waits_on, number in WRITING
        if key[0] and key not in self.found:
            self.found[key] = self._file(key[0], argument, waits_in, writing=key[1])
        return self.found.get(key, "")

    def _file(self, link: str, descriptor: int, waits_in: str, *, writing: bool) -> str:
        if link.startswith("pipe:") or "pipe" in waits_in:
            return self._named(self._holders(link, needs=stat.S_IRUSR if writing else stat.S_IWUSR))
        if link.startswith("socket:["):
            from tray.capture import linux_sockets  # what it needs takes its time to load

            other, address = linux_sockets.other_end(self.kernel, self.pid, int(link[8:-1]))
            holders = self._holders(f"socket:[{other}]") if other else set()
            return self._named(holders) or address
        if link.startswith("/") and not link.startswith(_NO_FILE_SYSTEM):
            return self._file_system(descriptor)
        return ""

    def _holders(self, link: str, needs: int = stat.S_IRUSR) -> set[int]:
        """Processes that have it open, at least in the direction that is needed."""
        return {
            pid
            for pid in self._processes()
            for own, name, folder in _descriptors(pid)
            if own == link and _mode(name, folder) & needs
        }

    def _processes(self) -> Iterator[int]:
        """All processes, as long as there is time; the target first, then those started about when it was.

        Its parent and its children are among those, which it talks to more often than to others.
        """
        yield self.pid
        others = {int(name) for name in os.listdir("/proc") if name.isdecimal()} - {self.pid}
        for pid in sorted(others, key=lambda pid: abs(pid - self.pid)):
            if time.monotonic() > self.limit:
                return
            yield pid

    def _file_system(self, descriptor: int) -> str:
        """Which file system the file is on, as ``nfs4 on server:/export``."""
        fields = self._text(f"fdinfo/{descriptor}").split()
        if "mnt_id:" not in fields[:-1]:
            return ""
        number = fields[fields.index("mnt_id:") + 1]
        for line in self._text("mountinfo").splitlines():
            kind, _, rest = line.partition(" - ")[2].partition(" ")
            if line.split(" ", 1)[0] == number and rest:
                return f"{kind} on {rest.split(' ', 1)[0]}"
        return ""

    def _lock_holders(self, tid: int) -> set[int]:
        """Processes that hold a file lock which this thread waits for.

        To be stopped took it out of the line, in which it stands again only after its next turn:
        on a crowded machine that is later than this look.
        """
        while True:
            stands = self._text(f"task/{tid}/stat").rpartition(")")[2].split()[:1] == ["S"]
            if holders := self._blocking() or (stands and self._blocking()):  # others' locks come and go
                return holders
            if stands or time.monotonic() > self.limit:
                return set()
            time.sleep(_TURN)

    def _blocking(self) -> set[int]:
        """Processes that hold a file lock for which this process stands in line at this moment."""
        holders: dict[str, int] = {}
        found = set()
        for line in self._text("../locks").splitlines():
            words = line.split()
            waits = "->" in words
            owner = int(words[4 + waits]) if len(words) > 4 + waits else 0
            if not waits:
                holders[words[0]] = owner
            elif owner == self.pid:
                found.add(holders.get(words[0], 0))
        return found - {0, -1}

    def _children(self, thread: Thread, number: int) -> set[int]:
        """All of them; for a thread that has just started one, that."""
        if number not in WAITING_FOR_ANY:
            return {int(child) for child in self._text(f"task/{thread.tid}/children").split()[-1:]}
        try:
            tids = self.kernel.threads(self.pid)
        except OSError:
            return set()
        return {int(child) for tid in tids for child in self._text(f"task/{tid}/children").split()}

    def _named(self, pids: set[int]) -> str:
        """Processes in words; the target itself only where it is alone."""
        others = sorted(pids - {self.pid})
        if not others:
            return OWN if self.pid in pids else ""
        words = ", ".join(self._name(pid) for pid in others[:_MOST_NAMES])
        more = len(others) - _MOST_NAMES
        return f"{words} and {more} more" if more > 0 else words

    def _name(self, pid: int) -> str:
        return f"{self._text(f'../{pid}/comm').strip() or 'process'} ({pid})"

    def _text(self, name: str) -> str:
        """A file in the target's folder of /proc; empty where it cannot be read."""
        try:
            return self.kernel.text(f"/proc/{self.pid}/{name}")
        except OSError:
            return ""


def _descriptors(pid: int) -> Iterator[tuple[str, str, int]]:
    """Where a process's descriptors lead, their names and the open folder of these; other users' stay unknown."""
    try:
        folder = os.open(f"/proc/{pid}/fd", os.O_RDONLY)
    except OSError:
        return
    try:
        for name in _names(folder):
            try:
                link = os.readlink(name, dir_fd=folder)
            except OSError:
                continue
            yield link, name, folder
    finally:
        os.close(folder)


def _names(folder: int) -> list[str]:
    """What is in an open folder; nothing once its process has ended."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _mode(name: str, folder: int) -> int:
    """In which directions a descriptor is open, as bits of its link."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return 0
