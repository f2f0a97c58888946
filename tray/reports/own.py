"""Which call of a stack is the program's own, and what a sentence calls it."""

from __future__ import annotations

import sys

from tray.frames import Trust
from tray.lean import TYPE_CHECKING, pattern
from tray.reports.alike import once
from tray.reports.names import last

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

    from tray.model import Frame, Stack

_RUNTIME = pattern(
    r"(?i)(libc|libffi|libpthread|libstdc\+\+|libc\+\+|libgcc_s|ld|libm|linux-vdso)[-.].*"
    r"|(lib)?pythonw?[\d.]*(t|_d)?(\.so.*|\.?dll|\.?exe)?|lib(jvm|jli|java|coreclr|clrjit|hostfxr|node|ruby|perl)\b.*"
    r"|(javaw?|dotnet|node|nodejs|ruby[\d.]*|perl[\d.]*)(\.exe)?|(_[a-z0-9_]+|select|unicodedata|pyexpat|winsound)\.pyd"
    r"|(jvm|jli|java|coreclr|clr|clrjit|mscorwks|hostfxr|hostpolicy|libnode)\.dll"
    r"|ntdll\.dll|kernel(32|base)\.dll|(vcruntime|msvcp|msvcr)\w+\.dll|ucrtbased?\.dll|\[vdso\]",
)
"""How the files of a language's own library, or interpreter, are called; a module without a name is a JIT's,
and so the program's own."""
HEADERS = (
    "/include/c++/",
    "/rustc/",
    "/library/std/",
    "/library/core/",
    "/library/alloc/",
    "\\VC\\Tools\\MSVC\\",
)
"""Folders of sources that a compiler puts into programs."""
_PYTHON = pattern(r"/lib/python\d[\d.]*t?/(?!(site|dist)-packages/)|^<frozen ")
"""Python's own library, and what is frozen into its interpreter."""
_PYTHON_ON_WINDOWS = pattern(r"(?i)(\\lib\\|\\python3\d+\.zip\\)(\w+)(?=\.pyc?$|\\)")
"""The same there, where the folder tells little: ``\\Lib\\`` and the name of one of its modules."""
_SYSTEM = pattern(
    r"(?i)(/usr)?/lib(64|/x86_64-linux-gnu)?/[^/]+|(/usr)?/lib/x86_64-linux-gnu/.*|[A-Z]:\\Windows\\.*"
)
"""Where libraries lie that came with the system."""
_STARTERS = pattern(
    r"__.*|_start|start_thread|clone3?|(pthread|futex)_.*|<?(std|core|alloc|__gnu_cxx)::.*"
    r"|(runtime|sync|syscall|internal/[\w/]+)\.[\w(].*"
)
"""Functions of C, C++, Rust and Go; a program that is linked statically, or by templates, holds them itself."""
_OPERATOR = pattern(r"operator(\(\)|<=>|<<=|>>=|<<|>>|<=|>=|->\*?|<|>| new| delete)")
_SUFFIX = pattern(r"(\.(cold|part|constprop|isra|lto_priv|llvm)\b.*| \[clone .*| const&?)$")
_LAMBDA = pattern(r"(\{lambda\b[^{}]*\})::operator\(\)")
_HIDDEN = pattern("\0(\\d+)\0")
_GO_METHOD = pattern(r"\.\(\*?(\w+)\)")
_LONGEST = 40


def own(stack: Stack) -> Frame | None:
    """The innermost call of the program's own: not of the language's library, nor put in from its headers.

    Of a program in Python, the innermost of its Python. What lies in the system's folders is taken only
    where there is nothing else.
    """
    found = [frame for frame in stack.frames if is_own(frame)]
    best = [frame for frame in found if frame.trust is Trust.INTERPRETER]
    best = best or [frame for frame in found if not _SYSTEM.fullmatch(frame.module)] or found
    return best[0] if best else None


def is_own(frame: Frame) -> bool:
    """Whether a call may be the program's own, for all that its name and place tell."""
    if frame.trust is Trust.INTERPRETER:  # there a name like __init__ is as good as any
        return not language_folder(frame.file)
    return bool(
        frame.function
        and not _RUNTIME.fullmatch(last(frame.module))
        and "/lib-dynload/" not in frame.module
        and not _put_in(frame)
        and not _STARTERS.fullmatch(frame.function)
        and not _STARTERS.fullmatch(_bare(frame.function))
    )


def _put_in(frame: Frame) -> bool:
    """Whether a call was put in from the language's headers; what was put into a whole name is not its own place."""
    return (frame.inlined or "::" not in frame.function) and bool(language_folder(frame.file))


def language_folder(file: str) -> str:
    """The part of a source's path that tells it to be of the language's own; empty for the program's."""
    if python := _PYTHON.search(file):
        return python[0]
    windows = _PYTHON_ON_WINDOWS.search(file)
    if windows and windows[2] in sys.stdlib_module_names:
        return windows[1]
    return next((one for one in HEADERS if one in file), "")


def places(stacks: Iterable[Stack]) -> dict[int, str]:
    """Thread id → the program's own function that it is in, as a sentence names it, where that is known."""
    place = once(lambda stack: _called(frame) if (frame := own(stack)) else "")
    return {stack.tid: name for stack in stacks if (name := place(stack))}


def _called(frame: Frame) -> str:
    """Its function; of what Python runs outside of any function, the file."""
    if frame.function == "operator()":  # all that debug info has of its name
        return "a lambda"
    return last(frame.file) if frame.function == "<module>" and frame.file else called(frame.function)


def called(function: str) -> str:
    """A function as a sentence names it: ``Customer::serve()`` for ``int shop::Customer::serve<int>(int) const``."""
    bare = _bare(function)
    short = "::".join(bare.split("::")[-2:])
    if len(short) > _LONGEST:
        short = bare.rpartition("::")[2]
    return (short if len(short) <= _LONGEST else short[: _LONGEST - 1] + "…") + "()"


def _bare(function: str) -> str:
    """A name without what it returns and takes, and without template arguments."""
    hidden: list[str] = []

    def hide(found: re.Match[str]) -> str:
        hidden.append(found[0])
        return f"\0{len(hidden) - 1}\0"

    text = _SUFFIX.sub("", function).replace("(anonymous namespace)::", "")
    text = text.replace(".<locals>.", ".")
    text = _LAMBDA.sub(r"\1", _GO_METHOD.sub(r".\1", text))
    text = _open_level(_SUFFIX.sub("", _OPERATOR.sub(hide, text)))
    text = text.strip().removeprefix("::").rpartition(" ")[2]
    return _HIDDEN.sub(lambda found: hidden[int(found[1])], text) or function


def _open_level(text: str) -> str:
    """What stands in no brackets."""
    depth, kept = 0, []
    for sign in text:
        if sign in "<([":
            depth += 1
        elif sign in ">)]":
            depth = max(0, depth - 1)
        elif not depth:
            kept.append(sign)
    return "".join(kept)
