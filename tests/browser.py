"""A real browser for tests: Chromium without a window, spoken to over its debugging pipe.

Source: chromedevtools.github.io/devtools-protocol; ``--remote-debugging-pipe`` reads
commands from descriptor 3 and writes answers and events to 4, each ended by a NUL.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

NAMES = "chromium|chromium-browser|google-chrome"
PATIENCE = 60.0
"""Seconds until a test gives up; the machine may have other things to do."""
QUIET = (
    "--headless=new",
    "--no-sandbox",  # as root, and in containers, there is none to be had
    "--disable-gpu",
    "--disable-quic",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


STARTER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.closerange(5, 64)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """A running browser with one page, ended by `close`.

    Attributes:
        events: What it told on its own, in order: requests, messages of the console.
    """

    def __init__(self, profile: Path) -> None:
        program = next(filter(None, map(shutil.which, NAMES.split("|"))))
        ours, theirs = _pipe(), _pipe()
        self._in, self._out = ours[1], theirs[0]
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                STARTER,
                str(ours[0]),
                str(theirs[1]),
                program,
                *QUIET,
                "--remote-debugging-pipe",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(ours[0], theirs[1]),
            env={
                **os.environ,
                "HOME": str(profile),
                "XDG_CONFIG_HOME": str(profile),
                "XDG_CACHE_HOME": str(profile),
            },
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._rest = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        pages = [one for one in self.ask("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attached = self.ask("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **words: object) -> dict[str, Any]:
        """Have it do something, and give what it answers."""
        self._number += 1
        request = {"id": self._number, "method": method, "params": words}
        if self._session:
            request["sessionId"] = self._session
        os.write(self._in, json.dumps(request).encode() + b"\0")
        while True:
            told = self._hear(f"an answer to {method}")
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]

    def open(self, path: Path) -> None:
        """Open a file and wait until it is there, with all that it loads."""
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._hear("the page")

    def run(self, script: str) -> Any:
        """The value of a piece of JavaScript, run by us and not by the page."""
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def look(self, width: int = 1100, *, scheme: str = "light", medium: str = "screen") -> None:
        """Look at the page as another reader does."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=medium, features=features)

    def picture(self, path: Path, *, height: int | None = None) -> Path:
        """The page as a PNG; all of it, or its upper part."""
        size = self.run("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": height or size[1], "scale": 1}
        told = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))
        return path

    def requests(self) -> list[str]:
        """Addresses that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """What it said about the page: refused by its policy, not understood, thrown."""
        return [
            json.dumps(event["params"])
            for event in self.events
            if event["method"] in {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
        ]

    def close(self) -> None:
        """End it."""
        os.close(self._in)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self._out)

    def _hear(self, what: str) -> dict[str, Any]:
        """The next thing it says; events are kept."""
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            left = deadline - time.monotonic()
            assert select.select([self._out], [], [], max(0.0, left))[0], f"waited in vain for {what}"
            piece = os.read(self._out, 1 << 20)
            assert piece, f"the browser ended before {what}"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        if "method" in told:
            self.events.append(told)
        return told


def _pipe() -> tuple[int, int]:
    """A pipe whose ends keep clear of the numbers that the browser wants."""
    import fcntl

    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
