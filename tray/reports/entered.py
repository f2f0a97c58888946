"""What a thread waits for, by the functions that it entered: where its memory names no lock, its calls may.

For locks that say nothing of themselves: those of Rust, of musl, and what C++ builds on
``std::atomic``. Who holds them stays unknown.
"""

from __future__ import annotations

import itertools

from tray.lean import TYPE_CHECKING, pattern, replace
from tray.reports.own import is_own
from tray.verdicts import Wait, WaitKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray.model import Stack

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


def named(waits: Iterable[Wait], stacks: Iterable[Stack]) -> tuple[Wait, ...]:
    """The waits; of those for something unknown, what the innermost calls that are not the program's tell."""
    by_thread = {stack.tid: stack for stack in stacks}
    return tuple(
        replace(wait, does=f"waits for {words}")
        if wait.kind is WaitKind.FUTEX and (words := _words(by_thread.get(wait.tid)))
        else wait
        for wait in waits
    )


def _words(stack: Stack | None) -> str:
    """What the outermost of them waits for: a channel parks its thread; empty if none tells."""
    frames = stack.frames[:_MOST] if stack else ()
    entered = [frame.function for frame in itertools.takewhile(lambda frame: not is_own(frame), frames)]
    return next(filter(None, map(_waited_for, reversed(entered))), "")


def _waited_for(function: str) -> str:
    return next((words for pattern, words in _ENTERED if pattern.fullmatch(function)), "")
