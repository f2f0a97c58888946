"""What of the target's memory is in a dump, what is not, and what taking it costs."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import dumping
import judges
import pytest
from programs import status

from tray.capture.linux import LinuxCapture
from tray.ffi.linux import Kernel
from tray.formats import core as reader
from tray.modes import MODES as KINDS
from tray.modes import How

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.linux, pytest.mark.ptrace, pytest.mark.gdb]

MIB = 1 << 20
CROWD = 2000
"""Threads, more than an app of the desktop has."""
MOST_MEMORY = 25_000_000
"""Bytes of resident memory that the worker may have at its peak."""
PAGE = 4096
RSEQ = 28
"""Bytes of ``struct rseq`` (<linux/rseq.h>), one for each thread."""
LAVISH = ["heap", "full"]
MODES = ["mini", *LAVISH]
SECRET = bytes(byte - 1 for byte in b"ffdqfu!ebub!ifsf")
"""What targets/dontdump.c keeps to itself; not written out, lest it be found in this process."""


def kilobytes(pid: int, field: str) -> int:
    """A field of the status file that is given in kB, in bytes."""
    return int(status(pid)[field].removesuffix(" kB")) * 1024


def smaps(pid: int, field: str) -> int:
    """A field of smaps_rollup, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    [value] = re.findall(rf"^{field}: +(\d+) kB$", text, re.MULTILINE)
    return int(value) * 1024


def mappings(pid: int) -> list[tuple[int, int, str, str]]:
    """Start, end, access and name of each mapping."""
    rows = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, access, _, _, _, *name = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in span.split("-"))
        rows.append((start, end, access, "".join(name)))
    return rows


def allocated(core: Path) -> int:
    """What a file takes on the disk."""
    return core.stat().st_blocks * 512


@pytest.mark.parametrize(("mode", "how"), [("heap", "stop"), ("full", "stop"), ("heap", "snapshot")])
def test_reservation_stays_a_hole(target, tmp_path: Path, mode: str, how: str) -> None:
    """64 GiB reserved and untouched cost nothing: not in the file, nor in the target's page tables."""
    program = target("reservation")
    resident, tables = kilobytes(program.pid, "VmRSS"), kilobytes(program.pid, "VmPTE")
    outcome = dumping.dump(program.pid, mode, tmp_path, how)
    assert abs(allocated(outcome.core) - resident) <= resident * 0.02
    assert kilobytes(program.pid, "VmPTE") == tables
    assert kilobytes(program.pid, "VmRSS") <= resident + 64 * 1024
    assert outcome.last["seconds"] < 20
    # Gdb must say that it does not know these bytes, rather than show zeros that nobody read.
    core = judges.gdb(program.executable, outcome.core, address=int(program.words[0], 16), size=16)
    assert core.memory in (None, bytes(16))
    assert judges.named(judges.eu_stack(program.executable, outcome.core))[program.pid][:2] == [
        "pause",
        "main",
    ]


@pytest.mark.parametrize("mode", MODES)
def test_prefork_worker_keeps_sharing(target, tmp_path: Path, mode: str) -> None:
    """Pages that a worker shares with its parent are still shared after a dump."""
    program = target("prefork")
    assert program.pid != program.process.pid
    before = smaps(program.pid, "Shared_Dirty"), smaps(program.pid, "Private_Dirty")
    assert before[0] >= 64 * MIB
    core = dumping.dump(program.pid, mode, tmp_path).core
    after = smaps(program.pid, "Shared_Dirty"), smaps(program.pid, "Private_Dirty")
    assert abs(after[0] - before[0]) <= 16 * PAGE
    assert abs(after[1] - before[1]) <= 16 * PAGE
    if mode in LAVISH:
        assert judges.stored(core, int(program.words[0], 16), 64 * MIB) == b"\x3c" * (64 * MIB)


