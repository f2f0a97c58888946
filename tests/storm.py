"""Takes snapshot after snapshot of one process, from one process of its own.

Run as a program: ``storm.py PID ROUNDS [any]`` prints one line of JSON: how often each method
came out, and the longest pause. With ``any`` the thread that is borrowed is drawn by lot, also
one that would be the last choice.
"""

from __future__ import annotations

import collections
import json
import random
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Take them and tell."""
    from tray.capture import linux_clone
    from tray.capture.linux import LinuxCapture
    from tray.modes import MODES, How

    pid, rounds = int(sys.argv[1]), int(sys.argv[2])
    if sys.argv[3:] == ["any"]:
        chance = random.Random(20261122)
        linux_clone._unfitness = lambda registers: chance.random()
    methods: collections.Counter[str] = collections.Counter()
    longest = 0.0
    for _ in range(rounds):
        capture = LinuxCapture(How.SNAPSHOT)
        with tempfile.TemporaryFile() as file:
            captured = capture.write(capture.target(pid), MODES["heap"], file, lambda done, total: False)
        methods[captured.method] += 1
        longest = max(longest, captured.frozen)
    print(json.dumps({"methods": methods, "longest": longest}))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
