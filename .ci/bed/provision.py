"""Provisioning: every part of the test bed is made once, in a fresh folder that is put in place when finished."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from bed.places import (
    COMPILERS,
    HOME,
    REPOSITORY,
    ROOT,
    TEMPLATE,
    Trouble,
    call,
    digest,
    locked,
    made,
)
from bed.wine import stop, wine

if TYPE_CHECKING:
    from collections.abc import Callable

PANDA = "panda3d==1.10.16"
"""Its wheels carry a whole CPython 3.11 for Windows, without the standard library's Python part."""
PYKD = "pykd==0.3.2.2"
"""Its wheels carry dbghelp, dbgeng and symsrv of the Windows 8.1 SDK."""
RUNTIME = "msvc-runtime==14.44.35112"
"""Its wheel carries Microsoft's C++ runtime, of which python.org's CPython brings what panda3d leaves out."""
PACKAGES = ("hypothesis>=6.100", "pefile", "pyinstaller>=6", "pytest>=8.3", "udmp-parser")
"""What the tests and the build need beside the program's own dependencies."""
WINE = "wine", "wine64", "wine32:i386"
PLATFORMS = {64: "win_amd64", 32: "win32"}
TARGETS = {64: "x86_64-pc-windows-msvc", 32: "i686-pc-windows-msvc"}
SYSTEM = {64: "system32", 32: "syswow64"}
DEBUGGERS = "dbghelp.dll", "dbgeng.dll", "symsrv.dll"

LAUNCHER = """
#include <wchar.h>
__declspec(dllimport) int Py_Main(int, wchar_t **);
int wmain(int count, wchar_t **arguments) { return Py_Main(count, arguments); }
"""
ENTRY = """
int __stdcall DllMainCRTStartup(void *module, unsigned long reason, void *reserved) { return 1; }
"""
MAPPER = """
#include <windows.h>
void *WINAPI MapCopy(HANDLE section, DWORD access, DWORD high, DWORD low, SIZE_T size) {
    return MapViewOfFile(section, access == FILE_MAP_READ ? FILE_MAP_COPY : access, high, low, size);
}
"""
"""The engine maps a program's file read-only and then asks for copy-on-write pages. Wine refuses
that (Windows does not), and a mini dump, which has no code in it, would get neither names nor a way
to unwind. So the engine's kernel32 is one that maps copy-on-write from the start."""
MAPPER_NAME = "KERNELHS.dll"
ENTRY_NAMES = {64: "DllMainCRTStartup", 32: "_DllMainCRTStartup@12"}
LEFT_OUT = "lib-dynload", "test", "tests", "site-packages", "dist-packages", "__pycache__", "config-*"
"""Parts of a standard library that are Linux's own, or that nobody needs here."""
CHECK = "import ctypes, psutil, ssl, sqlite3, struct, sys, PIL.Image; print(sys.version, struct.calcsize('P') * 8)"


def mirror() -> str:
    """Debian's mirror that this machine uses itself."""
    if named := os.environ.get("HANGSHOT_DEBIAN_MIRROR"):
        return named
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    listed = [path for path in sources if path.is_file() and path.suffix in {".list", ".sources"}]
    text = "\n".join(path.read_text() for path in listed)
    for address in re.findall(r"^(?:URIs:|deb\s+(?:\[.*?\])?)\s*(\S+)", text, re.MULTILINE):
        if address.rstrip("/").endswith("/debian"):
            return str(address)
    raise Trouble("no Debian mirror among this machine's apt sources; name one in HANGSHOT_DEBIAN_MIRROR")


def make_root(place: Path) -> None:
    """Debian 13 with its Wine: Debian 12's is too old for psutil."""
    wanted = re.compile(r"Acquire::(Check-|Retries|https?\b)")
    settings = [line for line in call("apt-config", "dump").splitlines() if wanted.match(line)]
    options = [f"--aptopt={line.rstrip(';')}" for line in settings if not line.endswith('"";')]
    names = ",".join(WINE)
    source = f"deb {mirror()} trixie main"
    options += ["--variant=apt", "--architectures=amd64,i386", f"--include={names}"]
    call("mmdebstrap", *options, "trixie", place, source)


def download(place: Path, name: str, platform: str, version: int) -> zipfile.ZipFile:
    """A wheel for Windows, opened."""
    python = tools() / "python"
    options = ["--platform", platform, "--python-version", version, "--only-binary=:all:", "--no-deps"]
    call(python, "-m", "pip", "download", "--quiet", *options, "--dest", place / "wheel", name)
    [wheel] = (place / "wheel").glob("*.whl")
    return zipfile.ZipFile(wheel)


