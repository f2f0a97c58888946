"""What cannot be dumped is refused with its cause and the next step."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

import dumping
import pytest
from programs import SOURCES, state, status, wait_until

from tray.errors import CutDump

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]

NOBODY = 65534
# epoll_create1(0), epoll_wait(it, on the stack, 1, -1), exit(0), by int $0x80
_CODE = bytes.fromhex(
    "b849010000 31db cd80 89c3 b800010000 89e1 ba01000000 beffffffff cd80 b801000000 31db cd80"
)
NARROW = (
    b"\x7fELF\x01\x01\x01"
    + bytes(9)
    + struct.pack("<2H5I6H", 2, 3, 1, 0x10054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    + struct.pack("<8I", 1, 0, 0x10000, 0x10000, 0x1000, 0x1000, 5, 4096)
    + _CODE
)
"""A 32-bit program that waits in epoll_wait, which the kernel does not restart, and ends when that does."""
TRACER = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
assert libc.ptrace(0x4206, int(sys.argv[1]), None, None) == 0
print("traced", flush=True)
sys.stdin.read()
"""


def refused(pid: int, folder: Path) -> dumping.Outcome:
    """A dump that must not come about, and must leave nothing."""
    dumps = folder / "dumps"
    dumps.mkdir(mode=0o700, exist_ok=True)
    outcome = dumping.outcome(dumping.start(dumping.dump_command(pid, "mini", f"{dumps}/"), folder))
    assert list(dumps.iterdir()) == []
    return outcome


def test_no_such_process(tmp_path: Path) -> None:
    """A pid that nobody has."""
    with subprocess.Popen(["true"]) as gone:
        pass
    outcome = refused(gone.pid, tmp_path)
    assert outcome.error() == "NoTarget"
    assert str(gone.pid) in outcome.last["message"]


def test_zombie(target, tmp_path: Path) -> None:
    """A process that has ended and was not waited for has no memory left."""
    outcome = refused(int(target("zombie").words[0]), tmp_path)
    assert outcome.error() == "NoTarget"
    assert "ended" in outcome.last["message"] or "zombie" in outcome.last["message"]


def test_a_process_without_its_main_thread(target, tmp_path: Path) -> None:
    """It is told from one that has ended, and the number that is named instead gives a dump."""
    program = target("waits", "headless", settle=False)
    program.expect_dead = True
    wait_until(lambda: state(program.pid) == "Z", "the main thread gone")
    outcome = refused(program.pid, tmp_path)
    assert outcome.error() == "NoTarget"
    assert "main thread" in outcome.last["message"]
    [tid] = re.findall(r"hangshot dump (\d+)", outcome.last["hint"])
    assert dumping.dump(int(tid), "heap", tmp_path).core


def kernel_thread() -> int:
    """Some thread of the kernel; 0 in a container, which sees none."""
    for path in Path("/proc").iterdir():
        if path.name.isdecimal() and status(int(path.name)).get("Kthread") == "1":
            return int(path.name)
    return 2 if status(2).get("Name") == "kthreadd" else 0


def test_kernel_thread(tmp_path: Path) -> None:
    """A thread of the kernel has no memory of its own."""
    if not (pid := kernel_thread()):
        pytest.skip("no kernel thread can be seen here")
    outcome = refused(pid, tmp_path)
    assert outcome.error() == "NoTarget"
    assert "kernel" in outcome.last["message"]


def test_first_process(tmp_path: Path) -> None:
    """The process that keeps the system up is not held still."""
    assert refused(1, tmp_path).error() in ("Refused", "AccessDenied")


@pytest.mark.parametrize("name", ["ssh-agent", "gnome-keyring-daemon", "sshd-session", "kwalletd6 (deleted)"])
def test_keeper_of_secrets(name: str, tmp_path: Path) -> None:
    """What keeps passwords for others is refused by its program's name, also a long one and one that was replaced."""
    program = tmp_path / name.removesuffix(" (deleted)")
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen(["innocent", "600"], executable=program) as running:
        try:
            wait_until(lambda: Path(f"/proc/{running.pid}/exe").resolve().name == program.name, "it runs")
            if name != program.name:
                program.unlink()
            outcome = refused(running.pid, tmp_path)
        finally:
            running.kill()
    assert outcome.error() == "Refused"
    assert "keeps passwords" in outcome.last["message"]


def test_ourselves(tmp_path: Path) -> None:
    """Hangshot does not dump itself: it would have to hold itself still."""
    script = (
        "import os, sys; from tray.cli import main; "
        "sys.exit(main(['dump', str(os.getpid()), '--mode', 'mini', '--output', sys.argv[1], '--json']))"
    )
    outcome = dumping.outcome(dumping.start([sys.executable, "-c", script, f"{tmp_path}/x.core"], tmp_path))
    assert outcome.error() == "Refused"
    assert not (tmp_path / "x.core").exists()


def test_a_32_bit_program(tmp_path: Path) -> None:
    """It is not even stopped: it waits in a call that a stop would interrupt."""
    program = tmp_path / "narrow"
    program.write_bytes(NARROW)
    program.chmod(0o700)
    try:
        waiting = subprocess.Popen([program])
    except OSError as error:
        pytest.skip(f"this system runs no 32-bit programs ({error.strerror})")
    with waiting:
        wait_until(lambda: state(waiting.pid) == "S", "it asleep")
        for mode in ("mini", "heap"):
            outcome = dumping.outcome(
                dumping.start(dumping.dump_command(waiting.pid, mode, tmp_path), tmp_path)
            )
            assert outcome.error() == "Unsupported"
        assert waiting.poll() is None
        waiting.kill()
    assert waiting.returncode == -signal.SIGKILL


