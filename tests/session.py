"""A desktop session to test against: a bus of its own, a panel, toasts.

``bus`` is a private session bus with all XDG folders in a temporary place, set
in our own environment too. ``panel`` and ``notifyd`` are the real programs on
it and need the ``screen`` fixture's display. `desk` is all of it for a program
that is no test.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from screen import Screen, until

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{folder}/services</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
SERVICES = Path("/usr/share/dbus-1/services")
XFCONF = "org.xfce.Xfconf.service"
"""The one service the bus starts by itself: the panel asks it for its settings."""

PANEL = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="{dark}"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="icon-size" type="uint" value="{icon}"/>
      <property name="size" type="uint" value="30"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
  </property>
</channel>
"""
WATCHER = "org.kde.StatusNotifierWatcher"
NOTIFICATIONS = "org.freedesktop.Notifications"
NOTIFYD = "/usr/lib/x86_64-linux-gnu/xfce4/notifyd/xfce4-notifyd"


@dataclass
class Session:
    """A running session bus and the programs on it."""

    folder: Path
    address: str
    daemon: subprocess.Popen[str]
    programs: list[subprocess.Popen[Any]] = field(default_factory=list)

    def start(self, *command: str, screen: Screen | None = None) -> subprocess.Popen[Any]:
        """Start a program in this session; it ends with the session at the latest."""
        shown = {"DISPLAY": screen.name} if screen else {}
        with (self.folder / f"{Path(command[0]).name}.log").open("ab") as log:
            program = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **shown}
            )
        self.programs.append(program)
        return program

    def owned(self, name: str) -> bool:
        """Whether a program has this name, as dbus-send sees it."""
        asked = subprocess.run(
            [
                "dbus-send",
                "--session",
                "--print-reply=literal",
                "--dest=org.freedesktop.DBus",
                "/org/freedesktop/DBus",
                "org.freedesktop.DBus.NameHasOwner",
                f"string:{name}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return "true" in asked.stdout

    def kill(self) -> None:
        """End the bus under everybody's feet."""
        end(self.daemon)


def end(program: subprocess.Popen[Any]) -> None:
    """End one program we started, politely first."""
    if program.poll() is None:
        program.terminate()
        try:
            program.wait(5)
        except subprocess.TimeoutExpired:
            program.kill()
    program.wait()
    for stream in (program.stdin, program.stdout, program.stderr):
        if stream is not None:
            stream.close()


@pytest.fixture
def homes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty XDG folders, and no session bus."""
    return _homes(tmp_path_factory.mktemp("session"), monkeypatch)


def _homes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "STATE_HOME", "RUNTIME_DIR"):
        home = folder / kind.lower()
        home.mkdir(mode=0o700)
        monkeypatch.setenv(f"XDG_{kind}", str(home))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    return folder


@pytest.fixture
def bus(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A private session bus, which is also the one that our own process sees."""
    with _bus(homes, monkeypatch) as session:
        yield session


@contextmanager
def _bus(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    services = homes / "services"
    services.mkdir()
    if (SERVICES / XFCONF).exists():
        (services / XFCONF).write_bytes((SERVICES / XFCONF).read_bytes())
    config = homes / "bus.conf"
    config.write_text(CONFIG.format(folder=homes))
    # Services that the bus starts get its environment, not ours.
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={homes}/bus")
    monkeypatch.setenv("NO_AT_BRIDGE", "1")
    daemon = subprocess.Popen(
        ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert daemon.stdout is not None
    session = Session(homes, daemon.stdout.readline().strip(), daemon)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", session.address)
    try:
        yield session
    finally:
        for program in reversed(session.programs):
            end(program)
        end(daemon)


@dataclass
class Panel:
    """A real xfce4-panel at the top of the screen, with nothing in it but the tray."""

    session: Session
    screen: Screen
    program: subprocess.Popen[Any] | None = None

    def start(self) -> None:
        """Start it and wait until it takes icons."""
        command = ("xfce4-panel", "--sm-client-disable", "--disable-wm-check")
        self.program = self.session.start(*command, screen=self.screen)
        until(lambda: self.session.owned(WATCHER), "the panel's tray")

    def stop(self) -> None:
        """End it."""
        assert self.program
        end(self.program)
        until(lambda: not self.session.owned(WATCHER), "the end of the panel's tray")


@pytest.fixture
def panel(screen: Screen, bus: Session) -> Panel:
    """A panel that shows icons, the first at about (15, 15)."""
    return _panel(screen, bus)


def _panel(screen: Screen, bus: Session) -> Panel:
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "xfce4/xfconf/xfce-perchannel-xml"
    folder.mkdir(parents=True)
    (folder / "xfce4-panel.xml").write_text(PANEL.format(dark="true", icon=22))
    panel = Panel(bus, screen)
    panel.start()
    return panel


@pytest.fixture
def notifyd(screen: Screen, bus: Session) -> subprocess.Popen[Any]:
    """The real xfce4-notifyd; toasts come up at the top right, below the panel."""
    return _notifyd(screen, bus)


def _notifyd(screen: Screen, bus: Session) -> subprocess.Popen[Any]:
    program = bus.start(NOTIFYD, screen=screen)
    until(lambda: bus.owned(NOTIFICATIONS), "xfce4-notifyd")
    return program


@contextmanager
def desk() -> Iterator[Screen]:
    """A screen with a panel and toasts, set in our environment until the end, for a program that is no test."""
    with (
        pytest.MonkeyPatch.context() as environment,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        _bus(_homes(Path(folder), environment), environment) as bus,
    ):
        screen = Screen()
        try:
            environment.setenv("DISPLAY", screen.name)
            _panel(screen, bus)
            _notifyd(screen, bus)
            yield screen
        finally:
            for program in reversed(bus.programs):
                end(program)
            screen.close()
