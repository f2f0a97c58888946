"""The real tray, driven like a person drives it; its log and a screenshot come with every failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from desktop_eyes import toasts
from screen import Screen, until

from tray.desktop.instance import TRAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from session import Session

ROOT = Path(__file__).parents[2]


class Tray:
    """A running ``hangshot`` on a screen.

    Attributes:
        process: It.
        program: The folder that its package lies in.
        dumps: Its dump folder.
        settings: Its settings file.
    """

    def __init__(self, screen: Screen, folder: Path, program: Path) -> None:
        self.screen, self.program = screen, program
        self.dumps = Path(os.environ["XDG_DATA_HOME"]) / "hangshot/dumps"
        self.settings = Path(os.environ["XDG_CONFIG_HOME"]) / "hangshot/settings.toml"
        self.output = folder / "output"
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it as ``hangshot`` does."""
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "tray"],
                cwd=self.program,
                env=self.environment,
                stdout=output,
                stderr=output,
            )

    @property
    def environment(self) -> dict[str, str]:
        """That of a program started from this desktop."""
        return {**os.environ, "DISPLAY": self.screen.name, "XDG_SESSION_TYPE": "x11"}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another ``hangshot`` on the same desktop, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "tray", *words],
            cwd=self.program,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def sidecars(self) -> list[dict[str, Any]]:
        """The sidecars of all finished dumps, in the order of their names."""
        return [json.loads(path.read_text()) for path in sorted(self.dumps.glob("*.json"))]

    def dump_of(self, pid: int) -> dict[str, Any]:
        """The sidecar of the dump of this process, once it is there."""
        return until(
            lambda: next((found for found in self.sidecars() if found["target"]["pid"] == pid), None),
            f"a dump of {pid}",
        )

    def core(self, sidecar: dict[str, Any]) -> Path:
        """The dump that a sidecar lies beside."""
        return self.dumps / sidecar["path"]

    def log(self) -> str:
        """Everything it said and logged."""
        files = [self.output, *Path(os.environ["HOME"]).rglob("hangshot*.log")]
        return "\n".join(path.read_text(errors="replace") for path in files if path.exists())

    def end(self) -> int:
        """End it politely; gives the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(20)


@pytest.fixture
def screen() -> Iterator[Screen]:
    """A screen for each test: windows of an earlier one would be among the recent apps."""
    screen = Screen()
    yield screen
    screen.close()


@pytest.fixture
def desktop(screen: Screen, bus: Session, panel: object, notifyd: object) -> Session:
    """A desktop with a real panel and real toasts."""
    return bus


@pytest.fixture
def program() -> Path:
    """The folder that Hangshot's package lies in."""
    return ROOT


@pytest.fixture
def tray(
    request: pytest.FixtureRequest, screen: Screen, desktop: Session, program: Path, tmp_path: Path
) -> Iterator[Tray]:
    """The tray on this desktop."""
    tray = Tray(screen, tmp_path, program)
    try:
        until(lambda: desktop.owned(TRAY.name), "the tray")
        until(lambda: toasts(screen), "its greeting: from now on it has icon and hotkey")
        yield tray
    finally:
        report = getattr(request.node, "report", None)
        if report is None or report.failed:
            _tell(tray, tmp_path)
        tray.end()


def _tell(tray: Tray, folder: Path) -> None:
    """Show what there is to be seen of a failure."""
    shot = folder / "screen.png"
    tray.screen.screenshot(shot)
    print(f"screenshot: {shot}\nlog:\n{tray.log()}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Keep a test's result for its fixtures."""
    report = yield
    if report.when == "call":
        item.report = report
    return report
