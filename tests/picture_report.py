"""Draws ``icons/screenshots/report.png`` anew: the page about a real dump of ``targets/notes.cpp``, in Chromium.

Run it from the checkout: ``.venv/bin/python tests/picture_report.py``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import dumping
from browser import Browser
from PIL import Image
from programs import Workshop, launch

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "icons" / "screenshots" / "report.png"
WIDTH, HEIGHT, COLOURS = 1080, 1210, 64


def page(folder: Path) -> Path:
    """The page about a program that hangs."""
    [program] = Workshop(folder).build("notes")
    running = launch(["notes"], executable=program)
    try:
        running.settle()
        core = dumping.dump(running.pid, "heap", folder).core
    finally:
        running.end()
    sidecar = core.with_suffix(".json")
    told = json.loads(sidecar.read_text())
    sidecar.write_text(
        json.dumps({**told, "system": "Linux x86_64"})
    )  # which kernel drew it is nobody's business
    place = folder / "report.html"
    made = dumping.start(dumping.command("inspect", core, "--html", place), folder)
    _, talk = made.communicate(timeout=dumping.LIMIT)
    assert made.returncode == 0, talk
    return place


def main() -> int:
    """Draw it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        place = page(folder)
        browser = Browser(folder / "profile")
        try:
            browser.look(WIDTH)
            browser.open(place)
            drawn = browser.picture(folder / "report.png", height=HEIGHT)
        finally:
            browser.close()
        few = Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
