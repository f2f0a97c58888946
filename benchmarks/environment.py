"""Importing this goes on in the environment of the tests, or says how to get one."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

OWN = Path(__file__).resolve().parent.parent / ".venv" / "bin" / "python"

if importlib.util.find_spec("platformdirs") is None or importlib.util.find_spec("pytest") is None:
    if not OWN.exists() or Path(sys.executable) == OWN:
        raise SystemExit(
            f"{sys.executable} lacks what Hangshot needs: run '.ci/setup tests' first, which makes {OWN}."
        )
    os.execv(OWN, [str(OWN), *sys.argv])
