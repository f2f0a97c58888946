"""Hangshot: press a key when an app freezes, and a dump of that app is on disk."""

__version__ = "0.1.0"
