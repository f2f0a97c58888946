"""The other end of a socket: its inode, or its address.

Source: sock_diag(7), proc_pid_net(5); Linux ``include/uapi/linux/unix_diag.h``.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray.ffi.linux import Kernel

_SOCK_DIAG, _BY_FAMILY, _REQUEST = 4, 20, 1
_SHOW_PEER, _PEER = 4, 2
_ANY = 0xFFFFFFFF
_LISTENS, _MOST_LINES = "0A", 20_000
_WAIT = 0.1
_TABLES = ("tcp", "tcp6", "udp", "udp6")

End = tuple[str, int]
"""Address and port."""


def other_end(kernel: Kernel, pid: int, inode: int) -> tuple[int, str]:
    """Inode of the socket at the other end, if it is on this machine, else 0; and its address in words.

    Of a socket that listens, the port.
    """
    if peer := _unix(inode):
        return peer, ""
    rows = list(_rows(kernel, pid))
    mine = next((row for row in rows if row[3] == inode), None)
    if mine is None:
        return 0, ""
    here, there, state, _ = mine
    if state == _LISTENS:
        return 0, f"port {here[1]}"
    if not there[1]:
        return 0, ""
    back = next((row[3] for row in rows if row[0] == there and row[1] == here), 0)
    address = f"[{there[0]}]" if ":" in there[0] else there[0]
    return back, f"{address}:{there[1]}"


def _unix(inode: int) -> int:
    """Inode of the peer of a Unix socket; 0 for other sockets and where nobody tells."""
    if sys.platform != "linux":
        return 0
    asked = struct.pack("<BBHIIIII", socket.AF_UNIX, 0, 0, _ANY, inode, _SHOW_PEER, _ANY, _ANY)
    head = struct.pack("<IHHII", 16 + len(asked), _BY_FAMILY, _REQUEST, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as diag:
            diag.settimeout(_WAIT)
            diag.send(head + asked)
            return _peer(diag.recv(4096))
    except OSError:
        return 0


def _peer(answer: bytes) -> int:
    """The attribute that is asked for, from an answer of the kernel."""
    if len(answer) < 32 or struct.unpack_from("<H", answer, 4)[0] != _BY_FAMILY:  # noqa: PLR2004 - two heads
        return 0
    place = 32
    while place + 8 <= len(answer):
        size, kind, value = struct.unpack_from("<HHI", answer, place)
        if kind == _PEER:
            return int(value)
        place += max(4, size + -size % 4)
    return 0


def _rows(kernel: Kernel, pid: int) -> Iterator[tuple[End, End, str, int]]:
    """Sockets of the target's network: here, there, state, inode."""
    for table in _TABLES:
        try:
            lines = kernel.text(f"/proc/{pid}/net/{table}").splitlines()[1:_MOST_LINES]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            yield _end(words[1]), _end(words[2]), words[3], int(words[9])


def _end(text: str) -> End:
    """``0100007F:1F90`` is 127.0.0.1, port 8080: each word as the machine has it."""
    address, _, port = text.partition(":")
    packed = b"".join(bytes.fromhex(address[place : place + 8])[::-1] for place in range(0, len(address), 8))
    found = ipaddress.ip_address(packed)
    return str(getattr(found, "ipv4_mapped", None) or found), int(port, 16)