@pytest.mark.parametrize("mode", LAVISH)
def test_dontdump_is_left_out_and_named(target, tmp_path: Path, mode: str) -> None:
    """What the program asked to keep out of dumps is not in it, and the gap says so."""
    program = target("dontdump")
    outcome = dumping.dump(program.pid, mode, tmp_path)
    kept, secret = (int(word, 16) for word in program.words)
    assert judges.stored(outcome.core, kept, 18) == b"THIS MAY BE DUMPED"
    assert judges.stored(outcome.core, kept + 4 * MIB, 16) == b"\x5a" * 16
    assert judges.stored(outcome.core, secret, 1) is None
    assert SECRET not in outcome.core.read_bytes()
    assert f"{secret:x}" in outcome.gaps()


def test_the_secret_is_really_there(target) -> None:
    """The text that the test above looks for is in the target's memory: it would be found."""
    program = target("dontdump")
    with Path(f"/proc/{program.pid}/mem").open("rb") as memory:
        memory.seek(int(program.words[1], 16))
        assert memory.read(16) == SECRET


@pytest.mark.parametrize("mode", LAVISH)
def test_device_is_left_out_and_named(target, tmp_path: Path, mode: str) -> None:
    """Memory of a device is never read: reading can do something. The gap says so."""
    program = target("device")
    address = int(program.words[0], 16) if program.words[0].startswith("0x") else 0
    if not address:
        pytest.skip("no device can be mapped here")
    outcome = dumping.dump(program.pid, mode, tmp_path)
    assert judges.stored(outcome.core, address, 1) is None
    if mode == "full":
        assert f"{address:x}" in outcome.gaps()


@pytest.mark.parametrize("mode", LAVISH)
def test_guard_pages_do_no_harm(target, tmp_path: Path, mode: str) -> None:
    """PROT_NONE pages between pages in use: what lies beside them is there, whole."""
    program = target("guard")
    outcome = dumping.dump(program.pid, mode, tmp_path)
    start = int(program.words[0], 16)
    for page in (1, 2, 3, 5, 6, 7):
        assert judges.stored(outcome.core, start + page * PAGE, PAGE) == b"\x77" * PAGE, page
    assert judges.named(judges.gdb(program.executable, outcome.core).stacks)[program.pid][-1] == "main"


@pytest.mark.parametrize("mode", LAVISH)
def test_memfd_is_read_without_filling_it(target, tmp_path: Path, mode: str) -> None:
    """A sparse shared memory file is in the dump, also where no page table knows its data; it stays sparse."""
    program = target("memfd")
    start, descriptor = int(program.words[0], 16), program.words[1]
    blocks = Path(f"/proc/{program.pid}/fd/{descriptor}").stat().st_blocks
    core = dumping.dump(program.pid, mode, tmp_path).core
    assert Path(f"/proc/{program.pid}/fd/{descriptor}").stat().st_blocks == blocks
    for offset, text in ((0, b"FIRST PAGE"), (2 << 30, b"MIDDLE PAGE"), (1 << 30, b"UNMAPPED PAGE")):
        assert judges.stored(core, start + offset, len(text)) == text
    assert allocated(core) < 16 * MIB


def test_secret_memory(target, tmp_path: Path) -> None:
    """What the kernel shows to nobody is named as such, and is not called the app's own choice."""
    program = target("huge_pages", "secret")
    if "impossible" in program.words:
        pytest.skip("this system has no memfd_secret")
    outcome = dumping.dump(program.pid, "heap", tmp_path)
    assert "/secretmem: secret memory, which the system shows to nobody" in outcome.gaps()


@pytest.fixture
def many_mappings() -> Iterator[int]:
    """So many a process may have for the time of a test: 200,000 where we may allow it, 65,000 anywhere."""
    limit = Path("/proc/sys/vm/max_map_count")
    before = limit.read_text()
    with contextlib.suppress(OSError):
        limit.write_text(str(max(int(before), 201_000)))
    yield min(200_000, int(limit.read_text()) - 500)
    with contextlib.suppress(OSError):
        limit.write_text(before)


