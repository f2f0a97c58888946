"""Sessions: one prefix, one display, everything on them ended afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from bed.places import COMPILERS, HOME, PREFIXES, REPOSITORY, TEMPLATE, Trouble, call, locked, made, say
from bed.wine import begin, stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def copied(name: str) -> Path:
    """A prefix of that name, made from the template at its first use or when that has changed."""
    place = PREFIXES / name
    key = (HOME / "stamps/prefixes-template").read_text()
    made(place, key, lambda part: part.rmdir() or call("cp", "-a", "--reflink=auto", TEMPLATE, part))
    return place


@contextlib.contextmanager
def display() -> Iterator[str]:
    """A display with a window manager."""
    reader, writer = os.pipe()
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = [
        "Xvfb",
        "-displayfd",
        str(writer),
        "-noreset",
        "-nolisten",
        "tcp",
        "-screen",
        "0",
        "1280x800x24",
    ]
    programs = [subprocess.Popen(server, pass_fds=[writer], **quiet)]
    os.close(writer)
    try:
        with os.fdopen(reader) as answer:
            number = answer.readline().strip()
        if not number:
            raise Trouble("Xvfb did not start")
        manager = ["openbox", "--sm-disable"]
        programs.append(subprocess.Popen(manager, env=os.environ | {"DISPLAY": f":{number}"}, **quiet))
        yield f":{number}"
    finally:
        for program in reversed(programs):
            program.terminate()
            program.wait()


@contextlib.contextmanager
def session(name: str) -> Iterator[tuple[Path, str]]:
    """A prefix and a display: those of the session we are in, or new ones that end with everything on them."""
    if inherited := os.environ.get("HANGSHOT_WINE_SESSION"):
        yield PREFIXES / inherited, os.environ["DISPLAY"]
        return
    with locked(PREFIXES / f"{name}.lock", f"the prefix {name} is in use"), display() as number:
        prefix = copied(name)
        stop(prefix)
        begin(prefix, number)
        try:
            yield prefix, number
        finally:
            stop(prefix)


def target_programs() -> None:
    """Compile the programs to dump, each for both widths.

    Their functions are exported, so that debuggers name them; one that asks for a PDB has that instead.
    """
    with locked(HOME / "targets.lock", "another .ci/testbed compiles the programs to dump"):
        _compile()


def _compile() -> None:
    for source in sorted((REPOSITORY / "tests/windows/targets").glob("*.c")):
        for bits, compiler in COMPILERS.items():
            place = HOME / f"targets{bits}" / f"{source.stem}.exe"
            if place.exists() and place.stat().st_mtime > source.stat().st_mtime:
                continue
            place.parent.mkdir(exist_ok=True)
            text = source.read_text()
            asked = re.search(r"/\* link: (.*?) \*/", text)
            options = ["-O1", "-Wall", "-Wextra", "-Werror", "-static"]
            libraries = asked[1].split() if asked else []
            if "/* pdb */" in text:
                libgcc = Path(call(f"{compiler}-gcc", "-print-libgcc-file-name").strip()).parent
                options += [f"--target={compiler}", "-g", "-gcodeview", "-fuse-ld=lld", f"-L{libgcc}"]
                call("clang", *options, "-Wl,--pdb=", source, "-o", place, *libraries)
            else:
                options += ["-Wl,--export-all-symbols"]
                call(f"{compiler}-gcc", *options, source, "-o", place, *libraries)


def waited(program: subprocess.Popen[bytes], limit: float | None) -> int:
    """The exit code of a program, which is ended where we are interrupted or it goes on for too long.

    From out here, for a Wine whose server hangs stops every program in it, with all their own watches.
    """
    try:
        return program.wait(limit)
    except subprocess.TimeoutExpired:
        say(f"it hangs: ended after {limit:.0f} s")
        return 124
    finally:
        if program.poll() is None:
            program.terminate()
            program.wait()


def pumped(command: Sequence[str], limit: float | None) -> int:
    """Run a program with our standard input, if that is a pipe, and its output copied to ours.

    A Windows CPython started by Wine takes neither a terminal nor a plain file for its streams.
    """
    stdin = None if stat.S_ISFIFO(os.fstat(0).st_mode) else subprocess.DEVNULL
    reader, writer = os.pipe()
    program = subprocess.Popen(command, stdin=stdin, stdout=writer, stderr=writer)
    os.close(writer)
    # A program left running inside holds the pipe open; the one we started has ended, so what it wrote is enough.
    copier = threading.Thread(target=_copy, args=(reader,), daemon=True)
    copier.start()
    code = waited(program, limit)
    copier.join(1)
    return code


def _copy(reader: int) -> None:
    while data := os.read(reader, 1 << 16):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
