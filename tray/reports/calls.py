"""Linux system calls that block, in words: what a thread does that is in one.

Source: syscalls(2); Linux ``arch/x86/entry/syscalls/syscall_64.tbl``.
"""

from __future__ import annotations

from tray.verdicts import WaitKind

OWN = "its own"
"""The other end is in the same process."""

FILES = {
    0: "reads from",
    1: "writes to",
    16: "asks the driver of",
    17: "reads from",
    18: "writes to",
    19: "reads from",
    20: "writes to",
    42: "connects to",
    43: "waits for a connection on",
    44: "sends to",
    45: "receives from",
    46: "sends to",
    47: "receives from",
    72: "waits for a lock on",
    73: "waits for a lock on",
    74: "waits for the disk to take",
    75: "waits for the disk to take",
    288: "waits for a connection on",
    295: "reads from",
    299: "receives from",
    307: "sends to",
}
"""Number → what it does to its first argument, a descriptor."""

OPENING = {2: 0, 257: 1, 437: 1}
"""Number → which argument is the path: open, openat, openat2."""

OTHERS = {
    7: (WaitKind.EVENTS, "waits for events"),
    271: (WaitKind.EVENTS, "waits for events"),
    23: (WaitKind.EVENTS, "waits for events"),
    270: (WaitKind.EVENTS, "waits for events"),
    232: (WaitKind.EVENTS, "waits for events"),
    281: (WaitKind.EVENTS, "waits for events"),
    441: (WaitKind.EVENTS, "waits for events"),
    208: (WaitKind.EVENTS, "waits for events"),
    426: (WaitKind.EVENTS, "waits for events"),
    34: (WaitKind.EVENTS, "waits for a signal"),
    128: (WaitKind.EVENTS, "waits for a signal"),
    130: (WaitKind.EVENTS, "waits for a signal"),
    24: (WaitKind.SLEEP, "yields"),
    35: (WaitKind.SLEEP, "sleeps"),
    230: (WaitKind.SLEEP, "sleeps"),
    61: (WaitKind.PROCESS, "waits for a child process to end"),
    247: (WaitKind.PROCESS, "waits for a child process to end"),
    58: (WaitKind.PROCESS, "waits for the child process that it has just started"),
    65: (WaitKind.PROCESS, "waits for a System V semaphore"),
    220: (WaitKind.PROCESS, "waits for a System V semaphore"),
    69: (WaitKind.PROCESS, "sends to a System V message queue"),
    70: (WaitKind.PROCESS, "waits for a System V message"),
}
"""Number → kind and words."""

KERNEL_PLACES = (
    ("nanosleep", WaitKind.SLEEP, "sleeps"),
    ("poll", WaitKind.EVENTS, "waits for events"),
    ("select", WaitKind.EVENTS, "waits for events"),
    ("kernel_clone", WaitKind.PROCESS, "waits for the child process that it has just started"),
    ("nfs", WaitKind.FILE, "waits for a network share (NFS)"),
    ("rpc_", WaitKind.FILE, "waits for a network share (NFS)"),
    ("cifs", WaitKind.FILE, "waits for a network share (SMB)"),
    ("fuse", WaitKind.FILE, "waits for a file system in another program (FUSE)"),
    ("folio", WaitKind.FILE, "waits for the disk"),
    ("io_schedule", WaitKind.FILE, "waits for the disk"),
    ("jbd2", WaitKind.FILE, "waits for the disk"),
    ("blk", WaitKind.FILE, "waits for the disk"),
)
"""Part of a kernel function's name → what a thread does that sleeps there."""


LOCKS, CHILDREN = (72, 73), (61, 247)
"""Numbers of the calls that wait for a file's lock, and for the end of a child."""


def waits(number: int, descriptor: int, link: str, end: str) -> tuple[WaitKind, str] | None:
    """What a thread does that is in this system call; None for one that no table has.

    Args:
        number: Of the call.
        descriptor: Its first argument.
        link: The file behind that.
        end: Who or what is at the other end, as `tray.model.Thread.other_end`.
    """
    if number in LOCKS:
        holder = f" held by {end.replace(OWN, 'the app itself')}" if end else ""
        return WaitKind.FILE, f"{FILES[number]} {file(link, descriptor)}{holder}"
    if number in FILES:
        return WaitKind.FILE, f"{FILES[number]} {file(link, descriptor, end)}"
    if number not in OTHERS:
        return None
    kind, words = OTHERS[number]
    if end and number in CHILDREN:
        words = f"waits for its child process {end} to end"
    elif end:
        words += f", {end},"
    return kind, words


def file(link: str, number: int, end: str = "") -> str:
    """What a descriptor is, as words that follow a verb."""
    if end and link.startswith("socket:") and (end.startswith("port ") or ":" in end):
        return end
    for kind in ("pipe", "socket"):
        if link.startswith(f"{kind}:"):
            return f"a {kind} of {end}" if end else f"a {kind} (descriptor {number})"
    if link.startswith(("/dev/pts/", "/dev/tty")):
        return f"the terminal {link}"
    if link.startswith("anon_inode:"):
        return f"{link.removeprefix('anon_inode:').strip('[]')} (descriptor {number})"
    if link and end == OWN:
        return f"{link}, which no other program has open"
    return (link or f"descriptor {number}") + (f" ({end})" if link and end else "")


def place(waits_in: str) -> tuple[WaitKind, str]:
    """What a thread does that sleeps in this kernel function."""
    for part, kind, words in KERNEL_PLACES:
        if part in waits_in:
            return kind, words
    return WaitKind.KERNEL, f"waits in the kernel, in {waits_in}" if waits_in else "waits in the kernel"
