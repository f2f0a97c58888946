"""What a thread waits for, by the functions that it entered: where its memory names no lock, its calls may.

For locks that say nothing of themselves: those of Rust, of musl, what C++ builds on
``std::atomic``, and Python's, which are semaphores. Who holds them stays unknown.
"""

from __future__ import annotations

import itertools

from tray.frames import Trust
from tray.lean import TYPE_CHECKING, pattern, replace
from tray.reports.names import last
from tray.reports.own import is_own, language_folder
from tray.verdicts import Wait, WaitKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tray.model import Frame, Stack

_RUST = r"<?std::sys::"
_ENTERED = tuple(
    (pattern(function), words)
    for function, words in (
        (rf"{_RUST}.*\bMutex\b.*::lock.*", "a mutex of Rust's, which names no owner"),
        (rf"{_RUST}.*\bRwLock\b.*", "a reader-writer lock of Rust's, which names no owner"),
        (rf"{_RUST}.*\bCondvar\b.*::wait.*", "a condition variable"),
        (rf"{_RUST}.*\bOnce\b.*", "another thread's call of a Once"),
        (r"<?std::sync::(mpsc|mpmc)::.*\brecv.*", "a message from another thread"),
        (r"<?std::thread::.*\bpark.*", "another thread to unpark it"),
        (r".*\bstd::(__atomic_semaphore|counting_semaphore)\b.*", "a semaphore"),
        (r".*\bstd::latch::.*", "a latch"),
        (r".*\bstd::(__tree_)?barrier\b.*", "a barrier"),
        (r".*\bstd::__atomic_base<.*>::wait\b.*", "an atomic variable to change"),
        (r"_*pthread_barrier_wait", "a barrier"),
        (r"_*pthread_mutex_(timed|clock)?lock", "a mutex that names no owner"),
        (r"_*pthread_rwlock_(timed|clock)?(rd|wr)lock", "a reader-writer lock that names no owner"),
        (r"_*pthread_cond_(timed|clock)?wait", "a condition variable"),
        (r"_*sem_(timed|clock)?wait", "a semaphore"),
    )
)
"""How a function is called that waits → what for."""
_MOST = 16
"""Calls of a language's own between a program's and the kernel."""
_PYTHON_LOCK = pattern(r"PyThread_acquire_lock(_timed)?|_?PyMutex_Lock(Timed)?")
"""What nearly all of Python's waits come to. Source: CPython ``Python/thread_pthread.h``, ``Python/lock.c``."""
_PYTHON_EVENT = pattern(r"_?PyEvent_Wait(Timed)?")
_BY_PYTHON = {
    "wait": "a Python condition or event",
    "_wait_for_tstate_lock": "the end of a Python thread",
    "join": "the end of a Python thread",
}
"""Functions of ``threading`` that are the innermost Python call → what for."""
_QUEUE = pattern(r"_queue\..*")
"""Holds `SimpleQueue`, whose waits are no Python calls."""
_UNTOLD = (WaitKind.FUTEX, WaitKind.SEMAPHORE, WaitKind.CONDITION)


def named(waits: Iterable[Wait], stacks: Iterable[Stack]) -> tuple[Wait, ...]:
    """The waits; of those for something unknown, what the innermost calls that are not the program's tell."""
    by_thread = {stack.tid: stack for stack in stacks}
    return tuple(
        replace(wait, does=f"waits for {words}")
        if wait.kind in _UNTOLD and (words := _words(wait, by_thread.get(wait.tid)))
        else wait
        for wait in waits
    )


def _words(wait: Wait, stack: Stack | None) -> str:
    """What the outermost of them waits for: a channel parks its thread; empty if none tells."""
    frames = stack.frames[:_MOST] if stack else ()
    entered = [*itertools.takewhile(lambda frame: not is_own(frame), frames)]
    words = _of_python(entered, frames)
    if words or wait.kind is not WaitKind.FUTEX:
        return words
    return next(filter(None, (_waited_for(frame.function) for frame in reversed(entered))), "")


def _of_python(entered: Sequence[Frame], frames: Iterable[Frame]) -> str:
    """What a thread that waits in Python's interpreter waits for; empty if it does not, or nothing tells."""
    if any(_QUEUE.fullmatch(last(frame.module)) for frame in entered):
        return "an item in a Python queue"
    locks = any(_PYTHON_LOCK.fullmatch(frame.function) for frame in entered)
    if not locks and not any(_PYTHON_EVENT.fullmatch(frame.function) for frame in entered):
        return ""
    inner = next((frame for frame in frames if frame.trust is Trust.INTERPRETER), None)
    ours = inner and language_folder(inner.file) and last(inner.file) == "threading.py"
    known = _BY_PYTHON.get(inner.function) if inner and ours else None
    return known or ("a Python lock whose holder is not known" if locks else "")


def _waited_for(function: str) -> str:
    return next((words for pattern, words in _ENTERED if pattern.fullmatch(function)), "")
