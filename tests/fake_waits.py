"""Windows' answers about waits, in memory: what Wine cannot tell is told here, as mutex owners and wait chains."""

from __future__ import annotations

from dataclasses import dataclass, field

from tray.ffi.win32 import ERROR_INVALID_HANDLE, failure
from tray.ffi.windows_waits import Node, Times, Waits

NOT_SUPPORTED = 50


@dataclass
class FakeWaits(Waits):
    """Answers from memory; without any it is a Windows that tells nothing.

    Attributes:
        used: Times of threads at each look; the last one stays.
        objects: Handle → kind, and whom it leads to or what it is called.
        nodes: Thread id → its wait chain; None for a Windows that has no such thing.
        shown: Window → process and thread.
        hangs: Waited for where wait chains are asked for, if set.
        duplicated: Handles that were looked at.
        open: How many handles and sessions are open.
    """

    used: list[dict[int, Times]] = field(default_factory=lambda: [{}])
    objects: dict[int, tuple[object, ...]] = field(default_factory=dict)
    nodes: dict[int, list[Node]] | None = None
    shown: dict[int, tuple[int, int]] = field(default_factory=dict)
    hangs: object = None
    duplicated: list[int] = field(default_factory=list)
    open: int = 0

    def times(self):
        return self.used.pop(0) if len(self.used) > 1 else self.used[0]

    def handles(self, process, pid):
        kinds = sorted({str(what[0]) for what in self.objects.values()})
        return [(handle, kinds.index(str(what[0]))) for handle, what in self.objects.items()]

    def duplicate(self, process, handle):
        self.duplicated.append(handle)
        if handle not in self.objects or self.objects[handle][0] == "EtwRegistration":
            raise failure(ERROR_INVALID_HANDLE, "DuplicateHandle")
        self.open += 1
        return handle

    def close(self, handle):
        self.open -= 1

    def kind(self, handle):
        return self.objects[handle][0]

    def name(self, handle):
        assert self.objects[handle][0] != "File", "asking for a file's name may hang"
        return self.objects[handle][1]

    def thread(self, handle):
        return self.objects[handle][1:]

    def process(self, handle):
        return self.objects[handle][1]

    def mutex(self, handle):
        if len(self.objects[handle]) < 3:
            raise failure(ERROR_INVALID_HANDLE, "NtQueryMutant")
        return self.objects[handle][2:]

    def windows(self):
        return [*self.shown, 0xDEAD]

    def window(self, window):
        return self.shown.get(window, (0, 0))

    def open_chains(self):
        if self.hangs:
            self.hangs.wait(10)
        if self.nodes is None:
            raise failure(NOT_SUPPORTED, "OpenThreadWaitChainSession")
        self.open += 1
        return 1

    def close_chains(self, session):
        self.open -= 1

    def chain(self, session, tid):
        if tid not in self.nodes:
            raise failure(ERROR_INVALID_HANDLE, "GetThreadWaitChain")
        return self.nodes[tid]