def test_already_being_debugged(target, tmp_path: Path) -> None:
    """Only one program can trace another: the message names the one that does."""
    program = target("threads")
    words = [sys.executable, "-c", TRACER, str(program.pid)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tracer:
        assert tracer.stdout.readline() == b"traced\n"
        outcome = refused(program.pid, tmp_path)
        assert outcome.error() == "AccessDenied"
        assert str(tracer.pid) in outcome.last["message"]
        assert status(program.pid)["TracerPid"] == str(tracer.pid)
        tracer.stdin.close()
        tracer.wait(10)
    wait_until(lambda: status(program.pid)["TracerPid"] == "0", "the tracer gone")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can become another user")
def test_another_users_process(target, tmp_path: Path) -> None:
    """A plain user cannot dump root's process; the message names its owner and the command to use instead."""
    program = target("threads")
    dumps = tmp_path / "dumps"
    dumps.mkdir(mode=0o700)
    os.chown(dumps, NOBODY, NOBODY)
    # Nobody may read every file, for Python may lie in root's home; that gives no right over processes.
    reads = [f"--{kind}-caps=+dac_read_search,+dac_override" for kind in ("inh", "ambient")]
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *reads]
    words = [*become, *dumping.dump_command(program.pid, "mini", f"{dumps}/")]
    outcome = dumping.outcome(dumping.start(words, tmp_path))
    assert outcome.error() == "AccessDenied"
    assert "root" in outcome.last["message"]
    assert "sudo" in outcome.last["hint"]
    assert list(dumps.iterdir()) == []


def test_target_that_ends_midway(target, tmp_path: Path) -> None:
    """A process that ends while it is being dumped: an error that says so, no file, no hang."""
    dumps = tmp_path / "dumps"
    dumps.mkdir(mode=0o700)
    for _ in range(5):
        program = target("big_heap", 128)
        program.expect_dead = True
        process = dumping.start(dumping.dump_command(program.pid, "heap", f"{dumps}/"), tmp_path)
        line = process.stdout.readline()
        assert '"started"' in line, line
        os.kill(program.pid, signal.SIGKILL)
        outcome = dumping.outcome(process)
        if outcome.last["event"] == "error":
            assert outcome.error() == "TargetGone"
            assert list(dumps.iterdir()) == []
        else:
            outcome.core.with_suffix(".json").unlink()
            outcome.core.unlink()


def test_pid_of_another_process_now(target, tmp_path: Path) -> None:
    """A pid that means another process than when the key went down is not dumped."""
    program = target("threads")
    request = {"schema": 1, "pid": program.pid, "started": 1, "mode": "mini", "trigger": "menu"}
    wanted = {"folder": str(tmp_path), "retention": {"count": 0, "days": 0, "size": 0}}
    line = json.dumps({**request, **wanted, "window": None, "output": None}) + "\n"
    words = dumping.command("dump", "--json", "--request")
    result = subprocess.run(
        words,
        input=line,
        capture_output=True,
        text=True,
        check=False,
        timeout=dumping.LIMIT,
        env=dumping.environment(tmp_path),
        cwd=Path(__file__).parents[2],
    )
    assert '"TargetGone"' in result.stdout.splitlines()[-1]
    assert not list(tmp_path.rglob("*.core*"))


def inspected(path: Path, folder: Path) -> dumping.Outcome:
    """What ``hangshot inspect`` says of a file."""
    return dumping.outcome(dumping.start(dumping.command("inspect", path, "--json"), folder))


def test_truncated_dump(target, tmp_path: Path) -> None:
    """A dump that was not copied whole is named as damaged, wherever it is cut."""
    core = dumping.dump(target("threads").pid, "mini", tmp_path).core
    whole = core.read_bytes()
    for length in (0, 1, 15, 63, 64, 500, 5000, len(whole) // 2, len(whole) - 1):
        cut = tmp_path / "cut.core"
        cut.write_bytes(whole[:length])
        outcome = inspected(cut, tmp_path)
        if outcome.code == CutDump.exit_code:  # its head is whole: what there is can be read
            assert "cut off" in outcome.talk
            assert outcome.last["missing"] == len(whole) - length
        else:
            assert outcome.error() == "BadDump", length


def test_file_that_is_no_dump(tmp_path: Path) -> None:
    """A text file and a program are not dumps."""
    for path in (SOURCES / "threads.c", Path("/bin/true")):
        assert inspected(path, tmp_path).error() == "BadDump", path


def test_whole_dump_is_read(target, tmp_path: Path) -> None:
    """Beside the refusals: what is whole is read."""
    core = dumping.dump(target("threads").pid, "mini", tmp_path).core
    outcome = inspected(core, tmp_path)
    assert outcome.code == 0, outcome.talk


def test_file_that_exists_is_not_overwritten(target, tmp_path: Path) -> None:
    """An output file that exists is kept."""
    program = target("threads")
    (tmp_path / "x.core").write_text("precious")
    outcome = dumping.outcome(
        dumping.start(dumping.dump_command(program.pid, "mini", tmp_path / "x.core"), tmp_path)
    )
    assert outcome.error()
    assert (tmp_path / "x.core").read_text() == "precious"
