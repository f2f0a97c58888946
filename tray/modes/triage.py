"""Triage: calls without their values. Small, and with as little of a person in it as can be."""

from tray.model import Include, Mode

TRIAGE = Mode("triage", Include.CALLS, "call stacks only, filtered: no text of yours", "for sharing")
