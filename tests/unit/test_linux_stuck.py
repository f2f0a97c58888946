"""Registers of threads that nothing stops, and locks that only registers know of."""

from __future__ import annotations

import struct

import pytest

from tray.capture import linux_sockets, linux_stuck
from tray.ffi import linux as ffi
from tray.model import Thread
from tray.reports import refused

STUCK = Thread(70, "app", "D", "nfs_wait")


class Proc:
    """A kernel that knows files of /proc."""

    def __init__(self, **files: str) -> None:
        self.files = files

    def text(self, path: str) -> str:
        name = path.rpartition("/")[2]
        if name not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.files[name]


def test_registers_from_outside() -> None:
    """The call, its arguments, stack and code; such a thread counts as one that waits in its call."""
    found = linux_stuck.seen(Proc(syscall="1 0x3 0x10 0x20 0x40 0x50 0x60 0x7000 0x8000\n"), 70, STUCK)
    assert found is not None
    registers = struct.unpack("<27Q", found.registers)
    names = (ffi.ORIG_RAX, ffi.RDI, ffi.RSI, ffi.RDX, ffi.R10, ffi.R8, ffi.R9, ffi.RSP, ffi.RIP)
    assert [registers[name] for name in names] == [1, 3, 16, 32, 64, 80, 96, 0x7000, 0x8000]
    assert registers[ffi.RAX] in ffi.INTERRUPTED
    assert (found.tid, found.name, found.state) == (70, "app", "D")


def test_outside_of_any_call() -> None:
    """As one that waits for a page of a file: it is in no system call."""
    found = linux_stuck.seen(Proc(syscall="-1 0x7000 0x8000\n"), 70, STUCK)
    assert found is not None
    registers = struct.unpack("<27Q", found.registers)
    assert (registers[ffi.RSP], registers[ffi.RIP], registers[ffi.RAX]) == (0x7000, 0x8000, 0)
    assert registers[ffi.ORIG_RAX] == ffi.MASK


@pytest.mark.parametrize("text", ["running\n", "", "1 0x3\n", "-1 0x1 0x2 0x3\n", "x 1 2\n", None])
def test_nothing_to_be_seen(text: str | None) -> None:
    """A thread that runs again, or that the kernel does not tell about."""
    kernel = Proc() if text is None else Proc(syscall=text)
    assert linux_stuck.seen(kernel, 70, STUCK) is None


def test_a_failure_says_where() -> None:
    """Each kernel function once."""
    text = str(linux_stuck.failure(70, [STUCK, STUCK, Thread(71)]))
    assert text.endswith("uninterruptible system calls, in nfs_wait.")


HEAD = "  sl  local_address rem_address   st …\n"
ROW = "   0: {} {} {} 00000000:00000000 00:00000000 00000000     0        0 {} 1 …\n"
LOOP, V6 = "0100007F", "0000000000000000FFFF00000100007F"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"tcp": ROW.format(f"{LOOP}:1F90", "00000000:0000", "0A", 9)}, (0, "port 8080")),
        ({"tcp": ROW.format(f"{LOOP}:1F90", "0500000A:01BB", "01", 9)}, (0, "10.0.0.5:443")),
        (
            {
                "tcp": ROW.format(f"{LOOP}:1F90", f"{LOOP}:1F91", "01", 9),
                "tcp6": ROW.format(f"{V6}:1F91", f"{V6}:1F90", "01", 10),
            },
            (10, "127.0.0.1:8081"),
        ),
        ({"udp": ROW.format(f"{LOOP}:1F90", "00000000:0000", "07", 9)}, (0, "")),
        (
            {"tcp6": ROW.format(f"{'0' * 32}:1F90", "B80D0120000000000000000001000000:01BB", "01", 9)},
            (0, "[2001:db8::1]:443"),
        ),
        ({"tcp": ROW.format(f"{LOOP}:1F90", "00000000:0000", "0A", 8)}, (0, "")),
        ({}, (0, "")),
    ],
)
def test_the_other_end_of_a_connection(monkeypatch: pytest.MonkeyPatch, files, found) -> None:
    """From the tables of the target's own network: the socket there, or the address."""
    monkeypatch.setattr(linux_sockets, "_unix", lambda _: 0)
    kernel = Proc(**{name: HEAD + rows for name, rows in files.items()})
    assert linux_sockets.other_end(kernel, 70, 9) == found


@pytest.mark.parametrize(
    ("attributes", "peer"),
    [
        ([(2, 77)], 77),
        ([(0, 5), (2, 77)], 77),
        ([(0, 5)], 0),
        ([], 0),
    ],
)
def test_the_peer_of_a_unix_socket(attributes: list[tuple[int, int]], peer: int) -> None:
    """The attribute of an answer; an error, or one that is cut off, tells none."""
    answer = struct.pack("<IHHII", 0, 20, 0, 0, 0) + bytes(16)
    answer += b"".join(struct.pack("<HHI", 8, kind, value) for kind, value in attributes)
    assert linux_sockets._peer(answer) == peer
    assert linux_sockets._peer(answer[:20]) == linux_sockets._peer(struct.pack("<IHHII", 36, 2, 0, 0, 0)) == 0


MUTEX, STACK = 0x5000, 0x9000


def registers(**changes: int) -> list[int]:
    """Of a thread that glibc has sleep for ever."""
    values = [0] * 27
    found = {"RDI": STACK + 0x54, "RSP": STACK, "RSI": 0x189, "R14": MUTEX + 16, **changes}
    for name, value in found.items():
        values[getattr(ffi, name)] = value
    return values


def memory(owner: int = 71, kind: int = 0x20, users: int = 1, word: int = 0):
    """A mutex, and the word that is waited on."""
    mutex = struct.pack("<6I", owner | 1 << 31, 0, owner, users, kind, 0)

    def read(address: int, size: int) -> bytes:
        if address == STACK + 0x54:
            return struct.pack("<I", word)
        return mutex[:size] if address == MUTEX else b""

    return read


def test_a_mutex_that_was_refused() -> None:
    """Sleeping on a zero of the own stack, with a mutex in a kept register: it, and its owner."""
    assert refused.sleeps(registers(), memory())
    assert list(refused.mutexes(registers(), memory())) == [(MUTEX, 71)]
    assert list(refused.mutexes(registers(R14=0, RBX=MUTEX), memory())) == [(MUTEX, 71)]


@pytest.mark.parametrize(
    "change", [{"RDI": STACK - 4}, {"RDI": STACK + 0x1000}, {"R10": 1}, {"RDX": 1}, {"RSI": 0x86}]
)
def test_another_sleep(change: dict[str, int]) -> None:
    """A time limit, another word or another operation is none of glibc's."""
    assert not refused.sleeps(registers(**change), memory())


@pytest.mark.parametrize("change", [{"kind": 0}, {"kind": 0x1020}, {"users": 0}, {"owner": 0}])
def test_no_such_mutex(change: dict[str, int]) -> None:
    """What lies there must make sense as a whole."""
    assert list(refused.mutexes(registers(), memory(**change))) == []
    assert not refused.sleeps(registers(), memory(word=1))