def test_more_headers_than_elf_can_count(target, tmp_path: Path, many_mappings: int) -> None:
    """With more than 65,534 mappings all three debuggers open the dump; it takes little memory."""
    if many_mappings < 71_000:
        pytest.skip("vm.max_map_count is too low and cannot be raised")
    program = target("mmap_many")
    outcome, peak = dumping.dump_measured(program.pid, "heap", tmp_path)
    assert len([header for header in judges.headers(outcome.core) if header.kind == "LOAD"]) > 65_534
    for judge, stacks in judges.judge(program.executable, outcome.core).everywhere().items():
        assert "main" in judges.named(stacks)[program.pid], judge
    last = int(program.words[0], 16) + 69_999 * PAGE
    assert judges.gdb(program.executable, outcome.core, address=last, size=8).memory == (70_000).to_bytes(
        8, "little"
    )
    assert peak <= MOST_MEMORY


def test_a_snapshot_of_many_mappings_in_little_memory(target, tmp_path: Path, many_mappings: int) -> None:
    """Nothing is held of each mapping, also where the memory comes from a clone: all pages are there."""
    program = target("mmap_many", many_mappings)
    outcome, peak = dumping.dump_measured(program.pid, "heap", tmp_path, "snapshot")
    assert outcome.last["method"] == "snapshot"
    assert peak <= MOST_MEMORY
    start, choose = int(program.words[0], 16), random.Random(5)
    with reader.read(outcome.core) as core:
        for page in (0, many_mappings - 1, *choose.sample(range(many_mappings), 2000)):
            assert core.memory(start + page * PAGE, 8) == (page + 1).to_bytes(8, "little"), page


