"""What a process of ours loads, and how it ends, each time in one of its own; the Windows tier has these too."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys

import pytest
from ours import POSIX_ONLY, ROOT, dotted, modules

HEAVY = ("PIL", "pystray", "rich", "Xlib", "dbus_fast", "keyboard", "desktop_notifier", "tkinter", "asyncio")

NEEDLESS = {
    "argparse", "ast", "bz2", "copy", "dataclasses", "datetime", "enum", "fnmatch", "gettext", "inspect", "ipaddress",
    "json", "locale", "logging", "lzma", "pathlib", "platformdirs", "queue", "random", "re", "shutil", "signal",
    "string", "subprocess", "tempfile", "textwrap", "tokenize", "tomllib", "traceback", "typing", "unicodedata",
    "urllib", "zlib",
}  # fmt: skip
"""What a dump would wait for, and need memory for, without using it.

`tray.lean` and `tray.paths` have some of it for less.
"""
if sys.platform == "win32":  # there only platformdirs knows the folders, and paths are the library's own
    NEEDLESS -= {"copy", "enum", "fnmatch", "ipaddress", "pathlib", "platformdirs", "re", "string", "urllib"}


def run(script: str) -> str:
    """What a script prints."""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_package_itself_imports_nothing() -> None:
    """``import tray`` is free: nothing else is loaded by it."""
    script = "import sys; before = set(sys.modules); import tray; print(sorted(set(sys.modules) - before))"
    loaded = ast.literal_eval(run(script))
    assert set(loaded) - {"__future__"} == {"tray"}


BLOCKER = """
import importlib, os, sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)

BLOCKED = set(%r)
for name in BLOCKED:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Block())
failed = []
for name in %r:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed.append(f"{name}: {type(error).__name__}: {error}")
print("\\n".join(failed))
"""


def test_every_module_imports_without_posix() -> None:
    """Every module can be imported where the modules that only POSIX has are missing."""
    blocked = [name for name in POSIX_ONLY if name not in ("posix", "pwd")]
    # The standard library itself needs posix, and pathlib pwd, on the system that this test runs on.
    names = [dotted(path) for path in modules() if path.stem != "__main__"]
    assert run(BLOCKER % (blocked, names)).strip() == ""


def test_a_dump_imports_nothing_heavy() -> None:
    """Parsing and starting ``hangshot dump`` loads no picture, tray, terminal, window or bus library.

    Nor what only the next line needs.
    """
    script = """
import sys
before = set(sys.modules)
from tray.cli import main
from tray.commands import dump
dump._prepare()
main(["dump", "999999999", "--mode", "mini", "--json"])
print(sorted({name.split(".")[0] for name in set(sys.modules) - before}))
"""
    loaded = set(ast.literal_eval(run(script).splitlines()[-1]))
    assert not loaded & (NEEDLESS | set(HEAVY))
    assert {"tray", "_datetime"} <= loaded


@pytest.mark.linux  # on Windows the words are read by what is loaded later
def test_nobody_looks_for_garbage_as_the_program_is_loaded() -> None:
    """There is none, and whoever waits for a dump waits for it."""
    script = """
import gc, sys
import tray.compiled, tray.lean
gc.collect()
gc.callbacks.append(lambda phase, _: print("looked"))
from tray.__main__ import main
sys.argv = ["hangshot", "--version"]
main()
"""
    assert run(script).startswith("hangshot ")


UNUSED = {
    "heapq", "tray.capture.linux_mini", "tray.capture.linux_triage", "tray.commands.orders", "tray.commands.parser",
    "tray.formats.linkmap", "tray.reports.alike", "tray.reports.entered", "tray.reports.names", "tray.reports.own",
    "tray.settings.read", "tray.store.look",
}  # fmt: skip
"""What other modes, other commands, or the stacks that are read later need."""


@pytest.mark.linux
def test_a_dump_loads_what_it_uses(tmp_path) -> None:
    """A dump of memory, by somebody without a settings file, pays for no other."""
    script = f"""
