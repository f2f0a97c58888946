"""Which call is the program's own, and what a sentence calls it."""

from __future__ import annotations

import pytest

from tray.model import Frame, Stack
from tray.reports import own

APP, GTK = "/opt/app/app", "/usr/lib/x86_64-linux-gnu/libgtk-3.so.0"
LIBC, PYTHON = "/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/python3.11"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("save", "save()"),
        ("_save", "_save()"),
        ("save.part.0", "save()"),
        ("shop::Customer::operator()(int) const", "Customer::operator()()"),
        ("int a::shop::Customer::serve<int, std::pair<int, int>>(int) const", "Customer::serve()"),
        ("(anonymous namespace)::go(int)", "go()"),
        ("main::{lambda(int)#1}::operator()(int) const", "main::{lambda#1}()"),
        ("std::ostream& shop::operator<< <char>(std::ostream&, char)", "shop::operator<<()"),
        ("waits_rust::main::{{closure}}", "main::{{closure}}()"),
        ("<waits::File as std::io::Read>::read", "read()"),
        ("main.(*Store).Lock", "main.Store.Lock()"),
        ("a::" + "b" * 39, "b" * 39 + "()"),
        ("b" * 50, "b" * 39 + "…()"),
        ("<<<", "<<<()"),
    ],
)
def test_a_function_in_a_sentence(function: str, words: str) -> None:
    """Without types, arguments and most of its scopes; never empty."""
    assert own.called(function) == words


@pytest.mark.parametrize(
    ("frames", "function"),
    [
        ([("pthread_mutex_lock", LIBC), ("save", APP), ("main", APP)], "save()"),
        ([("g_mutex_lock", GTK), ("save", APP)], "save()"),
        ([("futex_wait", LIBC), ("g_cond_wait", GTK)], "g_cond_wait()"),
        ([("std::mutex::lock()", APP), ("void std::__invoke_impl<void, void (*)()>()", APP), ("go()", APP)], "go()"),
        ([("<std::sync::Mutex<T>>::lock", APP), ("core::ops::FnOnce::call_once", APP), ("w::run", APP)], "w::run()"),
        ([("__lll_lock_wait", APP), ("pthread_mutex_lock", APP), ("save", APP), ("_start", APP)], "save()"),
        ([("PyThread_acquire_lock", PYTHON), ("main", PYTHON)], None),
        ([("Wait", r"C:\Windows\System32\ntdll.dll"), ("save", r"C:\App\app.exe")], "save()"),
        ([("runtime.futex", APP), ("sync.(*Mutex).Lock", APP), ("internal/poll.(*FD).Read", APP)], None),
        ([("runtime.futex", APP), ("main.save", APP)], "main.save()"),
        ([("operator()", APP)], "a lambda"),
        ([("", APP)], None),
        ([("save", "")], "save()"),
        ([], None),
    ],
)  # fmt: skip
def test_the_programs_own(frames: list[tuple[str, str]], function: str | None) -> None:
    """The innermost that neither the language nor the system brought; else the innermost of the system's."""
    stack = Stack(7, tuple(Frame(1, name, module) for name, module in frames))
    assert own.places([stack]) == ({7: function} if function else {})


def test_a_function_that_others_were_put_into() -> None:
    """Its place may be in the language's headers, for there it stands; only a bare name may be theirs."""
    place = "/rustc/5980/library/std/src/sys/sync/mutex/futex.rs"
    assert own.is_own(Frame(1, "app::save", APP, file=place, line=33))
    assert not own.is_own(Frame(1, "app::save", APP, file=place, line=33, inlined=True))
    assert not own.is_own(Frame(1, "save", APP, file=place, line=33))
