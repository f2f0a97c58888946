"""Whether a clone could hurt a process, by what the running system tells: then it is stopped and copied instead.

Each rule names a way in which an app, or the machine, would notice. Where something
cannot be found out it counts against the clone.

Source: clone(2), prctl(2), cgroups(7), proc(5); Linux ``mm/memory.c``,
``Documentation/mm/overcommit-accounting.rst``.
"""

from __future__ import annotations

import os
import sys

from tray.capture.linux_maps import MAY_SHARE, POOLED
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tray.capture.linux_maps import Mapping
    from tray.ffi.linux import Kernel

SMALL, FEW = 16 << 20, 200
"""With less memory of its own, and fewer threads, a process is copied within 10 ms, about as fast as it is cloned."""
BRIEF = 32 << 20
"""Bytes of its own with which a clone is copied within some 20 ms."""
_KERNEL = (6, 5)
"""From this release on a clone cannot divert a direct read that is under way, and odd callers can be told."""
_RELEASE = ""
if sys.platform != "win32":
    _RELEASE = os.uname().release
_SPARE_MEMORY = 64 << 20
_SPARE_PROCESSES = 32
_USERFAULTS = frozenset({"um", "uw", "ui"})
_MEMORY_LIMITS = ("memory.max", "memory.high", "memory.limit_in_bytes")
_MEMORY_IN_USE = ("memory.current", "memory.usage_in_bytes")
_UNLIMITED = 1 << 60


def against(kernel: Kernel, pid: int, kinds: Sequence[Mapping]) -> str:
    """Why this process had better not be cloned, as a clause; empty if nothing is known against it.

    Args:
        kernel: Reads /proc.
        pid: The process.
        kinds: One of each kind of its mappings.
    """
    try:
        return next((reason for reason in _reasons(kernel, pid, kinds) if reason), "")
    except (OSError, ValueError, KeyError, IndexError) as error:
        return f"whether a clone is safe could not be found out: {error}"


def small(kernel: Kernel, pid: int) -> bool:
    """Whether it is hardly worth a clone."""
    status = _status(kernel, pid)
    return _memory(status) < SMALL and int(status["Threads"]) < FEW


def brief(kernel: Kernel, pid: int) -> bool:
    """Whether a clone is copied before anyone could mind, and so need not be copied behind all others' backs."""
    return _memory(_status(kernel, pid)) < BRIEF


def _reasons(kernel: Kernel, pid: int, kinds: Sequence[Mapping]) -> Iterator[str]:
    status = _fields(kernel.text(f"/proc/{pid}/status"))
    yield _release()
    yield _rules(status, pid)
    if any(kind.flags & _USERFAULTS for kind in kinds):
        yield "it handles its own page faults (userfaultfd)"
    # While a clone has them too, a write to one takes another of the pool: where there is none, the clone loses
    # its page, or the app is ended by SIGBUS. Source: Linux mm/hugetlb.c, hugetlb_wp().
    if any(POOLED in kind.flags and MAY_SHARE not in kind.flags for kind in kinds):
        yield "it has memory of its own in the system's pool of huge pages (hugetlbfs)"
    if kernel.text("/proc/sys/vm/overcommit_memory").strip() == "2":
        yield "the system grants no memory twice (vm.overcommit_memory is 2)"
    need = _kilobytes(status, "RssAnon") + 2 * _kilobytes(status, "VmPTE") + _SPARE_MEMORY
    if _kilobytes(_fields(kernel.text("/proc/meminfo")), "MemAvailable") < need:
        yield "too little memory is free for what it may write meanwhile"
    yield _processes(kernel, pid)
    yield _groups(kernel, pid, need)


def _release() -> str:
    major, _, rest = _RELEASE.replace("-", ".").partition(".")
    minor = rest.partition(".")[0]
    if major.isdecimal() and minor.isdecimal() and (int(major), int(minor)) >= _KERNEL:
        return ""
    return f"Linux is older than {_KERNEL[0]}.{_KERNEL[1]}"


def _rules(status: dict[str, str], pid: int) -> str:
    """What its status file tells against it."""
    if status.get("Seccomp", "0") != "0":
        return "it filters its system calls (seccomp)"
    if len(status["NSpid"].split()) > 1:
        return "it lives in a container"
    if len(set(status["Uid"].split())) > 1 or len(set(status["Gid"].split())) > 1:
        return "it runs with another user's rights (setuid)"
    # Its folder is always its own; the files in it are root's where it may not be looked into.
    if str(os.stat(f"/proc/{pid}/status").st_uid) != status["Uid"].split()[1]:
        return "it protects itself from being looked into"
    if "shstk" in status.get("x86_Thread_features", ""):
        return "it has a shadow stack"
    return ""


def _processes(kernel: Kernel, pid: int) -> str:
    """Whether it may have two more processes, with room for its own to come."""
    tasks = int(kernel.text("/proc/loadavg").split()[3].partition("/")[2])
    limits = [kernel.text("/proc/sys/kernel/threads-max"), kernel.text("/proc/sys/kernel/pid_max")]
    rows = kernel.text(f"/proc/{pid}/limits").splitlines()
    own = (line for line in rows if line.startswith("Max processes"))
    limits += [line.split()[2] for line in own]
    if any(limit.strip() != "unlimited" and int(limit) < tasks + _SPARE_PROCESSES for limit in limits):
        return "the limit of processes is near"
    return ""


def _groups(kernel: Kernel, pid: int, need: int) -> str:
    """Whether its control groups have room for two more processes and for this much memory."""
    for folder in _folders(kernel.text(f"/proc/{pid}/cgroup")):
        most = _figure(kernel, folder, "pids.max")
        if most < _UNLIMITED and most < _figure(kernel, folder, "pids.current") + _SPARE_PROCESSES:
            return "the limit of processes in its control group is near"
        limit = min(_figure(kernel, folder, name) for name in _MEMORY_LIMITS)
        if (
            limit < _UNLIMITED
            and limit < min(_figure(kernel, folder, name) for name in _MEMORY_IN_USE) + need
        ):
            return "the memory limit of its control group is near"
    return ""


def _folders(text: str) -> Iterator[str]:
    """Folders of the control groups of a process that count, up to the roots."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        root = "/sys/fs/cgroup"
        if controllers:
            if controllers not in ("memory", "pids"):
                continue
            root = f"{root}/{controllers}"
        elif not os.path.exists(f"{root}/cgroup.controllers"):
            root = f"{root}/unified"
        parts = path.strip("/").split("/") if path.strip("/") else []
        for depth in range(len(parts), -1, -1):
            yield "/".join([root, *parts[:depth]])


def _figure(kernel: Kernel, folder: str, name: str) -> int:
    """A number of a control group; without end where there is none."""
    path = f"{folder}/{name}"
    if not os.path.exists(path):
        return _UNLIMITED
    text = kernel.text(path).strip()
    return _UNLIMITED if text == "max" else int(text)


def _status(kernel: Kernel, pid: int) -> dict[str, str]:
    return _fields(kernel.text(f"/proc/{pid}/status"))


def _memory(status: dict[str, str]) -> int:
    """Bytes of its own that are in memory."""
    return _kilobytes(status, "RssAnon") + _kilobytes(status, "HugetlbPages")


def _fields(text: str) -> dict[str, str]:
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def _kilobytes(fields: dict[str, str], key: str) -> int:
    """Bytes of a value like ``123 kB``; 0 where it is missing, as VmSwap without swap."""
    return int(fields.get(key, "0").split(maxsplit=1)[0]) << 10
