"""Lists of very many things that are kept as numbers or bytes."""

from __future__ import annotations

from collections.abc import Sequence

from tray.lean import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from typing import TypeVar

    Item_co = TypeVar("Item_co", covariant=True)


class Made(Sequence["Item_co"]):
    """A list whose things are made when they are looked at: there may be 65,000."""

    def made(self, index: int) -> Item_co:
        """The thing at a place; `IndexError` where there is none."""
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> Item_co: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item_co]: ...
    def __getitem__(self, index: int | slice) -> Item_co | Sequence[Item_co]:
        if isinstance(index, slice):
            return [self.made(number) for number in range(*index.indices(len(self)))]
        return self.made(index)