def test_packed_with_many_threads_in_little_memory(target, tmp_path: Path, many_mappings: int) -> None:
    """Nor are many kinds of mappings held, with threads besides, and while the dump is packed."""
    program = target("many_kinds", many_mappings // 2, "spxo", tmp_path, 1000)
    outcome, peak = dumping.dump_measured(program.pid, "full", tmp_path, "stop", "--compress", "zstd")
    assert outcome.core.suffix == ".zst"
    assert len(json.loads(Path(outcome.last["sidecar"]).read_bytes())["threads"]) == 1001
    assert peak <= MOST_MEMORY


def test_hardly_two_mappings_alike_in_little_memory(target, tmp_path: Path) -> None:
    """Nor is more held of a file than its numbers, in any mode: 18,000 of which hardly two are the same."""
    program = target("many_kinds", 18_000, "fspdxk", tmp_path)
    for mode, how in (("heap", "snapshot"), ("full", "stop"), ("mini", "stop"), ("triage", "stop")):
        outcome, peak = dumping.dump_measured(program.pid, mode, tmp_path, how)
        assert outcome.last["method"].split(" (")[0] == {"stop": "stop and copy"}.get(how, how)
        assert peak <= MOST_MEMORY, (mode, how)
        outcome.core.unlink()


def test_more_files_than_descriptors(target, tmp_path: Path) -> None:
    """A process that has mapped more files than we may have open is dumped too; what it wrote is in the dump."""
    program = target("many_kinds", 2000, "w", tmp_path)
    limited = ["sh", "-c", 'ulimit -n 500; exec "$@"', "sh"]
    words = [*limited, *dumping.dump_command(program.pid, "heap", tmp_path / "heap.core")]
    core = dumping.outcome(dumping.start(words, tmp_path)).core
    own = {name: start for start, _, _, name in mappings(program.pid) if name.endswith(".segment")}
    assert len(own) == 2000
    for number in (0, 999, 1999):
        [start] = [own[name] for name in own if name.endswith(f"-{number:07}.segment")]
        assert judges.stored(core, start, 8) == (number + 1).to_bytes(8, "little")


def test_pages_far_apart_come_once_and_in_order(target, tmp_path: Path) -> None:
    """Of more than 8,192 the kernel's page scan repeats some: each is in the dump, at its place."""
    program = target("sparse", 12_000)
    core = dumping.dump(program.pid, "heap", tmp_path).core
    for number in (0, 8191, 8192, 11_999):
        address = int(program.words[0], 16) + number * 2 * MIB
        assert judges.stored(core, address, 8) == (number + 1).to_bytes(8, "little"), number
    loads = [header for header in judges.headers(core) if header.kind == "LOAD"]
    assert all(one.address + one.size <= two.address for one, two in itertools.pairwise(loads))


def test_two_gigabytes_in_little_memory(target, tmp_path: Path) -> None:
    """The worker's memory does not grow with the target's."""
    program = target("big_heap", 2048)
    outcome, peak = dumping.dump_measured(program.pid, "heap", tmp_path)
    assert allocated(outcome.core) >= 2048 * MIB
    outcome.core.unlink()
    assert peak <= MOST_MEMORY


@pytest.mark.parametrize("how", ["stop", "snapshot"])
def test_a_crowd_in_little_memory(target, tmp_path: Path, how: str) -> None:
    """Nor with its threads: of 2,000 each is in the dump and in the sidecar."""
    program = target("many_threads", CROWD - 1)
    outcome, peak = dumping.dump_measured(program.pid, "heap", tmp_path, how)
    told = json.loads(outcome.core.with_suffix(".json").read_bytes())
    assert len(told["threads"]) == len(told["waits"]) == CROWD
    assert peak <= MOST_MEMORY
    with reader.read(outcome.core) as file:  # MXCSR as every thread begins with it
        assert {thread.floating[24:28] for thread in file.snapshot.threads} == {b"\x80\x1f\0\0"}
    ends = [header.offset + header.stored for header in judges.headers(outcome.core)]
    assert outcome.core.stat().st_size == max(ends)  # nothing is left of where they were laid aside


class Noting(Kernel):
    """Takes note of when the memory map is read and threads are stopped; may tell half of the map at first."""

    def __init__(self, *, stale: bool) -> None:
        super().__init__()
        self.stale = stale
        self.asked: list[str] = []

    def blocks(self, path):
        self.asked.append(path.rpartition("/")[2])
        for block in super().blocks(path):
            yield block[: block.rindex(b"\n", 0, len(block) // 2) + 1] if self.stale else block
        self.stale = False

    def interrupt(self, tid: int) -> None:
        self.asked += ["stop"] * (self.asked[-1:] != ["stop"])
        super().interrupt(tid)


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("mode", ["mini", "heap"])
def test_the_map_is_read_before_the_stop(target, mode: str, *, stale: bool) -> None:
    """While the app stands still it is only seen to be the same, or read anew if it is not."""
    kernel, found = Noting(stale=stale), "smaps" if mode == "heap" else "maps"
    capture = LinuxCapture(How.STOP, kernel)
    with tempfile.TemporaryFile() as file:
        capture.write(capture.target(target("threads").pid), KINDS[mode], file, lambda done, total: False)
    anew = ["maps"] * stale + ["smaps"] * (stale and mode == "heap")
    assert kernel.asked == [found, "stop", "maps", *anew]


def test_mini_is_small(target, tmp_path: Path) -> None:
    """A mini dump has at most 250 KB for ten threads and 12 KB for each further one."""
    for threads in (10, 60, 500):
        program = target("many_threads", threads - 1)
        size = dumping.dump(program.pid, "mini", tmp_path).core.stat().st_size
        assert size <= 250_000 + (threads - 10) * 12_000, threads


def test_mini_is_small_for_everyday_threads(target, tmp_path: Path) -> None:
    """The same with threads in different calls, and with locks."""
    for name in ("threads", "deadlock"):
        assert dumping.dump(target(name).pid, "mini", tmp_path).core.stat().st_size <= 250_000, name


def test_zero_pages_cost_nothing(target, tmp_path: Path) -> None:
    """Pages that hold only zeros are holes in the file and read back as zeros."""
    program = target("big_heap", 8, 64, 256)
    core = dumping.dump(program.pid, "heap", tmp_path).core
    assert allocated(core) < 16 * MIB


def is_readable_by_us(access: str, name: str) -> bool:
    """Whether a full dump must hold this mapping."""
    return access[0] == "r" and name not in ("[vvar]", "[vvar_vclock]", "[vsyscall]")


@pytest.mark.parametrize("how", ["stop", "snapshot"])
@pytest.mark.parametrize("name", ["threads", "python_program", "static_pie", "big_heap"])
def test_full_is_exact(target, tmp_path: Path, name: str, how: str) -> None:
    """Every readable byte of a sleeping target is in its full dump, as it is in the target."""
    program = target(name)
    core = dumping.dump(program.pid, "full", tmp_path, how).core
    loads = [header for header in judges.headers(core) if header.kind == "LOAD"]
    with Path(f"/proc/{program.pid}/mem").open("rb") as memory, core.open("rb") as file:
        for start, end, access, path in mappings(program.pid):
            if is_readable_by_us(access, path):
                assert_same(memory, file, loads, start, end)


def assert_same(memory, file, loads: list[judges.Header], start: int, end: int) -> None:
    """Compare a mapping page by page; what the file does not store must be zeros that were never touched."""
    memory.seek(start)
    live = memory.read(end - start)
    dumped = bytearray(end - start)
    for load in loads:
        low, high = max(start, load.address), min(end, load.address + load.stored)
        if low < high:
            file.seek(load.offset + low - load.address)
            dumped[low - start : high - start] = file.read(high - low)
    wrong = [at for at in range(0, end - start, PAGE) if differ(live[at : at + PAGE], dumped[at : at + PAGE])]
    assert not wrong, f"{len(wrong)} pages of {start:x}-{end:x} differ, the first at {start + wrong[0]:x}"


def differ(live: bytes, dumped: bytes) -> bool:
    """Whether two pages differ in more than ``struct rseq``, into which the kernel writes a thread's CPU."""
    return live != dumped and sum(a != b for a, b in zip(live, dumped, strict=True)) > RSEQ


def test_what_is_claimed_is_within_the_file(target, tmp_path: Path) -> None:
    """No header points outside the file, and they are sorted and do not overlap."""
    program = target("python_program")
    for mode in MODES:
        core = dumping.dump(program.pid, mode, tmp_path).core
        loads = [header for header in judges.headers(core) if header.kind == "LOAD"]
        size = core.stat().st_size
        assert all(load.offset + load.stored <= size for load in loads)
        assert all(one.address + one.size <= two.address for one, two in itertools.pairwise(loads))


def test_files_are_private(target, tmp_path: Path) -> None:
    """The dump and its sidecar are readable by their owner alone."""
    core = dumping.dump(target("threads").pid, "mini", tmp_path).core
    assert core.stat().st_mode & 0o777 == 0o600
    assert core.with_suffix(".json").stat().st_mode & 0o777 == 0o600


def test_a_dump_loads_only_what_it_uses(target, tmp_path: Path) -> None:
    """Up to its last line, where all goes well: nothing of what `tray.lean` and `tray.paths` stand for."""
    program = target("many_threads", 20)
    python, *rest = dumping.dump_command(program.pid, "heap", tmp_path / "x.core", "auto")
    result = subprocess.run(
        [python, "-X", "importtime", *rest], capture_output=True, text=True, check=True, timeout=dumping.LIMIT
    )
    lines = (line for line in result.stderr.splitlines() if line.startswith("import time:"))
    loaded = {line.rpartition("|")[2].strip() for line in lines}
    assert {"tray.flow", "tray.capture.linux_clone", "_json", "_datetime"} <= loaded
    assert not loaded & {
        "argparse",
        "dataclasses",
        "datetime",
        "enum",
        "json",
        "logging",
        "pathlib",
        "re",
        "typing",
    }
