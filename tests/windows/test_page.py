"""The page about a minidump, made where it was taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def ours(*words: object) -> dict[str, Any]:
    """The last JSON line of a command of ours."""
    done = subprocess.run(
        [sys.executable, "-m", "tray", *map(str, words), "--json"],
        capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, cwd=ROOT, check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_the_page_of_a_deadlock(program, tmp_path: Path) -> None:
    """It lies beside the dump; the ring is drawn, and the commands are those of Windows' debuggers."""
    target = program("waits", "ring3", bits=64 if sys.maxsize > 2**32 else 32)
    dump = Path(ours("dump", target.pid, "--output", tmp_path / "a b.dmp")["path"])
    for _ in range(2):  # the second takes the place of the first
        told = ours("inspect", dump, "--html")
    assert told["page"] == str(dump.with_suffix(".html"))
    page = Path(told["page"]).read_text(encoding="utf-8")
    assert "<h1>Deadlock: a → b → c → a" in page
    assert page.count('class="thread in-ring"') == 3
    assert "windbgx -z &quot;a b.dmp&quot;" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b.dmp", "a b.html", "a b.json"]