def tools() -> Path:
    """The programs of a virtual environment with uv, which alone resolves for another system."""

    def make(place: Path) -> None:
        call(sys.executable, "-m", "venv", place)
        call(place / "bin/python", "-m", "pip", "install", "--quiet", "uv>=0.5")

    made(HOME / "tools", digest(sys.version), make)
    return HOME / "tools/bin"


def standard_library() -> Path:
    """The standard library's Python part of some CPython 3.11 of this machine."""
    pythons = [sys.executable, REPOSITORY / ".venv/bin/python", "python3.11", "/usr/bin/python3.11"]
    ask = "import sys, sysconfig; print(sysconfig.get_path('stdlib') if sys.version_info[:2] == (3, 11) else '')"
    for python in pythons:
        with contextlib.suppress(Trouble):
            if found := call(python, "-c", ask).strip():
                return Path(found)
    raise Trouble("no Python 3.11 here to take its standard library from")


def make_python(place: Path, bits: int) -> None:
    """A CPython for Windows in the layout of its own installer."""
    with download(place, PANDA, PLATFORMS[bits], 311) as wheel:
        for name in wheel.namelist():
            base = name.rpartition("/")[2]
            if not re.fullmatch(r"deploy_libs/[^/]+\.(dll|pyd)", name) or base.startswith("api-ms-"):
                continue
            beside = base.lower() in {"python311.dll", "vcruntime140.dll"}
            into = place / base if beside else place / "DLLs" / base
            into.parent.mkdir(exist_ok=True)
            into.write_bytes(wheel.read(name))
    shutil.rmtree(place / "wheel")
    shutil.copytree(standard_library(), place / "Lib", ignore=shutil.ignore_patterns(*LEFT_OUT))
    (place / "Lib/site-packages").mkdir()
    (place / "Lib/EXTERNALLY-MANAGED").unlink(missing_ok=True)
    make_programs(place, bits)
    make_forwarder(place, bits)


def make_programs(place: Path, bits: int) -> None:
    """Compile python.exe and pythonw.exe, whose only word is Py_Main."""
    source = place / "launcher.c"
    source.write_text(LAUNCHER)
    compiler, library = f"{COMPILERS[bits]}-gcc", place / "python311.dll"
    for name, *options in (("python.exe",), ("pythonw.exe", "-mwindows")):
        call(compiler, "-O1", "-s", "-municode", *options, source, library, "-o", place / name)
    source.unlink()


def make_forwarder(place: Path, bits: int) -> None:
    """Link python3.dll, which hands the stable ABI's names on; psutil asks for it."""
    table = call(f"{COMPILERS[bits]}-objdump", "-p", place / "python311.dll")
    exports = table.partition("[Ordinal/Name Pointer] Table")[2]
    names = re.findall(r"^\s+\[\s*\d+\].*?\b(_?Py\w+)\s*$", exports, re.MULTILINE)
    definition, source = place / "python3.def", place / "python3.c"
    forwards = "".join(f"{name}=python311.{name}\n" for name in names)
    definition.write_text(f"LIBRARY python3.dll\nEXPORTS\n{forwards}")
    source.write_text(ENTRY)
    options = ["-shared", "-s", "-nostdlib", "-nostartfiles", f"-Wl,--entry={ENTRY_NAMES[bits]}"]
    call(f"{COMPILERS[bits]}-gcc", *options, source, definition, "-o", place / "python3.dll")
    source.unlink()
    definition.unlink()


def dependencies(bits: int) -> list[str]:
    """What pyproject.toml says that the program needs on Windows; its extra has nothing for 32 bits."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["python"] if bits == 64 else []  # noqa: PLR2004 - bits
    return [need for need in (*project["dependencies"], *extra) if "'linux'" not in need]


def packages(bits: int) -> Path:
    """Where the packages are: another place for other needs, so that two checkouts do not undo each other's."""
    return HOME / f"packages{bits}-{digest(PACKAGES, dependencies(bits))}"


def make_packages(place: Path, bits: int) -> None:
    """The program's dependencies and the tests', as Windows gets them."""
    options = ["--python-platform", TARGETS[bits], "--python-version", "3.11", "--only-binary", ":all:"]
    python = tools() / "python"
    wanted = [*PACKAGES, *dependencies(bits)]
    call(
        tools() / "uv", "pip", "install", "--quiet", *options, "--python", python, "--target", place, *wanted
    )


