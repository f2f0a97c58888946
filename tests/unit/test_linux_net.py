"""The chain of signal frames that brings a borrowed thread home: its layout is the kernel's."""

from __future__ import annotations

import struct

import pytest

from tray.capture import linux_net
from tray.capture.linux_net import Code, Net
from tray.ffi import linux as ffi

CODE = Code(call=0x401000, restore=0x402000)
MASK = 0x8000000000000401
STACK = 0x7FFF12345678
RESTART, RESTART_BLOCK = -512, -516


def area(mask: int = 0x7, in_use: int = 0x7, size: int = 832) -> bytes:
    """An XSAVE area as ptrace gives it: legacy part, header, the rest."""
    content = bytearray(bytes(range(256)) * (size // 256 + 1))[:size]
    struct.pack_into("<Q", content, 464, mask)
    struct.pack_into("<Q", content, 512, in_use)
    return bytes(content)


def registers(**named: int) -> tuple[int, ...]:
    """A thread in user code, each of its registers another number."""
    values = list(range(0x1000, 0x1000 + 27))
    values[ffi.RSP], values[ffi.ORIG_RAX], values[ffi.CS] = STACK, ffi.MASK, ffi.USER_CODE
    for name, value in named.items():
        values[getattr(ffi, name)] = value & ffi.MASK
    return tuple(values)


@pytest.fixture
def net() -> Net:
    found = linux_net.net(registers(), MASK, area(), CODE)
    assert found is not None
    return found


def frame(net: Net, link: int) -> dict[str, int]:
    """What `rt_sigreturn` reads when a thread returns into this link; offsets of <asm/ucontext.h>."""
    at = link - net.start
    assert struct.unpack_from("<Q", net.content, at)[0] == CODE.restore
    context = net.content[at + 8 :]
    names = [
        "r8",
        "r9",
        "r10",
        "r11",
        "r12",
        "r13",
        "r14",
        "r15",
        "di",
        "si",
        "bp",
        "bx",
        "dx",
        "ax",
        "cx",
        "sp",
        "ip",
        "flags",
    ]
    found = dict(zip(names, struct.unpack_from("<18Q", context, 40), strict=True))
    found["cs"], _, _, found["ss"] = struct.unpack_from("<4H", context, 40 + 144)
    found["stack_flags"] = struct.unpack_from("<i", context, 24)[0]
    found["floating"] = struct.unpack_from("<Q", context, 40 + 184)[0]
    found["mask"] = struct.unpack_from("<Q", context, 296)[0]
    return found


def test_it_lies_below_what_the_thread_uses(net: Net):
    """Below the red zone, as a signal's frame would."""
    assert net.start + len(net.content) <= STACK - 128
    assert net.start > STACK - 3 * ffi.PAGE
    assert all(net.start <= link < net.start + len(net.content) for link in (net.wait, net.home, net.end))


def test_home_has_every_register_and_the_mask(net: Net):
    """General registers, signal mask and floating-point state; the alternate stack is left alone."""
    home, own = frame(net, net.home), registers()
    order = dict(zip(["r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8"], own, strict=False))
    assert {name: home[name] for name in order} == order
    expected = {"ax": 10, "cx": 11, "dx": 12, "si": 13, "di": 14, "ip": 16, "cs": 17, "flags": 18, "sp": 19}
    assert {name: home[name] for name in expected} == {name: own[index] for name, index in expected.items()}
    assert home["mask"] == MASK
    assert home["stack_flags"] not in (0, 1, 2), "the kernel would take it for an alternate stack"
    floating = net.content[home["floating"] - net.start :]
    assert home["floating"] % 64 == 0
    assert floating[:464] == area()[:464]
    magic, extended, features, size = struct.unpack_from("<IIQI", floating, 464)
    assert (magic, extended, features, size) == (0x46505853, 832 + 4, 0x7, 832)
    assert floating[512:832] == area()[512:]
    assert struct.unpack_from("<I", floating, 832)[0] == 0x46505845


def test_it_waits_for_the_child_first(net: Net):
    """The kernel writes the child's number into the very register; until then it is nobody's."""
    wait = frame(net, net.wait)
    assert (wait["ax"], wait["di"], wait["si"], wait["dx"], wait["r10"]) == (61, 0x7FFFFFFF, 0, 0x40000000, 0)
    assert (wait["ip"], wait["sp"], wait["cs"]) == (CODE.call, net.home, ffi.USER_CODE)
    assert struct.unpack_from("<Q", net.content, net.child - net.start)[0] == 0x7FFFFFFF
    assert wait["mask"] == ffi.MASK


def test_a_child_ends(net: Net):
    """At once, and with all signals blocked."""
    end = frame(net, net.end)
    assert (end["ax"], end["di"], end["ip"], end["mask"]) == (231, 0, CODE.call, ffi.MASK)


def test_the_answer_is_no_part_of_it(net: Net):
    """Eight bytes that no frame holds, zero."""
    start = net.answer - net.start
    assert start == 3 * (net.home - net.wait)
    assert net.content[start : start + 8] == bytes(8)


@pytest.mark.parametrize(
    ("mask", "in_use", "size", "kept"),
    [
        (0x7, 0x7, 832, 832),
        (0x2E7, 0x2E7, 2440, 2440),
        (0x602E7, 0xE7, 11008, 2696),
        (0x600E7, 0xE7, 11008, 2688),
        (0x60007, 0x7, 11008, 832),
    ],
)
def test_vector_registers_of_every_processor(mask: int, in_use: int, size: int, kept: int):
    """A frame has no room for AMX unless the thread has asked for it; without it the rest is given back."""
    found = linux_net.net(registers(), 0, area(mask, in_use, size), CODE)
    assert found is not None
    floating = found.content[frame(found, found.home)["floating"] - found.start :]
    assert struct.unpack_from("<I", floating, 480)[0] == kept
    assert struct.unpack_from("<Q", floating, 472)[0] == mask & 0x2FF


@pytest.mark.parametrize(
    ("mask", "in_use"), [(0x602E7, 0x602E7), (1 << 30 | 7, 7), (7, 1 << 30)], ids=["AMX", "unknown", "in use"]
)
def test_what_cannot_be_given_back_is_not_borrowed(mask: int, in_use: int):
    """A thread that uses parts of the processor that we do not know how to restore."""
    assert linux_net.net(registers(), 0, area(mask, in_use, 11008), CODE) is None


def test_no_area_no_net():
    """A kernel that does not tell the vector registers."""
    assert linux_net.net(registers(), 0, b"", CODE) is None


@pytest.mark.parametrize("result", [RESTART, -513, -514, RESTART_BLOCK])
def test_an_interrupted_call_is_entered_again(result: int):
    """By its own number, at its own instruction."""
    found = linux_net.again(registers(RAX=result, ORIG_RAX=202, RIP=0x5000))
    assert (found[ffi.RAX], found[ffi.RIP]) == (202, 0x4FFE)


@pytest.mark.parametrize(
    "values", [{"RAX": -4, "ORIG_RAX": 232}, {"RAX": RESTART}, {"RAX": 5, "ORIG_RAX": 0}]
)
def test_all_else_goes_on_as_it_is(values: dict[str, int]):
    """A call that failed with EINTR for good, user code, and a call that is over."""
    own = registers(**values)
    assert linux_net.again(own) == list(own)


def test_code_is_what_a_disassembler_shows():
    """`syscall; ret`, and `mov $15, %rax; syscall`."""
    assert linux_net.CALL_AND_RETURN == ffi.SYSCALL_INSTRUCTION + b"\xc3"
    assert linux_net.RETURN_FROM_SIGNAL.endswith(ffi.SYSCALL_INSTRUCTION)
