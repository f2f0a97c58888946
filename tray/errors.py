"""What can go wrong, in words for the person in front of the screen."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar


class TrayError(Exception):
    """An error that ends an act and can be told to the user as it is.

    The instance's text is one plain sentence that names the cause.

    Attributes:
        title: A few words for the head of a toast.
        hint: The one thing to do next. An instance may carry a better one.
        exit_code: What the command line exits with.
    """

    title: ClassVar[str] = "Something went wrong"
    exit_code: ClassVar[int] = 1
    hint: str = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint

    def event(self) -> dict[str, Any]:
        """The last JSON line of a command that ended with this error."""
        return {
            "schema": 1,
            "event": "error",
            "error": type(self).__name__,
            "title": self.title,
            "message": str(self),
            "hint": self.hint,
            "exit_code": self.exit_code,
        }


class BadUsage(TrayError):
    """The command line or a request makes no sense."""

    title = "Not understood"
    exit_code = 2
    hint = "See 'hangshot --help'."


class NoTarget(TrayError):
    """There is no such process or window."""

    title = "Nothing to dump"
    exit_code = 3
    hint = "See 'hangshot dump --help' for the ways to name a process."


class NoDump(NoTarget):
    """There is no such dump in the store."""

    title = "No such dump"
    hint = "See 'hangshot list'."


class TargetGone(TrayError):
    """The process ended before or while it was dumped."""

    title = "The app is gone"
    exit_code = 4
    hint = "It ended by itself, so there is nothing left to dump."


class AccessDenied(TrayError):
    """The system does not let this user dump this process."""

    title = "Access denied"
    exit_code = 5


class Refused(TrayError):
    """Hangshot itself does not dump this process: it keeps credentials, or the system up."""

    title = "Refused"
    exit_code = 6
    hint = "Dump the app that has the trouble, not the service behind it."


class CaptureFailed(TrayError):
    """Nothing useful could be read. The target runs as before."""

    title = "The dump failed"
    exit_code = 7
    hint = "Try again, or run 'hangshot doctor'."


class Stalled(CaptureFailed):
    """The system's own dumper hung, maybe over a handle of the target. The target was let go."""

    hint = "Try the mode 'triage'. A handle of the app that cannot be looked at, or an antivirus, may be why."


class StoreFull(TrayError):
    """The disk is full, or would be."""

    title = "Not enough disk space"
    exit_code = 8
    hint = "Free some space, choose a smaller mode, or set another folder in the settings."


class StoreUnusable(TrayError):
    """The dump folder cannot be made, written or kept private."""

    title = "The dump folder cannot be used"
    exit_code = 9
    hint = "Set another folder in the settings, or give --output."


class NotWritten(StoreUnusable):
    """A report cannot be written where it should be."""

    title = "The report cannot be written"
    hint = "Say where it may be: 'hangshot inspect --html FILE'."


class BadDump(TrayError):
    """The file is not a dump, or a damaged one."""

    title = "Not a readable dump"
    exit_code = 10
    hint = "Was it copied whole? Compare its size with the original."


class CutDump(BadDump):
    """The dump's end is missing; what is left of it was read."""

    title = "The dump is cut off"
    exit_code = 15


class BadSettings(TrayError):
    """The settings file has a mistake; the values from before stay in force.

    Attributes:
        line: Line of the mistake, from 1; None where it cannot be told.
    """

    title = "The settings have a mistake"
    exit_code = 11
    hint = "Mend that line and save."

    def __init__(self, message: str, *, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.line = line


class BadHotkey(TrayError):
    """The text is not a key combination that can be a hotkey."""

    title = "That hotkey cannot be used"
    exit_code = 12
    hint = "Write it like ctrl+alt+shift+d, in the settings under 'hotkey'."


class HotkeyTaken(BadHotkey):
    """Another program has this combination."""

    title = "The hotkey is taken"
    exit_code = 12
    hint = "Choose another combination in the settings under 'hotkey'."


class Unsupported(TrayError):
    """The system or desktop has no way to do that."""

    title = "Not possible here"
    exit_code = 13


class Busy(TrayError):
    """A dump runs already; one press is one dump, so another is answered, not queued."""

    title = "One dump at a time"
    exit_code = 14
    hint = "Wait for its toast, then press again."


class Cancelled(TrayError):
    """The user stopped the dump. No file is left and the target runs."""

    title = "Cancelled"
    exit_code = 130
    hint = "Nothing was saved; the app runs on."
