"""What can be set, its defaults, and where the file is."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING, dataclass, field
from tray.model import Retention
from tray.modes import How

if TYPE_CHECKING:
    from pathlib import Path

NAME = "hangshot"

KEPT = Retention(count=20, days=30, size=10 << 30)


def path() -> Path:
    """Where the settings file is, or would be."""
    from platformdirs import user_config_path

    return user_config_path(NAME, appauthor=False) / "settings.toml"


def dumps_folder() -> Path:
    """Where dumps go unless the settings say otherwise."""
    from platformdirs import user_data_path

    return user_data_path(NAME, appauthor=False) / "dumps"


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
        retention: What the folder may keep.
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
