"""Settings ↔ one TOML file: defaults, loading, changing, watching."""

from tray.settings.edit import change, create
from tray.settings.read import load, parse, problems, text
from tray.settings.values import Settings, path
from tray.settings.watch import Watch

__all__ = ["Settings", "Watch", "change", "create", "load", "parse", "path", "problems", "text"]
