"""A Python process with three threads: one in a lock, one in a sleep, main in a socket read."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time

PR_SET_PTRACER = 0x59616D61


def wants_the_lock(lock: threading.Lock) -> None:
    with lock:
        pass


def main() -> None:
    lock = threading.Lock()
    lock.acquire()
    near, _far = socket.socketpair()
    threading.Thread(target=wants_the_lock, args=(lock,), daemon=True).start()
    threading.Thread(target=time.sleep, args=(86400,), daemon=True).start()
    marker = ctypes.c_uint64(0x544F4853474E4148)
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    print(f"ready {os.getpid()} {ctypes.addressof(marker):#x}", flush=True)
    near.recv(1)


main()