def make_debuggers(place: Path, bits: int) -> None:
    """Microsoft's debugging DLLs, in one folder."""
    with download(place, PYKD, PLATFORMS[bits], 27) as wheel:
        for name in DEBUGGERS:
            (place / name).write_bytes(wheel.read(f"pykd/{name}"))
    shutil.rmtree(place / "wheel")


def make_engine(place: Path, bits: int) -> None:
    """WinDbg's engine as Windows has it in its own folder, made to work in Wine."""
    engine = HOME / f"debuggers{bits}" / "dbgeng.dll"
    old, new = b"KERNEL32.dll\0", MAPPER_NAME.encode() + b"\0"
    if (whole := engine.read_bytes()).count(old) != 1:
        raise Trouble(f"{engine.name} is not the one that is known")
    (place / engine.name).write_bytes(whole.replace(old, new))
    compiler = f"{COMPILERS[bits]}-gcc"
    table = call(f"{COMPILERS[bits]}-objdump", "-p", engine).partition("DLL Name: KERNEL32.dll")[2]
    names = set(re.findall(r"^\s+[0-9a-f]+\s+\d+\s+(\w+)$", table.partition("DLL Name")[0], re.MULTILINE))
    forwards = "".join(f"{name}=kernel32.{name}\n" for name in sorted(names - {"MapViewOfFile"}))
    ours = "MapViewOfFile=MapCopy" + ("@20" if bits == 32 else "")  # noqa: PLR2004 - stdcall's own names
    source, definition = place / "mapper.c", place / "mapper.def"
    source.write_text(ENTRY + MAPPER)
    definition.write_text(f"LIBRARY {MAPPER_NAME}\nEXPORTS\n{ours}\n{forwards}")
    options = ["-shared", "-s", "-nostdlib", "-nostartfiles", f"-Wl,--entry={ENTRY_NAMES[bits]}"]
    call(compiler, *options, source, definition, "-o", place / MAPPER_NAME, "-lkernel32")
    source.unlink()
    definition.unlink()


def make_runtime(place: Path) -> None:
    """The part of the C++ runtime that lies beside python.exe elsewhere; PyInstaller finds it on the PATH."""
    with download(place, RUNTIME, PLATFORMS[64], 311) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith("/vcruntime140_1.dll")]
        (place / "vcruntime140_1.dll").write_bytes(wheel.read(name))
    shutil.rmtree(place / "wheel")


def make_prefix(place: Path) -> None:
    """Windows' own folders and registry; Wine's own dbghelp is kept aside."""
    place.rmdir()
    try:
        call(*wine(place, "", "wineboot", "-i"))
    finally:
        stop(place)
    for folder in SYSTEM.values():
        (place / folder).mkdir()
        shutil.copy(place / "drive_c/windows" / folder / "dbghelp.dll", place / folder)


def put_debuggers(prefix: Path, *, builtin: bool) -> None:
    """Put Microsoft's dbghelp and dbgeng, or Wine's own, where Windows has them."""
    for bits, folder in SYSTEM.items():
        place = prefix / "drive_c/windows" / folder
        source = prefix / folder if builtin else HOME / f"debuggers{bits}"
        shutil.copy(source / "dbghelp.dll", place)
        wines = TEMPLATE / "drive_c/windows" / folder / "dbgeng.dll"
        shutil.copy(wines if builtin else HOME / f"engine{bits}" / "dbgeng.dll", place)
        shutil.copy(HOME / f"engine{bits}" / MAPPER_NAME, place)


def provision() -> None:
    """Make all that is missing."""
    HOME.mkdir(parents=True, exist_ok=True)
    with locked(HOME / "lock", "another .ci/testbed provisions"):
        made(ROOT, digest(WINE), make_root)
        for bits in PLATFORMS:
            provision_python(bits)
        made(HOME / "runtime64", digest(RUNTIME), make_runtime)
        made(TEMPLATE, digest(WINE, "with its own dbghelp aside"), make_prefix)


def provision_python(bits: int) -> None:
    """Make what there is once for each width."""

    def of(make: Callable[[Path, int], None]) -> Callable[[Path], None]:
        return lambda place: make(place, bits)

    made(HOME / f"python{bits}", digest(PANDA, LAUNCHER, ENTRY, "packages.pth"), of(make_python))
    made(packages(bits), digest(PACKAGES, dependencies(bits)), of(make_packages))
    made(HOME / f"debuggers{bits}", digest(PYKD), of(make_debuggers))
    made(HOME / f"engine{bits}", digest(PYKD, MAPPER, MAPPER_NAME), of(make_engine))
