"""The store of a worker that has more rights than who asked: the asker makes and names the files, and lends them.

See `tray.commands.lending` for why.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tray.commands.lending import BEGIN, FINISH, SCRATCH
from tray.errors import Cancelled
from tray.ffi.elevation import Elevation
from tray.lean import TYPE_CHECKING
from tray.store import as_json
from tray.store.folder import FULL, trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from types import TracebackType
    from typing import Any, BinaryIO, Self

    from tray.commands.orders import Orders
    from tray.model import Dump, Mode, Target


class Lent:
    """A store that opens nothing (see `tray.flow.Keeper`).

    ``--output`` is not looked at: where a dump goes, the asker knows.
    """

    def __init__(self, lender: int, orders: Orders, say: Callable[[Mapping[str, Any]], None]) -> None:
        """
        Args:
            lender: Process id of the asker; whoever knows that it has not been reused.
            orders: Where the asker's answers come.
            say: Tells the asker something.
        """  # noqa: D205, D212 - the class says what it is
        self._system, self._orders, self._say = Elevation(), orders, say
        self._lender = self._system.lender(lender)

    def begin(  # noqa: PLR0913 - as a store
        self,
        target: Target,
        mode: Mode,
        suffix: str,
        taken: datetime,
        *,
        need: int,
        output: Path | str | None = None,  # noqa: ARG002 - as a store
    ) -> LentFile:
        """See `tray.store.Store.begin`."""
        file, told = self._borrow(
            event=BEGIN, pid=target.pid, started=target.started, name=target.name,
            mode=mode.name, suffix=suffix, taken=taken.isoformat(), need=need,
        )  # fmt: skip
        return LentFile(file, told["id"], Path(told["path"]), self)

    def scratch(self) -> BinaryIO:
        """Another file, without a name."""
        return self._borrow(event=SCRATCH)[0]

    def finish(self, dump: Dump) -> None:
        """Have a dump named, once its file is closed."""
        self._say({"event": FINISH, **as_json(dump)})

    def _borrow(self, **question: object) -> tuple[BinaryIO, dict[str, Any]]:
        self._say(question)
        line = self._orders.answer()
        if not line:
            raise Cancelled("Nobody waits for the dump any more.")
        told = json.loads(line)
        handle = self._system.borrowed(self._lender, int(told["file"]))
        descriptor = self._system.descriptor(handle, os.O_RDWR | getattr(os, "O_BINARY", 0))
        return os.fdopen(descriptor, "w+b", buffering=0), told


class LentFile:
    """An unfinished dump (see `tray.flow.Unfinished`)."""

    def __init__(self, file: BinaryIO, name: str, path: Path, store: Lent) -> None:
        self.file, self.id, self.path, self._store = file, name, path, store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        if isinstance(error, OSError) and error.errno in FULL:
            raise trouble(self.path, error) from error

    def scratch(self) -> BinaryIO:
        """See `tray.store.Partial.scratch`."""
        return self._store.scratch()

    def begin_sync(self) -> None:
        """Not here: Windows lets nobody read meanwhile through a handle that is lent."""

    def tell(self, dump: Dump) -> None:
        """Nothing yet: the asker writes the sidecar, in the end."""

    def sync(self) -> None:
        """See `tray.store.Partial.sync`."""
        try:
            os.fsync(self.file.fileno())
        except OSError as error:
            raise trouble(self.path, error) from error

    def finish(self, describe: Callable[[int, int], Dump]) -> Dump:
        """See `tray.store.Partial.finish`; what follows is done by the asker."""
        size = os.fstat(self.file.fileno()).st_size
        dump = describe(size, size)
        self.file.close()
        self._store.finish(dump)
        return dump
