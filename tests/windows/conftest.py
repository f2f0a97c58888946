"""What only Windows has: these tests run inside the test bed, those in ``outside`` on Linux beside it.

Neither is collected without it: ``.ci/run windows`` runs both.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from windows_programs import Inside

collect_ignore_glob = [] if sys.platform == "win32" else ["test_*.py"]
if sys.platform == "win32" or "HANGSHOT_WINE_SESSION" not in os.environ:
    collect_ignore_glob.append("outside/*")


@pytest.fixture(scope="session", autouse=True)
def _short_traces(request: pytest.FixtureRequest) -> None:
    """What dbghelp runs into itself, and we meet with another try, is shown by one thread's calls, not by all."""
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        errors = os.dup(2)  # for as long as we live
    faulthandler.enable(errors, all_threads=False)


@pytest.fixture
def program() -> Iterator[Callable[..., Inside]]:
    """Starts targets: ``program("deadlock", bits=32)``; afterwards none may be harmed.

    Unharmed means: it runs, and none of its threads is suspended.
    """
    from windows_programs import built, launch

    started: list[Inside] = []

    def start(name: str, *arguments: object, bits: int = 64) -> Inside:
        started.append(launch(built(name, bits), *map(str, arguments)))
        return started[-1]

    try:
        yield start
        for target in started:
            target.assert_unharmed()
    finally:
        for target in started:
            target.end()


@pytest.fixture(scope="session")
def taskbar() -> None:
    """The session has begun: its taskbar is there, as when a person logs in and starts us by hand."""
    from windows_keys import until, user32

    user32.GetDesktopWindow()  # Wine starts its desktop when somebody asks for it
    until(lambda: user32.FindWindowW("Shell_TrayWnd", None), "the taskbar", seconds=30)
