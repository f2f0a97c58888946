"""Whether a Linux process may be dumped, and the exact reason if not.

Source: ptrace(2), "Ptrace access mode checking"; proc_pid_status(5);
Linux ``Documentation/admin-guide/LSM/Yama.rst``.
"""

from __future__ import annotations

import errno
import os
import sys
import time

from tray.errors import AccessDenied, NoTarget, Refused, TargetGone, Unsupported
from tray.lean import TYPE_CHECKING
from tray.model import Target, Window
from tray.paths import Path
from tray.patience import within

if TYPE_CHECKING:
    from tray.ffi.linux import Kernel

KEEPERS = frozenset(
    {
        "ssh-agent",
        "gcr-ssh-agent",
        "gpg-agent",
        "gnome-keyring-daemon",
        "oo7-daemon",
        "kwalletd",
        "kwalletd5",
        "kwalletd6",
        "ksecretd",
        "scdaemon",
        "pcscd",
        "winbindd",
        "nslcd",
        "sssd",
        "sssd_be",
        "sssd_nss",
        "sssd_pam",
        "sssd_kcm",
        "krb5kdc",
        "kadmind",
        "gssproxy",
        "rpc.gssd",
        "polkitd",
        "polkit-agent-helper-1",
        "sudo",
        "su",
        "doas",
        "passwd",
        "login",
        "sshd",
        "sshd-session",
        "sshd-auth",
        "unix_chkpwd",
        "pkexec",
        "systemd-logind",
        "systemd-homed",
        "systemd-userdbd",
        "systemd-creds",
    }
)
"""Programs that keep passwords and keys for others; a dump of one is a theft, whoever asks."""
_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
_CAP_SYS_PTRACE = 19
_ELF_32 = 1
"""The fifth byte of a 32-bit program's file. Source: elf(5), EI_CLASS."""
_KTHREADD = "2"
_LOCKED = 1.0
"""Seconds to wait for a command line, which may be locked, and for the program's file."""
_FAREWELL = 0.2
"""Seconds that a process with much memory may need to end."""


def started(kernel: Kernel, pid: int) -> int:
    """Start time of a process in clock ticks since boot.

    Raises:
        NoTarget: There is no such process.
    """
    try:
        stat = kernel.text(f"/proc/{pid}/stat")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            raise NoTarget(f"There is no process {pid}.") from error
        raise
    return int(stat[stat.rindex(")") + 2 :].split()[19])


def ended(kernel: Kernel, pid: int) -> bool:
    """Whether the process is gone, or nothing but its exit code is left."""
    try:
        stat = kernel.text(f"/proc/{pid}/stat")
    except OSError:
        return True
    return stat[stat.rindex(")") + 2 :][:1] in ("Z", "X")


def ending(kernel: Kernel, pid: int) -> bool:
    """Whether the process has ended or is about to.

    One that ends refuses requests with EPERM for a while before it shows as a zombie.
    """
    deadline = time.monotonic() + _FAREWELL
    while not ended(kernel, pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_FAREWELL / 20)
    return True


def target(kernel: Kernel, pid: int, expected: int | None, window: Window | None) -> Target:
    """See `tray.capture.Capture.target`."""
    begun = started(kernel, pid)
    if expected is not None and begun != expected:
        raise TargetGone(f"Process {pid} is another program now; the one that was meant has ended.")
    status = _status(kernel, pid)
    found = Target(pid, begun, _known_as(kernel, pid, status["Name"]), _executable(pid), window)
    _refuse(found, status)
    _check_traced(kernel, found, status)
    _check_access(found, status)
    _check_width(kernel, found)
    return found


def rights() -> tuple[bool, str, str]:
    """Whether this user may dump their own programs, in a sentence, and what to do if not."""
    if _privileged():
        return True, "this user may dump every program", ""
    scope = _scope()
    if scope == 0:
        return True, "this user may dump their own programs", ""
    rules = {
        1: "only programs started by Hangshot itself may be dumped (ptrace_scope is 1)",
        2: "only an administrator may dump programs (ptrace_scope is 2)",
        3: "nobody may dump programs until the next boot (ptrace_scope is 3)",
    }
    return False, rules.get(scope, f"ptrace_scope is {scope}"), _scope_hint(scope)


def _known_as(kernel: Kernel, pid: int, comm: str) -> str:
    """The process's name; the kernel cuts it at 15 bytes, so the command line may complete it."""
    if len(os.fsencode(comm)) < 15:  # noqa: PLR2004 - TASK_COMM_LEN less its NUL
        return comm
    try:
        first = within(_LOCKED, lambda: kernel.text(f"/proc/{pid}/cmdline")).split("\0", 1)[0]
    except OSError:  # also after a while: see `linux_stuck.unread`
        return comm
    base = first.rpartition("/")[2]
    return base if base.startswith(comm) else comm


def _status(kernel: Kernel, pid: int) -> dict[str, str]:
    try:
        text = kernel.text(f"/proc/{pid}/status")
    except OSError as error:
        raise TargetGone(f"Process {pid} ended.") from error
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def _executable(pid: int) -> Path | None:
    try:
        return Path(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)"))
    except OSError:
        return None


