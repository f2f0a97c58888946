"""Whether a Windows process may be dumped, with which rights, and the exact reason if not.

Source: learn.microsoft.com, "Process Security and Access Rights"; "MiniDumpWriteDump".
"""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

from tray.errors import AccessDenied, NoTarget, Refused, TargetGone
from tray.ffi import win32
from tray.ffi.win32 import code
from tray.lean import TYPE_CHECKING
from tray.model import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.ffi.win32 import System
    from tray.model import Window

KEEPERS = frozenset(
    {
        "lsass.exe",
        "lsaiso.exe",
        "winlogon.exe",
        "csrss.exe",
        "smss.exe",
        "wininit.exe",
        "services.exe",
        "system",
        "system idle process",
        "secure system",
        "registry",
        "memory compression",
        "memcompression",
    }
)
"""Processes that keep passwords, or the system up; a dump of one is a theft or an accident, whoever asks."""
_IDLE, _SYSTEM = 0, 4

LEAST = win32.PROCESS_QUERY_LIMITED_INFORMATION | win32.SYNCHRONIZE
READ = win32.PROCESS_QUERY_INFORMATION | win32.PROCESS_VM_READ | win32.SYNCHRONIZE
"""What MiniDumpWriteDump cannot do without."""
HANDLES = READ | win32.PROCESS_DUP_HANDLE
"""And to list what handles the process has."""
CLONE = HANDLES | win32.PROCESS_CREATE_PROCESS
"""And to clone it."""
RIGHTS = (CLONE, HANDLES, READ)
"""What is asked for, the most useful first: never more, for each right more alarms a watchful antivirus."""


def target(system: System, pid: int, expected: int | None, window: Window | None) -> Target:
    """See `tray.capture.Capture.target`."""
    _refuse_by_name(system, pid)
    handle = _opened(system, pid)
    try:
        return _looked_at(system, handle, pid, expected, window)
    finally:
        system.close(handle)


def started(system: System, pid: int) -> int:
    """Creation time of a process, as FILETIME.

    Raises:
        NoTarget: There is no such process.
        AccessDenied: The system does not even tell this.
    """
    handle = _opened(system, pid)
    try:
        return system.created(handle)
    finally:
        system.close(handle)


def hold(system: System, pid: int) -> tuple[int, Callable[[], None]]:
    """Creation time of a process, and what lets go of the handle that keeps its pid from being reused.

    Raises:
        NoTarget: There is no such process.
        AccessDenied: The system does not even tell this.
    """
    handle = _opened(system, pid)
    try:
        return system.created(handle), lambda: system.close(handle)
    except BaseException:
        system.close(handle)
        raise


def opened(system: System, target: Target) -> tuple[int, int]:
    """A handle for dumping a process that is still the one it was, and the rights it has; close it.

    Raises:
        TargetGone: It has ended.
        AccessDenied: The system gives no handle that can read it.
    """
    for rights in RIGHTS:
        try:
            handle = system.open_process(rights, target.pid)
        except OSError as error:
            if code(error) == win32.ERROR_INVALID_PARAMETER:
                raise TargetGone(f"{target.name} ({target.pid}) ended before it could be dumped.") from error
            if code(error) != win32.ERROR_ACCESS_DENIED:
                raise
            continue
        try:
            _check_identity(system, handle, target)
        except BaseException:
            system.close(handle)
            raise
        return handle, rights
    raise _denied(target)


def bits(system: System, process: int) -> int:
    """32 or 64: what kind of program a process is."""
    try:
        found, native = system.machines(process)
    except OSError:  # before Windows 10 1511 there is no such function
        return 64
    machine = found or native
    return 32 if machine == win32.IMAGE_FILE_MACHINE_I386 else 64


def needs_32_bit(system: System, pid: int) -> bool:
    """Whether a process is a 32-bit one, and we are not; False where nobody tells."""
    try:
        handle = system.open_process(LEAST, pid)
    except OSError:
        return False
    try:
        return system.is_64_bit() and bits(system, handle) == 32  # noqa: PLR2004
    finally:
        system.close(handle)


