"""Each reason against a clone, one at a time."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import synth

from tray.capture import linux_caution

PID = 4242
GIB = 1 << 20
"""In kB."""
STATUS = {
    "Seccomp": "0",
    "NSpid": str(PID),
    "Uid": "7 7 7 7",
    "Gid": "7 7 7 7",
    "Threads": "10",
    "RssAnon": f"{GIB} kB",
    "VmPTE": "2048 kB",
}


class FakeKernel:
    """A quiet system with room for everything; change what a test is about."""

    def __init__(self) -> None:
        self.status = dict(STATUS)
        self.files = {
            "/proc/sys/vm/overcommit_memory": "0\n",
            "/proc/meminfo": f"MemTotal: {9 * GIB} kB\nMemAvailable: {4 * GIB} kB\n",
            "/proc/loadavg": "0.1 0.1 0.1 1/300 999\n",
            "/proc/sys/kernel/threads-max": "100000\n",
            "/proc/sys/kernel/pid_max": "4194304\n",
            f"/proc/{PID}/limits": "Max processes             90000                90000                processes\n",
            f"/proc/{PID}/cgroup": "0::/app.slice/app\n",
        }

    def text(self, path: str) -> str:
        if path == f"/proc/{PID}/status":
            return "".join(f"{key}:\t{value}\n" for key, value in self.status.items())
        if path not in self.files:
            raise OSError(errno.ENOENT, "no such file")
        return self.files[path]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    fake = FakeKernel()
    monkeypatch.setattr(linux_caution, "_RELEASE", "6.12.3-generic")
    owners = {f"/proc/{PID}/status": 7}  # the folder itself always belongs to the effective user
    monkeypatch.setattr(os, "stat", lambda path: SimpleNamespace(st_uid=owners[path]))
    monkeypatch.setattr(os.path, "exists", lambda path: str(path).replace(os.sep, "/") in fake.files)
    return fake


def against(kernel: FakeKernel, flags: dict[int, frozenset[str]] | None = None) -> str:
    """What is said against a clone."""
    plain = synth.mapping("1000-2000 rw-p")
    kinds = [plain, *(replace(plain, flags=found) for found in (flags or {}).values())]
    return linux_caution.against(kernel, PID, kinds)


def test_nothing_against_an_everyday_app(kernel: FakeKernel):
    """It is cloned."""
    assert against(kernel) == ""


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("Seccomp", "2", "it filters its system calls (seccomp)"),
        ("Seccomp", "1", "it filters its system calls (seccomp)"),
        ("NSpid", f"{PID} 1", "it lives in a container"),
        ("Uid", "7 0 0 0", "it runs with another user's rights (setuid)"),
        ("Gid", "7 7 9 7", "it runs with another user's rights (setuid)"),
        ("Uid", "8 8 8 8", "it protects itself from being looked into"),
        ("x86_Thread_features", "shstk", "it has a shadow stack"),
        ("RssAnon", f"{5 * GIB} kB", "too little memory is free for what it may write meanwhile"),
    ],
)
def test_what_the_app_is(kernel: FakeKernel, field: str, value: str, why: str):
    """Rules that its status file tells."""
    kernel.status[field] = value
    assert against(kernel) == why


GROUP = "/sys/fs/cgroup/unified/app.slice"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (
            {"/proc/sys/vm/overcommit_memory": "2\n"},
            "the system grants no memory twice (vm.overcommit_memory is 2)",
        ),
        ({"/proc/loadavg": "0 0 0 1/99990 5\n"}, "the limit of processes is near"),
        ({"/proc/sys/kernel/pid_max": "310\n"}, "the limit of processes is near"),
        (
            {f"/proc/{PID}/limits": "Max processes             300   400   processes\n"},
            "the limit of processes is near",
        ),
        (
            {f"{GROUP}/pids.max": "100\n", f"{GROUP}/pids.current": "90\n"},
            "the limit of processes in its control group is near",
        ),
        (
            {f"{GROUP}/memory.max": str(3 << 30), f"{GROUP}/memory.current": str(2 << 30)},
            "the memory limit of its control group is near",
        ),
        (
            {
                f"{GROUP}/memory.max": "max",
                f"{GROUP}/memory.high": str(3 << 30),
                f"{GROUP}/memory.current": str(2 << 30),
            },
            "the memory limit of its control group is near",
        ),
        (
            {
                f"/proc/{PID}/cgroup": "5:pids:/\n4:memory:/docker/x\n2:cpu:/y\n0::/\n",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes": str(1 << 30),
                "/sys/fs/cgroup/memory/docker/memory.usage_in_bytes": str(1 << 29),
            },
            "the memory limit of its control group is near",
        ),
    ],
)
def test_what_the_system_allows(kernel: FakeKernel, files: dict[str, str], why: str):
    """Limits that a clone would come near, in whichever group above the app."""
    kernel.files.update(files)
    assert against(kernel) == why


def test_limits_that_are_far(kernel: FakeKernel):
    """Or none at all."""
    kernel.files |= {
        f"{GROUP}/pids.max": "1000\n",
        f"{GROUP}/pids.current": "90\n",
        f"{GROUP}/memory.max": "max\n",
        f"{GROUP}/memory.current": str(2 << 30),
        f"/proc/{PID}/limits": "Max processes             unlimited   unlimited   processes\n",
    }
    assert against(kernel) == ""


@pytest.mark.parametrize("flag", ["um", "uw", "ui"])
def test_page_faults_of_its_own(kernel: FakeKernel, flag: str):
    """A clone would wait for a thread that stands still."""
    assert (
        against(kernel, {0x1000: frozenset({"rd", flag})}) == "it handles its own page faults (userfaultfd)"
    )


@pytest.mark.parametrize(
    ("flags", "safe"), [({"ht"}, False), ({"ht", "sh", "ms"}, True), ({"ht", "ms"}, True), ({"dd"}, True)]
)
def test_huge_pages_of_its_own(kernel: FakeKernel, flags: set[str], *, safe: bool):
    """The pool they come from may be empty when the app writes to one that a clone has too."""
    found = against(kernel, {0x1000: frozenset({"rd", "wr", *flags})})
    assert found == (
        "" if safe else "it has memory of its own in the system's pool of huge pages (hugetlbfs)"
    )


@pytest.mark.parametrize("release", ["6.4.16", "5.15.0-91-generic", "nonsense"])
def test_old_kernels(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, release: str):
    """Below 6.5 some dangers cannot be seen."""
    monkeypatch.setattr(linux_caution, "_RELEASE", release)
    assert against(kernel) == "Linux is older than 6.5"


@pytest.mark.parametrize("path", ["/proc/loadavg", f"/proc/{PID}/cgroup", "/proc/meminfo"])
def test_what_cannot_be_found_out_counts_against_it(kernel: FakeKernel, path: str):
    """Nobody is cloned on a hunch."""
    del kernel.files[path]
    assert against(kernel).startswith("whether a clone is safe could not be found out")


@pytest.mark.parametrize(
    ("memory", "threads", "small"),
    [("15000 kB", "199", True), ("17000 kB", "2", False), ("100 kB", "200", False)],
)
def test_small(kernel: FakeKernel, memory: str, threads: str, small: bool):  # noqa: FBT001 - what is expected
    """Neither much memory nor many threads."""
    kernel.status |= {"RssAnon": memory, "Threads": threads}
    assert linux_caution.small(kernel, PID) is small
    kernel.status["HugetlbPages"] = "16384 kB"
    assert not linux_caution.small(kernel, PID)


def test_brief(kernel: FakeKernel):
    """Memory of the pool counts too."""
    kernel.status |= {"RssAnon": "32000 kB", "Threads": "2000"}
    assert linux_caution.brief(kernel, PID)
    kernel.status["HugetlbPages"] = "2048 kB"
    assert not linux_caution.brief(kernel, PID)


def test_this_very_system():
    """The release is this system's own."""
    if sys.platform == "linux":
        assert os.uname().release == linux_caution._RELEASE
