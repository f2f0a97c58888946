"""What a thread waits for, told by the functions that it entered, where no lock tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tray.model import Frame, Stack, Trust
from tray.reports import entered
from tray.verdicts import Wait, WaitKind

UNKNOWN = "waits for a lock or event that names no owner"
RUST = "/rustc/5980/library/std/src/sys/sync/mutex/futex.rs"


def told(*functions: str, kind: WaitKind = WaitKind.FUTEX) -> str:
    """What a thread waits for whose calls these are, all of the language's own but the last."""
    frames = [Frame(1, function, "/lib/libc.so.6") for function in functions[:-1]]
    stack = Stack(
        7, (*frames, Frame(2, functions[-1], "/opt/app"), Frame(3, "pthread_barrier_wait", "/lib/libc.so.6"))
    )
    [wait] = entered.named([Wait(7, "a", kind, UNKNOWN)], [stack])
    return wait.does.removeprefix("waits for ")


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        (
            ("syscall", "<std::sys::sync::mutex::futex::Mutex>::lock_contended"),
            "a mutex of Rust's, which names no owner",
        ),
        (
            ("syscall", "std::sys::sync::mutex::futex::Mutex::lock_contended"),
            "a mutex of Rust's, which names no owner",
        ),
        (
            ("std::sys::sync::rwlock::futex::RwLock::read_contended",),
            "a reader-writer lock of Rust's, which names no owner",
        ),
        (("std::sys::sync::condvar::futex::Condvar::wait",), "a condition variable"),
        (
            ("<std::thread::thread::Thread>::park", "std::sync::mpmc::list::Channel<T>::recv"),
            "a message from another thread",
        ),
        (("std::thread::functions::park",), "another thread to unpark it"),
        (("std::sys::sync::once::futex::Once::call",), "another thread's call of a Once"),
        (
            (
                "syscall",
                "void std::__atomic_wait_address<int, std::latch::wait() const::'lambda'()>(int const*)",
            ),
            "a latch",
        ),
        (("void std::__atomic_wait_address<char, std::__tree_barrier<X>::wait()>(char*)",), "a barrier"),
        (
            ("void std::__atomic_wait_address_bare<std::__atomic_semaphore::_M_acquire()>(int*)",),
            "a semaphore",
        ),
        (
            ("_M_do_wait_v<int, std::__atomic_base<int>::wait(int, std::memory_order)>",),
            "an atomic variable to change",
        ),
        (("futex_wait", "___pthread_barrier_wait"), "a barrier"),
        (("__timedwait", "pthread_mutex_lock"), "a mutex that names no owner"),
        (("pthread_rwlock_rdlock",), "a reader-writer lock that names no owner"),
        (("pthread_cond_timedwait",), "a condition variable"),
        (("sem_wait",), "a semaphore"),
    ],
)
def test_functions(functions: tuple[str, ...], words: str) -> None:
    """Of several the outermost counts, for a channel parks its thread."""
    assert told(*functions, "app::save") == words


def test_nothing_is_made_up() -> None:
    """Calls behind the program's own count for nothing, nor does a wait that is known, nor one without calls."""
    assert told("syscall", "app::save") == UNKNOWN.removeprefix("waits for ")
    assert told("pthread_barrier_wait", "save", kind=WaitKind.SEMAPHORE) == UNKNOWN.removeprefix("waits for ")
    wait = Wait(8, "b", WaitKind.FUTEX, UNKNOWN)
    assert entered.named([wait], []) == (wait,)


PYTHON = "/usr/lib/python3.11/threading.py"
ACQUIRE = Frame(1, "PyThread_acquire_lock_timed", "/usr/bin/python3.11")
SAVE = Frame(2, "save", file="/home/me/app.py", trust=Trust.INTERPRETER)


@pytest.mark.parametrize("kind", [WaitKind.SEMAPHORE, WaitKind.CONDITION, WaitKind.FUTEX])
@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([ACQUIRE], "a Python lock whose holder is not known"),
        (
            [Frame(1, "_PyMutex_LockTimed", "/lib/libpython3.14.so.1.0")],
            "a Python lock whose holder is not known",
        ),
        ([ACQUIRE, Frame(1, "wait", file=PYTHON, trust=Trust.INTERPRETER)], "a Python condition or event"),
        (
            [ACQUIRE, Frame(1, "_wait_for_tstate_lock", file=PYTHON, trust=Trust.INTERPRETER)],
            "the end of a Python thread",
        ),
        (
            [
                Frame(1, "PyEvent_WaitTimed", "/x/libpython3.13.so"),
                Frame(1, "join", file=PYTHON, trust=Trust.INTERPRETER),
            ],
            "the end of a Python thread",
        ),
        (
            [ACQUIRE, Frame(1, "", "/usr/lib/python3.11/lib-dynload/_queue.cpython-311.so")],
            "an item in a Python queue",
        ),
    ],
)
def test_python(frames: list[Frame], words: str, kind: WaitKind) -> None:
    """Its waits come to semaphores, or what looks like another lock; the calls of its interpreter tell more."""
    wait, stack = (
        Wait(7, "a", kind, UNKNOWN),
        Stack(7, (Frame(0, "do_futex_wait", "/lib/libc.so.6"), *frames, SAVE)),
    )
    [found] = entered.named([wait], [stack])
    assert found == replace(wait, does=f"waits for {words}")


def test_what_only_looks_like_python() -> None:
    """The program's own wait() in its own threading.py, one behind the program's calls, and an unknown event."""
    own = replace(SAVE, function="wait", file="/home/me/threading.py")
    event = Frame(1, "PyEvent_Wait", "/lib/libpython3.13.so")
    wait = Wait(7, "a", WaitKind.SEMAPHORE, "waits for a semaphore")
    [found] = entered.named([wait], [Stack(7, (ACQUIRE, own))])
    assert found.does == "waits for a Python lock whose holder is not known"
    for frames in ((SAVE, ACQUIRE), (event, SAVE), ()):
        assert entered.named([wait], [Stack(7, frames)]) == (wait,)
