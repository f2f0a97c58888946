"""What can be set, its defaults, and where the file is."""

from __future__ import annotations

import os
import sys

from tray.lean import dataclass, field
from tray.model import Retention
from tray.modes import How
from tray.paths import Path

NAME = "hangshot"

KEPT = Retention(count=20, days=30, size=10 << 30)


def path() -> Path:
    """Where the settings file is, or would be."""
    folder = _of_user("XDG_CONFIG_HOME", "~/.config")
    if folder is None:
        from platformdirs import user_config_path

        folder = user_config_path(NAME, appauthor=False)
    return folder / "settings.toml"


def dumps_folder() -> Path:
    """Where dumps go unless the settings say otherwise."""
    folder = _of_user("XDG_DATA_HOME", "~/.local/share")
    if folder is None:
        from platformdirs import user_data_path

        folder = user_data_path(NAME, appauthor=False)
    return folder / "dumps"


def _of_user(variable: str, usual: str) -> Path | None:
    """Our folder in this one of the user's, where that is told by the environment (Linux).

    `platformdirs` would say the same; before that it loads random numbers and three ways
    of compression, for which every dump would wait.

    Source: XDG Base Directory Specification.
    """
    chosen = os.environ.get(variable, "")
    if sys.platform != "linux" or not (chosen.startswith("/") or os.environ.get("HOME", "").startswith("/")):
        return None
    return Path(chosen if chosen.startswith("/") else os.path.expanduser(usual), NAME)  # noqa: PTH111 - text for text


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose, or the defaults.

    Attributes:
        hotkey: The combination as written; what it means is the desktop's affair.
        mode: Name of the mode for hotkey and menu.
        capture: How memory is read.
        compress: Whether dumps are packed once the app runs again, and how; one of `packed.KINDS`.
        folder: Where dumps go.
        notify_after: Seconds before a progress toast comes.
        retention: What the folder may keep; all, as long as there are warnings.
        low_impact: Whether a dump gives way to whatever else the machine does.
        warnings: What the file says that nobody understands, one sentence each.
    """

    hotkey: str = "ctrl+alt+shift+d"
    mode: str = "mini"
    capture: How = How.AUTO
    compress: str = "none"
    folder: Path = field(default_factory=dumps_folder)
    notify_after: float = 1.0
    retention: Retention = KEPT
    low_impact: bool = False
    warnings: tuple[str, ...] = field(default=(), compare=False)
