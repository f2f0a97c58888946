"""Markers and their reasons, log warnings that fail, and the fixtures that every tier shares.

A test that needs something of the machine says so by a marker. Where that is
missing the test is skipped, with one reason per marker, computed once.
``HANGSHOT_REQUIRE=all`` (or a list of markers), set by ``.ci/run``, turns these
skips into failures: a test that never runs tests nothing. What could not be
installed on this system, as all that is Linux's could not on Windows, is
deselected; in the test bed of ``.ci/testbed`` nothing else is missing, so there
every skip is a failure.
"""

from __future__ import annotations

import functools
import gc
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import browser
import hypothesis
import pytest
from programs import Program, Workshop, found, launch
from screen import screen  # noqa: F401 - fixtures are found by being here
from session import bus, homes, notifyd, panel  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

# Tests never see the user's own settings, dumps, display language or colours.
for _name in ("HANGSHOT_SETTINGS", "NO_COLOR", "FORCE_COLOR", "DEBUGINFOD_URLS", "LANGUAGE"):
    os.environ.pop(_name, None)

# What is compiled is kept, whatever the shell says: hundreds of programs that tests start would each compile us anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

gc.set_threshold(
    50_000
)  # what tests leave goes by itself: searching it every 700 things is a tenth of the time

# How long an example takes says more about the machine than about us.
hypothesis.settings.register_profile(
    "busy",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("busy")

TRACED = """
import ctypes, sys
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # PR_SET_PTRACER, any
print("ready", flush=True)
sys.stdin.read()
"""
TRACER = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
sys.exit(ctypes.get_errno() if libc.ptrace(0x4206, int(sys.argv[1]), None, None) else 0)  # PTRACE_SEIZE
"""


def _no_linux() -> str:
    return "" if sys.platform == "linux" else "not Linux"


def _no_ptrace() -> str:
    if sys.platform != "linux":
        return "not Linux"
    if missing := found("gcc"):
        return missing
    with subprocess.Popen(
        [sys.executable, "-c", TRACED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        error = subprocess.run([sys.executable, "-c", TRACER, str(child.pid)], check=False).returncode
        child.kill()
    return f"ptrace is not allowed here ({os.strerror(error)})" if error else ""


def _no_symbols() -> str:
    stored = Path("/usr/lib/debug/.build-id").glob("*/*.debug")
    return "" if any(stored) else "not installed: libc6-dbg"


REASONS: dict[str, Callable[[], str]] = {
    "linux": _no_linux,
    "ptrace": _no_ptrace,
    "x11": lambda: found("Xvfb", "openbox", "xdotool", "xset"),
    "gdb": lambda: found("gdb", "gcore", "lldb|lldb-19|lldb-16", "eu-stack", "eu-readelf", "gcc", "g++"),
    "desktop": lambda: found("Xvfb", "openbox", "xdotool", "xfce4-panel", "dbus-daemon", "import", "xclip"),
    "wayland": lambda: found("sway", "foot"),
    "java": lambda: found("java", "javac"),
    "rust": lambda: found("rustc"),
    "chromium": lambda: found(browser.NAMES),
    "symbols": _no_symbols,
}


@functools.cache
def missing(marker: str) -> str:
    """Why tests with this marker cannot run here; empty if they can."""
    return REASONS[marker]()


@functools.cache
def foreign() -> set[str]:
    """Markers of tests that are not about this system."""
    narrow = {"wide"} if sys.maxsize < 1 << 32 else set()
    return narrow | (set() if sys.platform == "linux" else set(REASONS))


def required() -> set[str]:
    """Markers whose lack fails a test."""
    names = set(os.environ.get("HANGSHOT_REQUIRE", "").replace(",", " ").split())
    return set(REASONS) | {"all"} if "all" in names else names


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of other systems."""
    left_out = [item for item in items if any(mark.name in foreign() for mark in item.iter_markers())]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Let no search for garbage, of which the tray makes one after each look, go through all the tests again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In the test bed a skip is a failure."""
    report = yield
    if report.skipped and sys.platform == "win32" and "all" in required():
        report.outcome, report.longrepr = "failed", f"nothing is skipped here: {report.longrepr}"
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail, a test that needs what is not here."""
    for marker in item.iter_markers():
        if marker.name not in REASONS or not (reason := missing(marker.name)):
            continue
        if marker.name in required():
            pytest.fail(f"HANGSHOT_REQUIRE asks for '{marker.name}', but: {reason}", pytrace=False)
        pytest.skip(f"{marker.name}: {reason}")


class Warnings(logging.Handler):
    """Keeps what our own loggers say at WARNING and above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def messages(self) -> list[str]:
        """The texts, in order."""
        return [record.getMessage() for record in self.records]


@pytest.fixture
def expected_warnings() -> Warnings:
    """What our loggers warned of; taking this fixture says that the test expects it."""
    return Warnings()


@pytest.fixture(autouse=True)
def _no_unexpected_warnings(request: pytest.FixtureRequest) -> Iterator[None]:
    """A warning in the log that no test expects is a failure."""
    expected = "expected_warnings" in request.fixturenames
    handler = request.getfixturevalue("expected_warnings") if expected else Warnings()
    logger = logging.getLogger("tray")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    if not expected:
        assert not handler.messages, f"unexpected log warnings: {handler.messages}"


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Builds target programs, each once a session."""
    return Workshop(tmp_path_factory.mktemp("targets"))


@pytest.fixture
def target(workshop: Workshop) -> Iterator[Callable[..., Program]]:
    """Starts targets: ``target("threads", "arg", settle=True)``; afterwards none may be harmed.

    Unharmed means: it runs, nobody traces it, no thread is stopped that was not,
    and no signal is pending, blocked or caught that was not.
    """
    programs: list[Program] = []

    def start(name: str, *arguments: object, settle: bool = True, **settings) -> Program:
        program = launch([*workshop.build(name), *map(str, arguments)], **settings)
        programs.append(program)
        if settle:
            program.settle()
            program.remember()
        return program

    try:
        yield start
        for program in programs:
            program.assert_unharmed()
    finally:
        for program in programs:
            program.end()
