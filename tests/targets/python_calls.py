"""Python that calls C that calls Python, in main and in a thread."""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import time


def inner() -> int:
    time.sleep(86400)
    return 0


class Store:
    def __init__(self) -> None:
        self.save()

    def save(self) -> None:
        sorted([1, 2], key=functools.cmp_to_key(lambda _left, _right: inner()))


def load() -> None:
    time.sleep(86400)


threading.Thread(target=load, daemon=True).start()
marker = ctypes.c_uint64(0x544F4853474E4148)
if os.name == "posix":
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
print(f"ready {os.getpid()} {ctypes.addressof(marker):#x} {threading.get_native_id()}", flush=True)
Store()
