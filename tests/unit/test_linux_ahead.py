"""What is read of a target ahead of its capture: it is what would be read later, or nothing."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from tray.capture import linux_ahead
from tray.capture.linux_ahead import Ahead, pays
from tray.model import Target

pytestmark = pytest.mark.linux

TARGET = Target(7, 1, "app")
MAPPINGS = 3
CONTENT = bytes(range(256)) * 11
"""A little less than there is room for."""


class Fake:
    """A kernel with one file, of which it gives some bytes at a time.

    Attributes:
        opened: Descriptors that were asked for.
        anew: How often the file was read by who wanted it.
    """

    def __init__(self, content: bytes = CONTENT, *, may_open: bool = True, fails_at: int = 99) -> None:
        self.content, self.may_open, self.fails_at = content, may_open, fails_at
        self.given = self.fills = self.anew = 0
        self.opened: list[int] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def open(self, path: str) -> int:
        assert path == "/proc/7/smaps"
        if not self.may_open:
            raise OSError(errno.EACCES, "no")
        self.opened.append(os.open(os.devnull, os.O_RDONLY))
        return self.opened[-1]

    def fill(self, descriptor: int, block: memoryview) -> int:
        assert self.may_go_on.wait(20)
        if self.fills == self.fails_at:
            raise OSError(errno.ESRCH, "gone")
        self.fills += 1
        some = self.content[self.given : self.given + min(700, len(block))]
        block[: len(some)] = some
        self.given += len(some)
        return len(some)

    def blocks(self, path: str):
        self.anew += 1
        yield b"anew"


def closed(kernel: Fake) -> bool:
    """Whether no descriptor is open any more."""
    for descriptor in kernel.opened:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(descriptor)
    return True


def test_what_was_read_ahead_is_the_file() -> None:
    """Whole, once, and in order; nobody reads it a second time for that, and nothing stays open."""
    kernel = Fake()
    ahead = Ahead(kernel, TARGET, MAPPINGS)
    assert b"".join(ahead.blocks()) == CONTENT
    assert kernel.anew == 0
    assert closed(kernel)
    assert b"".join(ahead.blocks()) == b"anew"


def test_who_wants_it_sooner_may_do_something_else() -> None:
    """While it is still read there are empty blocks: a window that hangs is not kept waiting by them."""
    kernel = Fake()
    kernel.may_go_on.clear()
    blocks = Ahead(kernel, TARGET, MAPPINGS).blocks()
    assert [next(blocks), next(blocks)] == [b"", b""]
    kernel.may_go_on.set()
    assert b"".join(blocks) == CONTENT


@pytest.mark.parametrize(
    "kernel", [Fake(may_open=False), Fake(fails_at=0), Fake(fails_at=1), Fake(b""), Fake(CONTENT * 2)]
)
def test_what_fails_is_read_anew(kernel: Fake) -> None:
    """By who wants it, who is told what fails then: also where it is longer than there is room for."""
    assert b"".join(Ahead(kernel, TARGET, MAPPINGS).blocks()) == b"anew"
    assert closed(kernel)


def test_without_a_thread_it_is_read_when_it_is_wanted(monkeypatch) -> None:
    """There may be as many as there may be."""

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(linux_ahead, "start_new_thread", refuse)
    assert b"".join(Ahead(Fake(), TARGET, MAPPINGS).blocks()) == b"anew"


def test_it_is_done_where_it_pays() -> None:
    """Neither for few mappings nor for very many, and not where one request could take long."""
    assert pays(1000, 100 << 20)
    assert not pays(20, 100 << 20)
    assert not pays(100_000, 100 << 20)
    assert not pays(1000, 4 << 30)
