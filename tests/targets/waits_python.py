"""Two Python threads that lock ``threading.Lock`` in opposite order; their locks are semaphores that name no owner."""

from __future__ import annotations

import ctypes
import os
import threading

left, right, together = threading.Lock(), threading.Lock(), threading.Barrier(3)


def body(first: threading.Lock, second: threading.Lock) -> None:
    with first:
        together.wait()
        with second:
            pass


for locks in ((left, right), (right, left)):
    threading.Thread(target=body, args=locks, daemon=True).start()
together.wait()
marker = ctypes.c_uint64(0x544F4853474E4148)
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
print(f"ready {os.getpid()} {ctypes.addressof(marker):#x}", flush=True)
with left:
    pass
