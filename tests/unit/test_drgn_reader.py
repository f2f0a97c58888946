"""What is taken from drgn, and what is not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tray.reports import drgn_reader


@dataclass
class Symbol:
    """One that drgn found nearest below an address."""

    name: str
    size: int


@dataclass
class Call:
    """A frame of drgn's."""

    found: Symbol | None
    function_name: str | None = None
    is_inline: bool = False

    def symbol(self) -> Symbol:
        """As drgn, which raises where there is none."""
        if self.found is None:
            raise LookupError
        return self.found


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (Call(Symbol("save@@V1", 8)), "save"),
        (Call(Symbol("_ZN3app4saveEv", 8), "save"), "named _ZN3app4saveEv"),
        (Call(Symbol("memset", 0)), ""),
        (Call(Symbol("memset", 0), "wait"), "wait"),
        (Call(None, "wait"), "wait"),
        (Call(None), ""),
        (Call(Symbol("outer", 8), "inner", is_inline=True), "inner"),
    ],
)
def test_names(call: Call, name: str) -> None:
    """A symbol without a size, as assembler makes, may end long before: no name is better than a wrong one."""
    assert drgn_reader.function(call, lambda symbol: f"named {symbol}") == name
