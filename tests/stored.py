"""What a store is told of a dump that is done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tray.model import Dump, Target, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.store import Partial

TAKEN = datetime(2026, 11, 22, 19, 56, 5, tzinfo=UTC)
TARGET = Target(42, 7, "app")


def describe(
    partial: Partial,
    taken: datetime = TAKEN,
    target: Target = TARGET,
    trigger: Trigger = Trigger.CLI,
    frozen: float = 0.5,
) -> Callable[[int, int], Dump]:
    """What `Partial.finish` asks for."""
    return lambda size, allocated: Dump(
        partial.id,
        partial.path,
        "elf-core",
        "mini",
        trigger,
        target,
        taken,
        1.0,
        frozen,
        "",
        size,
        allocated,
    )