def _refuse(found: Target, status: dict[str, str]) -> None:
    """Processes that are none to dump, whoever asks."""
    who = f"{found.name} ({found.pid})"
    if found.pid == os.getpid():
        raise Refused(f"Process {found.pid} is Hangshot itself, which cannot hold itself still.")
    kernel_made = str(found.pid) == _KTHREADD or status.get("PPid") == _KTHREADD
    if status.get("Kthread") == "1" or (kernel_made and not found.executable):
        raise NoTarget(
            f"{who} is a thread of the kernel, not an app; it has no memory of its own.",
            hint="Dump the app that waits for it.",
        )
    if status.get("State", "")[:1] in ("Z", "X"):
        if int(status.get("Threads", "1")) > 1:
            raise _headless(who, found.pid)
        raise NoTarget(
            f"{who} has already ended; only its exit code is left (a zombie).",
            hint=f"Its parent, process {status.get('PPid')}, has yet to collect it: perhaps that is what hangs.",
        )
    if found.pid == 1:
        raise Refused(f"{who} keeps the whole system up.")
    if found.name in KEEPERS or (found.executable and found.executable.name in KEEPERS):
        raise Refused(f"{who} keeps passwords or keys.")


def _headless(who: str, pid: int) -> NoTarget:
    """The error for a process of which only the main thread has ended: its memory shows through the others."""
    others = [name for name in os.listdir(f"/proc/{pid}/task") if name != str(pid)]
    return NoTarget(
        f"The main thread of {who} has ended, and only others of its threads run on.",
        hint=f"Dump it by the number of one of those: 'hangshot dump {min(others, key=int, default=pid)}'.",
    )


def _check_traced(kernel: Kernel, found: Target, status: dict[str, str]) -> None:
    """Only one program can trace another."""
    if tracer := int(status.get("TracerPid", "0")):
        raise _traced(kernel, f"{found.name} ({found.pid})", tracer)


def _traced(kernel: Kernel, who: str, tracer: int) -> AccessDenied:
    try:
        name = kernel.text(f"/proc/{tracer}/comm").rstrip("\n")
    except OSError:
        name = "a program"
    return AccessDenied(
        f"{who} is being debugged by {name} ({tracer}) already.",
        hint="Detach that debugger, or have it write the dump: 'generate-core-file' in gdb.",
    )


def unstoppable(kernel: Kernel, pid: int) -> AccessDenied:
    """The error for a process that may not be stopped, though it could be looked into a moment ago."""
    try:
        tracer = int(_status(kernel, pid).get("TracerPid", "0"))
    except TargetGone:
        tracer = 0
    if tracer:
        return _traced(kernel, f"Process {pid}", tracer)
    return AccessDenied(
        f"The system does not let this user stop process {pid}.",
        hint="If another program has just dumped or debugged it, try again; else see 'hangshot doctor'.",
    )


def _check_access(found: Target, status: dict[str, str]) -> None:
    """Ask for the right that the capture needs; opening the memory file asks just that."""
    try:
        os.close(os.open(f"/proc/{found.pid}/mem", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            raise TargetGone(f"{found.name} ({found.pid}) ended.") from error
        raise _denied(found, status) from error


def _check_width(kernel: Kernel, found: Target) -> None:
    """A 32-bit program is not even stopped; where its file does not tell, its registers will.

    The file may lie on the very network share that the program hangs on.
    """
    try:
        start = within(_LOCKED, lambda: _beginning(kernel, f"/proc/{found.pid}/exe"))
    except OSError:
        return
    if start[4] == _ELF_32:
        raise narrow(f"{found.name} ({found.pid})")


def _beginning(kernel: Kernel, path: str) -> bytes:
    """The first five bytes of a file."""
    start, descriptor = bytearray(5), kernel.open(path)
    try:
        kernel.read_file(descriptor, memoryview(start), 0)
    finally:
        os.close(descriptor)
    return bytes(start)


def narrow(who: str) -> Unsupported:
    """The error for a 32-bit program."""
    return Unsupported(
        f"{who} is a 32-bit program.", hint="Use gdb's gcore for it; on Linux Hangshot reads 64-bit ones."
    )


def _denied(found: Target, status: dict[str, str]) -> AccessDenied:
    """Why the memory file cannot be opened."""
    who = f"{found.name} ({found.pid})"
    again = f"sudo {_ourselves()} dump {found.pid} --output ."
    owners = set(status.get("Uid", "").split()[:3])
    if owners != {str(_user())}:
        return AccessDenied(
            f"{who} belongs to {_account(status)}, not to you.", hint=f"As administrator: {again}"
        )
    scope = _scope()
    if scope:
        return AccessDenied(
            f"The system lets no program look into {who} (ptrace_scope is {scope}).",
            hint=_scope_hint(scope, again),
        )
    return AccessDenied(
        f"{who} protects itself from being looked into, as programs with extra rights do.",
        hint=f"As administrator: {again}",
    )


def _scope_hint(scope: int, again: str = "") -> str:
    if scope >= 3:  # noqa: PLR2004 - YAMA_SCOPE_NO_ATTACH
        return "This setting can only be changed by a restart with another kernel.yama.ptrace_scope."
    allow = "Until the next restart: sudo sysctl kernel.yama.ptrace_scope=0"
    return f"{allow}. For this dump alone: {again}" if again else allow


def _scope() -> int:
    try:
        return int(Path(_SCOPE).read_text())
    except (OSError, ValueError):
        return 0


def _privileged() -> bool:
    """Whether we hold CAP_SYS_PTRACE."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> _CAP_SYS_PTRACE & 1)
    except OSError:
        pass
    return False


def _account(status: dict[str, str]) -> str:
    """Name of the user who owns the process."""
    number = int(status.get("Uid", "0").split()[0])
    if sys.platform != "win32":
        import pwd

        try:
            return pwd.getpwuid(number).pw_name
        except KeyError:
            pass
    return f"user {number}"


def _user() -> int:
    if sys.platform != "win32":
        return os.getuid()
    return 0


def _ourselves() -> str:
    """Our command as another user can type it, whose PATH may lack it."""
    return str(Path(sys.argv[0]).resolve()) if Path(sys.argv[0]).name == "hangshot" else "hangshot"