def health(system: System) -> list[tuple[str, bool, str, str]]:
    """See `tray.capture.health`."""
    return [("rights", *_rights(system)), ("dbghelp", *_dbghelp(system))]


def _rights(system: System) -> tuple[bool, str, str]:
    """Whether this user may dump their own programs, in a sentence, and what to do if not."""
    if system.elevated():
        return True, "this user may dump every program that is not protected", ""
    return True, "this user may dump their own programs", "For others, run Hangshot as administrator."


def _dbghelp(system: System) -> tuple[bool, str, str]:
    """What writes the dumps."""
    try:
        return True, system.dbghelp_path(), ""
    except OSError as error:
        return (
            False,
            f"it cannot be loaded: {error.strerror or error}",
            "Run 'sfc /scannow' as administrator.",
        )


def _refuse_by_name(system: System, pid: int) -> None:
    """Refuse before anything is opened: even an open handle to these is an alarm."""
    if pid == os.getpid():
        raise Refused("Hangshot does not dump itself.", hint="Choose another process.")
    name = system.processes().get(pid)
    if pid in (_IDLE, _SYSTEM) or (name and name.casefold() in KEEPERS):
        raise Refused(f"{name or 'Windows'} ({pid}) keeps passwords or Windows itself; it is never dumped.")
    if name is None:
        raise NoTarget(f"There is no process {pid}.")


def _opened(system: System, pid: int) -> int:
    """A handle that can do no more than look."""
    try:
        return system.open_process(LEAST, pid)
    except OSError as error:
        if code(error) == win32.ERROR_INVALID_PARAMETER:
            raise NoTarget(f"There is no process {pid}.") from error
        if code(error) == win32.ERROR_ACCESS_DENIED:
            raise AccessDenied(
                f"Windows lets this user not even look at process {pid}.", hint=_as_administrator(pid)
            ) from error
        raise


def _looked_at(system: System, handle: int, pid: int, expected: int | None, window: Window | None) -> Target:
    """The target behind a handle, checked against all rules."""
    if system.ended(handle):
        raise NoTarget(f"Process {pid} has ended.")
    begun = system.created(handle)
    if expected is not None and begun != expected:
        raise TargetGone(f"Process {pid} is another program now; the one that was meant has ended.")
    image = _image(system, handle)
    name = PureWindowsPath(image).name or system.processes().get(pid, str(pid))
    found = Target(pid, begun, _without_exe(name), Path(image) if image else None, window)
    _refuse_protected(system, handle, found)
    system.close(opened(system, found)[0])
    return found


def _image(system: System, handle: int) -> str:
    try:
        return system.image(handle)
    except OSError:
        return ""


def _without_exe(name: str) -> str:
    return name[:-4] if name.casefold().endswith(".exe") and len(name) > len(".exe") else name


def _refuse_protected(system: System, handle: int, found: Target) -> None:
    """Refuse what Windows itself protects (PPL): antivirus, licensing, the keepers of credentials."""
    try:
        level = system.protection(handle)
    except OSError:  # before Windows 8.1, and in Wine, nothing is protected
        return
    if level != win32.PROTECTION_LEVEL_NONE:
        raise Refused(f"{found.name} ({found.pid}) is protected by Windows; it is never dumped.")


def _check_identity(system: System, handle: int, target: Target) -> None:
    """The pid may have changed hands between the choice of the target and the opening."""
    if system.ended(handle) or system.created(handle) != target.started:
        raise TargetGone(f"{target.name} ({target.pid}) ended before it could be dumped.")


def _denied(target: Target) -> AccessDenied:
    return AccessDenied(
        f"Windows lets this user not read {target.name} ({target.pid}); "
        "it runs as administrator or as another user.",
        hint=_as_administrator(target.pid),
    )


def _as_administrator(pid: int) -> str:
    return f"In a terminal opened as administrator: hangshot dump {pid}"
