"""Settings ↔ one TOML file: defaults and loading; `edit` changes it, `watch` tells of changes."""

from tray.settings.read import load, parse, problems, text
from tray.settings.values import Settings, path

__all__ = ["Settings", "load", "parse", "path", "problems", "text"]
