"""What the demo prints, word for word."""

from __future__ import annotations

from tray.commands.demo import told

DUMPED = {
    "path": "/home/ann/a b/hangshot-demo_70.core",
    "mode": "mini",
    "size": 300_000,
    "allocated": 280_000,
    "frozen_seconds": 0.012,
    "target": {"pid": 70, "name": "hangshot-demo", "executable": "/usr/bin/python3.11"},
    "gaps": [],
}


def test_told() -> None:
    """Where the dump is, what it cost, and commands that can be pasted as they are."""
    assert told(DUMPED) == [
        "",
        "Saved: /home/ann/a b/hangshot-demo_70.core",
        "  280 kB, mini; the app stood still for 0.01 s.",
        "",
        "Open it:",
        "  gdb /usr/bin/python3.11 '/home/ann/a b/hangshot-demo_70.core' -ex 'thread apply all bt'",
        "  lldb /usr/bin/python3.11 --core '/home/ann/a b/hangshot-demo_70.core' -o 'thread backtrace all'",
        "  hangshot inspect last",
        "worker-1 and worker-2 each wait in pthread_mutex_lock for what the other holds.",
    ]


def test_gaps_are_told() -> None:
    """What is missing is not kept quiet."""
    assert told({**DUMPED, "gaps": [{}]})[2].endswith("0.01 s. 1 gap: see the sidecar.")