import os, subprocess, sys
os.environ["XDG_CONFIG_HOME"] = {str(tmp_path)!r}
sleeper = subprocess.Popen(["sleep", "60"])
from tray.cli import main
code = main(["dump", str(sleeper.pid), "--mode", "heap", "--output", {str(tmp_path / "a.core")!r}, "--json"])
sleeper.kill()
sleeper.wait()
print([code, *sys.modules])
"""
    code, *loaded = ast.literal_eval(run(script).splitlines()[-1])
    assert code == 0
    assert not UNUSED & set(loaded)
    assert {"tray.flow", "tray.capture.linux_run"} <= set(loaded)


@pytest.mark.linux
def test_our_modules_are_found_with_few_questions(tmp_path) -> None:
    """In a program as users have it; what is edited there counts all the same."""
    shutil.copytree(ROOT / "tray", tmp_path / "tray", ignore=shutil.ignore_patterns("__pycache__"))
    ours = ("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")
    clean = {key: value for key, value in os.environ.items() if key not in ours}
    script = (
        "import atexit, os, sys; sys.argv[1:] = ['--version']; from tray.__main__ import main; "
        "atexit.register(lambda: print(*(type(sys.modules[f'tray.{name}'].__loader__).__name__ "
        "for name in ('cli', 'printable')), flush=True)); main()"
    )

    def loaders() -> list[str]:
        command = [sys.executable, "-c", script]
        done = subprocess.run(
            command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.split()[-2:]

    assert loaders() == ["SourceFileLoader", "SourceFileLoader"]  # which compiles them
    assert loaders() == ["_Loader", "_Loader"]
    with (tmp_path / "tray/printable.py").open("a") as file:
        file.write("\n")
    assert loaders() == ["_Loader", "SourceFileLoader"]


def test_what_toasts_need_comes_with_the_first_toast() -> None:
    """It is a third of all that the tray imports; the icon and the hotkey do not wait for it."""
    script = "import sys, tray.app.tray, tray.app.spare, tray.desktop.windows; print(sorted(sys.modules))"
    assert not {"asyncio", "desktop_notifier", "ssl"} & set(ast.literal_eval(run(script)))


def test_a_command_imports_no_other():
    """Start-up time: dumping pays for neither tables nor icons."""
    script = (
        "import sys; from tray.commands.parser import parser; parser(['list']); "
        "print([name for name in sys.modules if name.startswith(('rich', 'PIL', 'pystray', 'tomlkit', "
        "'Xlib', 'dbus_fast', 'keyboard', 'tray.commands.', 'tray.app'))])"
    )
    assert run(script).strip() == "['tray.commands.parser', 'tray.commands.list']"


def test_logging_is_loaded_by_the_first_words():
    """What nobody would see loads nothing; a warning has ``logging`` set up, once, and comes out."""
    told = run(
        "import sys\n"
        "sys.stderr = sys.stdout\n"
        "from tray.lean import at_first_words, logger\n"
        "at_first_words(lambda: __import__('logging').basicConfig(format='set up: %(message)s'))\n"
        "log = logger('x')\n"
        "log.debug('a %s', 1); log.info('b')\n"
        "assert 'logging' not in sys.modules\n"
        "log.warning('c %d', 2); log.warning('d'); log.info('e')\n"
    )
    assert told.splitlines() == ["set up: c 2", "set up: d"]


@pytest.mark.linux  # elsewhere the real ones are used
def test_a_path_of_ours_loads_the_real_ones_for_what_it_cannot_do() -> None:
    """So no program has both, but one that loads them on its way."""
    script = (
        "import sys; from tray.paths import Path; path = Path('/a') / 'b.c'; assert path.with_name('d').name == 'd';"
        "assert 'pathlib' not in sys.modules; assert path.parts == ('/', 'a', 'b.c'); assert 'pathlib' in sys.modules;"
        "assert Path('/a/b.c') == path; assert {path: 1}[Path('/a/b.c')]"
    )
    run(script)


LEAVES = """
import atexit, sys, threading
from tray import cli
class Thing:
    def __del__(self):
        print("taken apart", flush=True)
thing = Thing()
atexit.register(print, "at exit")
print("some text,", end=" ")
{more}
cli.leave(7)
sys.exit(8)
"""
WAITS = "threading.Thread(target=lambda: (threading.main_thread().join(), print('the last word'))).start()"


@pytest.mark.parametrize(
    ("more", "told"),
    [("", (7, "some text, at exit\n")), (WAITS, (8, "some text, the last word\nat exit\ntaken apart\n"))],
)
def test_the_process_ends_at_once(more, told):
    """With all that was said and is to be done at exit, but nothing taken apart; not before a thread that works."""
    result = subprocess.run(
        [sys.executable, "-c", LEAVES.format(more=more)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (*told, "")
