"""The command line: words → a command, errors → text and exit codes. One of the two barriers."""

from __future__ import annotations

import atexit
import codecs
import errno
import os
import sys
import threading
from contextlib import contextmanager

from tray import __version__, commands
from tray.commands import plain
from tray.errors import BadUsage, Cancelled, TrayError
from tray.lean import TYPE_CHECKING, at_first_words, dumps, loading, logger, signal
from tray.printable import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from typing import NoReturn, TypeGuard

log = logger(__name__)

PIPE_CLOSED = 141
"""What a shell reports of a program whose reader went away: 128 + SIGPIPE."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

SIGNS = {"→": "->", "↔": "<->", "…": "...", "—": "-", "·": "-", "✓": "ok", "✗": "BAD", "⚠": "!"}
"""What we print that not every encoding has."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, or the tray if there is none; gives the exit code and raises nothing."""
    words = sys.argv[1:] if argv is None else list(argv)
    as_json = "--json" in words
    _fill_streams()
    _let_every_sign_out()
    try:
        code = _run(words)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a reader that went away can still be told from a failure
    except TrayError as error:
        return _told(error, as_json=as_json)
    except KeyboardInterrupt:
        hint = None if "dump" in words else ""  # where nothing was to be saved
        return _told(Cancelled("Stopped by the user.", hint=hint), as_json=as_json)
    except BrokenPipeError:
        _drop_output()
        return PIPE_CLOSED
    except Exception as error:
        if _is_output_full(error):
            return _unprinted(error)
        if isinstance(error, OSError):
            log.debug("where it happened:", exc_info=error)
        else:
            log.exception("where it happened:")
        return _told(_unexpected(error), as_json=as_json)
    return code


def leave(code: int) -> None:
    """End the process as the interpreter does, but without taking everything apart first.

    That takes longer than some dumps, and the system gives all back at once. Does nothing
    where a thread still works that is to be waited for.
    """
    others = (one for one in threading.enumerate() if one is not threading.main_thread())
    if all(one.daemon for one in others):
        atexit._run_exitfuncs()  # noqa: SLF001 - they may have files to remove
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                pass  # whoever read it has gone, or there is no such thing
        os._exit(code)


def _run(words: list[str]) -> int:
    """Parse, and run what was asked for."""
    if not words:
        from tray import app

        return app.main([])
    if words == ["--version"]:
        print(f"hangshot {__version__}")
        return 0
    try:
        with loading():  # the command's module
            arguments = _parsed(words)
    except SystemExit:
        return 0  # argparse has printed help or version
    _start_logging(verbose=arguments.verbose)
    with _cancelled_by_signals():
        return commands.command(arguments.command).run(arguments)


def _parsed(words: list[str]) -> argparse.Namespace:
    """The arguments, by a parser that knows no more commands than it must."""
    name = next((word for word in words if not word.startswith("-")), None)
    if name is not None and name not in commands.NAMES + commands.HIDDEN:
        raise _unknown(name)
    if name == words[0] and (simple := plain.read(commands.command(name), words)):
        return simple
    from tray.commands.parser import parser

    helps = bool({"-h", "--help"} & {*words})
    all_of_them = commands.NAMES if helps else ()
    arguments = parser([name] if name else all_of_them, helps=helps).parse_args(words)
    if arguments.command is None:
        raise BadUsage("There is no command.")
    return arguments


def _unknown(word: str) -> BadUsage:
    """A first word that is no command, with what was probably meant."""
    from difflib import get_close_matches

    near = get_close_matches(word, commands.NAMES, 1)
    if near:
        return BadUsage(f"There is no command {word!r}.", hint=f"Did you mean 'hangshot {near[0]}'?")
    if word.isdecimal():
        return BadUsage(f"{word} is no command.", hint=f"Did you mean 'hangshot dump {word}'?")
    return BadUsage(f"There is no command {word!r}.")


def _start_logging(*, verbose: bool) -> None:
    """Send the log to standard error: warnings, or everything of ours."""

    def start() -> None:
        import logging

        logging.basicConfig(format="hangshot: %(message)s", level=logging.WARNING)
        if verbose:
            logging.getLogger("tray").setLevel(logging.DEBUG)

    if verbose or "logging" in sys.modules:
        start()
    else:
        at_first_words(start)


@contextmanager
def _cancelled_by_signals() -> Iterator[None]:
    """Make polite signals end the command like Ctrl+C, so that it leaves nothing behind.

    SIGINT too: a shell starts what it runs in the background with SIGINT ignored,
    a tray started so hands that on to its workers, and SIGINT is how it cancels them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, _cancel) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _cancel(*_: object) -> NoReturn:
    """End what is being done."""
    raise KeyboardInterrupt


def _told(error: TrayError, *, as_json: bool) -> int:
    """Tell an error, for people or for programs; gives its exit code."""
    try:
        if as_json:
            print(dumps(error.event()), flush=True)
        else:
            hint = f"\n  {error.hint}" if error.hint else ""
            print(f"hangshot: {error.title}: {printable(str(error), bytes_too=True)}{hint}", file=sys.stderr)
    except OSError:
        _drop_output()
    return error.exit_code


def _unexpected(error: Exception) -> TrayError:
    """An error that nobody thought of."""
    if isinstance(error, OSError):
        return TrayError(f"{error}.", hint="Run it with -v to see where.")
    return TrayError(
        f"{type(error).__name__}: {error}.", hint="This is a mistake in Hangshot; please report it."
    )


def _is_output_full(error: Exception) -> TypeGuard[OSError]:
    """Whether standard output takes no more: a file of ours that does not has a `TrayError` of its own."""
    return isinstance(error, OSError) and error.errno in _FULL and error.filename is None


def _unprinted(error: OSError) -> int:
    """Tell, not there, that standard output takes no more; gives the exit code."""
    _drop_output()
    cause = f"Standard output cannot be written: {error.strerror}."
    hint = "Send it where there is room. A dump that was taken is there all the same; see 'hangshot list'."
    return _told(TrayError(cause, hint=hint), as_json=False)


def _fill_streams() -> None:
    """Have an input and outputs, be it to nowhere, where we were started without (``2>&-``).

    Else the next file that is opened gets the number, and whatever a child or a library
    says goes into that: it may be the dump.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def _let_every_sign_out() -> None:
    """Let names that are not UTF-8 through as the same bytes; where that cannot be, spell or escape them."""
    codecs.register_error("hangshot", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            same = stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if same else "hangshot")


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """Our own signs in ASCII, as for a pipe on Windows; anything else escaped."""
    if isinstance(error, UnicodeEncodeError) and (plain := SIGNS.get(error.object[error.start])):
        return plain, error.start + 1
    return codecs.backslashreplace_errors(error)


def _drop_output() -> None:
    """Point standard output at nothing, or the interpreter would fail to flush it at its end."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    except (OSError, ValueError, AttributeError):
        pass  # there is no such thing as output
