"""The command line: parsing, the barrier, exit codes."""

from __future__ import annotations

import io
import json
import logging
import signal
import sys
import threading

import pytest

from tray import cli, commands, errors
from tray.cli import main
from tray.commands import plain
from tray.commands.parser import exit_codes, parser


class Command:
    """A command that does what a test wants."""

    HELP = "do what a test wants"

    def __init__(self, act=lambda arguments: 0):
        self.act = act

    def add(self, parser):
        parser.add_argument("--json", action="store_true")
        parser.add_argument("word", nargs="?")

    def run(self, arguments):
        return self.act(arguments)


@pytest.fixture
def doing(monkeypatch):
    """Makes every command do this."""

    def make(act):
        monkeypatch.setattr(commands, "command", lambda name: Command(act))

    return make


def fail(error):
    """An act that raises."""

    def act(arguments):
        raise error

    return act


def test_every_command_is_there():
    """Each name has a module with what the parser needs, and nothing else is a command."""
    for name in commands.NAMES:
        module = commands.command(name)
        assert module.__name__ == f"tray.commands.{name}"
        assert module.HELP
        assert module.HELP[0].islower()
        assert callable(module.add)
        assert callable(module.run)
    with pytest.raises(KeyError):
        commands.command("frobnicate")


def test_the_whole_help_is_there(capsys):
    """All commands and all exit codes."""
    with pytest.raises(SystemExit) as caught:
        parser(commands.NAMES).parse_args(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for name in commands.NAMES:
        assert f"    {name} " in text
    assert "    3  Nothing to dump" in text
    assert "  130  Cancelled" in text


def test_help_is_an_exit_code_like_any_other(capsys):
    """Main never raises: --help and --version give 0."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("hangshot 0.")
    assert main(["--help"]) == 0
    assert main(["list", "-h"]) == 0
    assert "List the dumps" in capsys.readouterr().out


def test_exit_codes_come_from_the_errors():
    """Each error has its own line, except where kinds share a code."""
    lines = exit_codes().splitlines()[1:]
    codes = [int(line.split()[0]) for line in lines]
    assert codes == sorted(set(codes))
    assert {0, 1, 2, errors.StoreFull.exit_code, 130} <= set(codes)
    assert "    3  Nothing to dump" in lines


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["lits"], "Did you mean 'hangshot list'?"),
        (["4312"], "Did you mean 'hangshot dump 4312'?"),
        (["frobnicate"], "See 'hangshot --help'."),
        (["-v"], "See 'hangshot --help'."),
        (["list", "--jsno"], "See 'hangshot list --help'."),
        (["list", "a", "b"], "See 'hangshot list --help'."),
        (["--frob"], "See 'hangshot --help'."),
    ],
)
def test_bad_usage_says_what_was_meant(doing, capsys, words, hint):
    """Exit code 2, cause and next step on standard error, nothing on standard output."""
    doing(lambda arguments: 0)
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("hangshot: Not understood: ")
    assert said.err.endswith(f"\n  {hint}\n")


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        (["--capture", "stopp"], "'auto', 'snapshot', 'stop'"),
        (["--compress", "gzip"], "'none', 'zstd'"),
        (["--mode", "hepa"], "'mini', 'heap', 'full', 'triage'"),
    ],
)
def test_a_wrong_choice_is_told_the_right_ones(capsys, words, choices):
    """As one would type them."""
    assert cli.main(["dump", "1", *words]) == 2
    assert choices in capsys.readouterr().err


def test_no_words_start_the_tray(monkeypatch):
    """Hangshot without arguments is the tray, and its exit code is ours."""
    from tray import app

    monkeypatch.setattr(app, "main", lambda words: 7)
    monkeypatch.setattr(sys, "argv", ["hangshot"])
    assert cli.main([]) == cli.main() == 7


def test_a_command_gets_its_arguments(doing):
    """Its exit code is ours; -v counts before and after it."""
    seen = []
    doing(lambda arguments: seen.append(arguments) or 5)
    assert cli.main(["dump", "x"]) == 5
    assert cli.main(["-v", "dump"]) == 5
    assert cli.main(["dump", "-v"]) == 5
    assert [(found.command, found.word, found.verbose) for found in seen] == [
        ("dump", "x", False),
        ("dump", None, True),
        ("dump", None, True),
    ]


@pytest.fixture(autouse=True)
def _quiet_again():
    """Take back what -v has set."""
    yield
    logging.getLogger("tray").setLevel(logging.NOTSET)


def test_an_error_is_told_in_words(doing, capsys):
    """Title, cause and hint on standard error, and its exit code."""
    doing(fail(errors.StoreFull("The disk is full.")))
    assert cli.main(["dump"]) == 8
    assert capsys.readouterr().err == (
        f"hangshot: Not enough disk space: The disk is full.\n  {errors.StoreFull.hint}\n"
    )


def test_an_error_without_a_hint_is_one_line(doing, capsys):
    """No empty line where there is nothing to do."""
    doing(fail(errors.AccessDenied("No.")))
    assert cli.main(["dump"]) == 5
    assert capsys.readouterr().err == "hangshot: Access denied: No.\n"


@pytest.mark.parametrize(
    ("error", "name", "code"),
    [
        (errors.NoTarget("None."), "NoTarget", 3),
        (KeyboardInterrupt(), "Cancelled", 130),
        (OSError(5, "Input/output error"), "TrayError", 1),
    ],
)
def test_with_json_the_last_line_is_the_error(doing, capsys, error, name, code):
    """Programs read one kind of answer, whatever went wrong."""
    doing(fail(error))
    assert cli.main(["dump", "--json"]) == code
    said = capsys.readouterr()
    last = json.loads(said.out.splitlines()[-1])
    assert (last["schema"], last["event"], last["error"], last["exit_code"]) == (1, "error", name, code)
    assert said.err == ""


def test_bad_usage_with_json_is_json_too(capsys):
    """Even where the parser never came to see --json."""
    assert cli.main(["lits", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "BadUsage"


def test_a_mistake_of_ours_is_told_with_its_place(doing, capsys, expected_warnings):
    """One line for the user, a traceback in the log for the report."""
    doing(fail(ZeroDivisionError("division by zero")))
    assert cli.main(["dump"]) == 1
    said = capsys.readouterr().err
    assert "Something went wrong: ZeroDivisionError: division by zero." in said
    assert "please report it" in said
    assert expected_warnings.records[0].exc_info


def test_ctrl_c_is_an_exit_code(doing, capsys):
    """130, and said."""
    doing(fail(KeyboardInterrupt()))
    assert cli.main(["dump"]) == 130
    assert "Cancelled" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", pytest.param("SIGHUP", marks=pytest.mark.linux)])
def test_polite_signals_cancel(doing, name):
    """Also where SIGINT came in ignored, as under a tray started in the background."""
    before = signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        doing(lambda arguments: signal.raise_signal(getattr(signal, name)) or 0)
        assert cli.main(["dump"]) == 130
        assert signal.getsignal(getattr(signal, name)) == signal.SIG_IGN
    finally:
        signal.signal(getattr(signal, name), before)


def test_another_thread_may_run_a_command(doing):
    """Signals belong to the main thread; elsewhere they are left alone."""
    codes = []
    doing(lambda arguments: 4)
    thread = threading.Thread(target=lambda: codes.append(cli.main(["dump"])))
    thread.start()
    thread.join()
    assert codes == [4]


def test_a_reader_that_goes_away_is_no_error(doing, monkeypatch, tmp_path):
    """``hangshot list | head -1`` says nothing on standard error, now or at exit."""
    monkeypatch.setattr(sys, "stdout", (tmp_path / "out").open("w"))
    doing(fail(BrokenPipeError()))
    assert cli.main(["list"]) == 141
    print("to nowhere", flush=True)
    sys.stdout.close()
    assert (tmp_path / "out").read_text() == ""


def test_an_error_for_a_reader_that_went_away_is_its_exit_code(doing, monkeypatch):
    """Nobody is there to be told."""

    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    doing(fail(errors.NoTarget("None.")))
    assert cli.main(["dump", "--json"]) == 3


def test_without_standard_output_commands_still_run(doing, monkeypatch):
    """A program without a console has none."""
    monkeypatch.setattr(sys, "stdout", None)
    doing(lambda arguments: 0)
    assert cli.main(["dump"]) == 0
    doing(fail(BrokenPipeError()))
    assert cli.main(["dump"]) == 141


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", b"gr\xf6\xdfe\n"), ("iso-8859-1", b"gr\\udcf6\\udcdfe\n")]
)
def test_names_that_are_not_utf_8_come_out(doing, monkeypatch, encoding, expected):
    """A path of foreign bytes is printed as those bytes where that can be, and never fails."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    doing(lambda arguments: print(b"gr\xf6\xdfe".decode("utf-8", "surrogateescape")) or 0)
    assert cli.main(["dump"]) == 0
    assert raw.getvalue().replace(b"\r", b"") == expected


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_our_own_signs_are_spelled_where_they_cannot_be_written(doing, monkeypatch, name):
    """As for a pipe on Windows; what is neither ours nor in its letters is escaped."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="cp1252", newline="")
    monkeypatch.setattr(sys, name, stream)
    doing(lambda arguments: print("a → b ↔ ü… 😀", file=stream, flush=True) or 0)
    assert cli.main(["dump"]) == 0
    assert raw.getvalue() == "a -> b <-> ü… \\U0001f600\n".encode("cp1252")


LINES = {
    "dump": [
        "", "123", "name --json", "--json 123 -v", "--mode heap 7", "7 --mode=heap", "7 --mode heap --mode mini",
        "--request --json", "7 --started 99 --without-handles", "--request --only 1 2 --pipes x",
        "--foreground --compress zstd", "7 --output a=b", "7 --output=a=b", "7 --output=",
        "7 --low-impact --capture stop",
        # not plain, or wrong:
        "7 8", "--mode", "--mode what 7", "7 --started x", "7 --js", "7 --out x", "-- 7", "--json=1", "--only 1",
        "--only=1 2", "-j", "-", "--output -x", "-h", "--help", "7 --output --json", "--started -1",
        "--version", "-vv", "-v=1",
    ],
    "list": ["", "--json", "-v --json", "x", "--jsno"],
    "inspect": ["", "last", "last --text", "--html", "--html x last", "last --html", "--redact x --json"],
    "explain": ["x --json"],
    "open": ["x --debugger", "--debugger"],
    "prune": ["-n", "--dry-run", "-n --json"],
    "hotkey": ["--record", ""],
    "doctor": ["", "-v"],
    "demo": ["", "deadlock"],
    "read-stacks": ["x", "", "x --format minidump --beside y", "x --format z"],
}  # fmt: skip
"""Command → what may follow it."""


def meant(act):
    """The fields that a way of reading finds, or its complaint."""
    try:
        return vars(act())
    except (errors.BadUsage, SystemExit) as error:
        return repr(error)


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in LINES.items() for line in lines])
def test_plain_words_mean_what_the_whole_parser_says(capsys, name, line):
    """Whatever is read without the whole parser, that would read likewise; what it refuses is left to it."""
    words = [name, *line.split()]
    plainly = plain.read(commands.command(name), words)
    wholly = meant(lambda: parser([name]).parse_args(words))
    assert plainly is None or vars(plainly) == wholly


def test_every_command_has_lines():
    """So that a new one is compared too."""
    assert {*LINES} == {*commands.NAMES, *commands.HIDDEN}


@pytest.mark.parametrize("line", LINES["dump"][:15])
def test_a_dump_is_asked_for_in_plain_words(line):
    """As the tray and most people ask, ``argparse`` is not needed."""
    assert plain.read(commands.command("dump"), ["dump", *line.split()])


@pytest.mark.parametrize("name", ["dump", "demo"])
def test_untold_options_are_not_in_the_help(capsys, name):
    """What only the program itself says is nobody else's concern."""
    assert main([name, "--help"]) == 0
    told = capsys.readouterr().out
    assert not {"--request", "--program", "--pipes"} & {*told.replace("]", " ").replace("[", " ").split()}
    assert commands.UNTOLD not in told
