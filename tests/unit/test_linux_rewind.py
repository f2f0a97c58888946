"""Which interrupted call is entered again."""

from __future__ import annotations

import os
import struct

import pytest
import synth

from tray.capture import linux_rewind
from tray.ffi import linux as ffi

EINTR = -4
EPOLL_WAIT, CLOSE, NANOSLEEP = 232, 3, 35


class FakeKernel:
    """A thread's status and code.

    Attributes:
        code: What stands before the address where the thread is.
        masks: Pending for the thread, for the process, and blocked.
    """

    code = ffi.SYSCALL_INSTRUCTION
    masks = (0, 0, 0)
    status = "Name:\tapp\nSigQ:\t0/1\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\n"

    def text(self, path: str) -> str:
        assert path == "/proc/70/task/71/status"
        return self.status.format(*self.masks)

    def open(self, path: str) -> int:
        assert path == "/proc/70/mem"
        return os.open(os.devnull, os.O_RDONLY)

    def read_memory(self, descriptor: int, buffer: memoryview, address: int) -> int:
        assert address == 0x5000 - 2
        if not self.code:
            raise OSError(5, "lost")
        buffer[: len(self.code)] = self.code
        return len(self.code)


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


def rewound(kernel: FakeKernel, call: int = EPOLL_WAIT, result: int = EINTR) -> bytes:
    """The registers that a thread stopped within this call gets back."""
    registers = synth.registers(0x5000, 0x7000, RAX=result, ORIG_RAX=call, RDI=5)
    assert linux_rewind.interrupted(registers) is (result == EINTR)
    return linux_rewind.rewound(kernel, 70, 71, registers)


def test_an_interrupted_call_is_entered_again(kernel: FakeKernel):
    """With the same arguments; nothing else changes."""
    values = struct.unpack("<27Q", rewound(kernel))
    expected = struct.unpack("<27Q", synth.registers(0x4FFE, 0x7000, RAX=232, ORIG_RAX=232, RDI=5))
    assert values == expected


@pytest.mark.parametrize(
    "case",
    [
        {"call": CLOSE},
        {"call": NANOSLEEP},
        {"call": -1},
        {"result": 0},
        {"result": -512},
    ],
)
def test_others_are_left_alone(kernel: FakeKernel, case: dict):
    """Calls that the kernel restarts, and those that did something."""
    assert rewound(kernel, **case) == b""


@pytest.mark.parametrize(
    ("masks", "entered"),
    [((1 << 9, 0, 0), False), ((0, 1 << 9, 0), False), ((1 << 9, 1 << 9, 1 << 9), True), ((0, 0, 1), True)],
)
def test_a_waiting_signal_must_be_seen(kernel: FakeKernel, masks: tuple, *, entered: bool):
    """One that is about to be handled gives the program its EINTR; a blocked one does not."""
    kernel.masks = masks
    assert bool(rewound(kernel)) is entered


@pytest.mark.parametrize("status", ["SigPnd:\t0\n", "SigPnd:\tx\nShdPnd:\t0\nSigBlk:\t0\n", ""])
def test_an_unknown_signal_state(kernel: FakeKernel, status: str):
    """Where it cannot be told, nothing is changed."""
    kernel.status = status
    assert rewound(kernel) == b""


@pytest.mark.parametrize("code", [b"", b"\x0f", b"\xcd\x80", b"\x0f\x34"])
def test_what_is_no_system_call(kernel: FakeKernel, code: bytes):
    """The instruction before must be the call, or going back to it does something else."""
    kernel.code = code
    assert rewound(kernel) == b""


def test_code_that_cannot_be_opened(kernel: FakeKernel, monkeypatch):
    """Nor is anything changed when memory is out of reach."""

    def denied(self, path: str) -> int:
        raise PermissionError(13, "no")

    monkeypatch.setattr(FakeKernel, "open", denied)
    assert rewound(kernel) == b""
