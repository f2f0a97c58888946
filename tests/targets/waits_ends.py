"""Waits for another process, its child: the first argument says how, the second where a file may be made."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
from pathlib import Path

LIBC = ctypes.CDLL(None)


def child(body) -> None:
    """Run it in a child that ends with us, and stays until then."""
    told, tell = os.pipe()
    if os.fork() == 0:
        LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)
        LIBC.prctl(15, b"the child", 0, 0, 0)
        body()
        os.write(tell, b"x")
        signal.pause()
    os.read(told, 1)


def listening() -> socket.socket:
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server


def wait(way: str) -> None:
    if way == "accept":
        server = listening()
        ready(str(server.getsockname()[1]))
        server.accept()
    if way == "tcp":
        server = listening()
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        child(lambda: None)
        theirs.close()
        ready()
        ours.recv(1)
    if way == "unix":
        ours, theirs = socket.socketpair()
        child(lambda: None)
        theirs.close()
        ready()
        ours.recv(1)
    if way == "flock":
        import fcntl

        with Path(sys.argv[2], "lock").open("wb") as file:
            child(lambda: fcntl.flock(os.open(file.name, os.O_RDONLY), fcntl.LOCK_EX))
            ready(file.name)
            fcntl.flock(file, fcntl.LOCK_EX)
    if way == "write":
        read, write = os.pipe()
        os.set_blocking(write, False)
        while True:
            try:
                os.write(write, bytes(4096))
            except BlockingIOError:
                break
        os.set_blocking(write, True)
        child(lambda: os.close(write))
        os.close(read)
        ready()
        os.write(write, b"x")
    if way == "disk":
        with Path(sys.argv[2]).open("wb", buffering=0) as file:
            ready()
            sys.stdin.readline()
            file.write(b"x")


def ready(*words: str) -> None:
    marker = ctypes.c_uint64(0x544F4853474E4148)
    threading.main_thread().marker = marker
    LIBC.prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
    print(f"ready {os.getpid()} {ctypes.addressof(marker):#x}", *words, flush=True)


LIBC.prctl(15, b"main", 0, 0, 0)
wait(sys.argv[1])
