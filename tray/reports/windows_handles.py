"""What a Windows program's handles lead to: by its dump, by what Windows told before, and by its standard streams.

The dump's own list is the best: it was written while the threads stood still, so who
holds a mutex there held it at that very moment. But few files are named in it: asking for
the name of a file that somebody reads waits for that reader, so neither dbghelp nor we ask.
"""

from __future__ import annotations

import re

from tray.lean import TYPE_CHECKING, pattern
from tray.verdicts import Party

if TYPE_CHECKING:
    from tray.formats.minidump import Minidump
    from tray.formats.minidump_handles import Handle
    from tray.formats.minidump_wow64 import Narrow
    from tray.verdicts import Asked

_PEB, _PARAMETERS, _STREAMS = {8: 0x60, 4: 0x30}, {8: 0x20, 4: 0x10}, {8: 0x20, 4: 0x18}
"""Where the TEB leads to the PEB, that to the process's parameters, and those to its three standard streams."""
_STREAM_NAMES = ("its standard input", "its standard output", "its standard error")
_LEAST, _MOST = 4, 1 << 24
"""Values of handles; what stands for "none", or for the console of old, lies outside."""
_PIPE = pattern(r"\\Device\\NamedPipe\\(?!Win32Pipes\.)", re.IGNORECASE)
_SHARE = pattern(r"\\Device\\(?:Mup|LanmanRedirector)\\(?:;[^\\]*\\)*", re.IGNORECASE)
_DOS = pattern(r"\\(?:\?\?|GLOBAL\?\?|DosDevices)\\(?:UNC(?=\\))?", re.IGNORECASE)
_BASE = pattern(r"\\(?:Sessions\\\d+\\)?BaseNamedObjects\\", re.IGNORECASE)


class Handles:
    """The handles of one process.

    Args:
        dump: Its minidump.
        asked: What Windows told while it still ran.
    """

    def __init__(self, dump: Minidump | Narrow, asked: Asked) -> None:
        self._listed, self._asked, self._pid = dump.handles(), asked, dump.snapshot.pid
        self._streams = _streams(dump)

    def __contains__(self, handle: int) -> bool:
        return handle in self._listed or handle in self._asked.handles or handle in self._streams

    def party(self, handle: int) -> Party | None:
        """What a handle leads to; None for what is no handle, or one of which nothing is known."""
        before = self._asked.handles.get(handle)
        listed = self._listed.get(handle)
        if listed is None or not listed.kind:
            return before or (Party("File") if handle in self._streams else None)
        if listed.party is None:
            return (
                before if before and before.kind == listed.kind else Party(listed.kind, name=_short(listed))
            )
        return self._now(listed, before)

    def is_sure(self, handle: int, party: Party) -> bool:
        """Whether somebody held it at the very moment at which the threads stood."""
        listed = self._listed.get(handle)
        told = self._asked.stopped and listed is not None and listed.party is not None
        return told or party.tid in self._asked.resting

    def file(self, handle: int) -> str:
        """What to call a file, pipe or stream; empty where nothing names it."""
        if handle in self._streams:
            return self._streams[handle]
        listed = self._listed.get(handle)
        return file_name(listed.name) if listed and listed.kind == "File" else ""

    def _now(self, listed: Handle, before: Party | None) -> Party:
        """The party of an object as it was at the dump, with the program's name as it was asked for before."""
        pid, tid = listed.party or (0, 0)
        if pid in (0, self._pid):
            return Party(listed.kind, pid, tid, _short(listed))
        return Party(listed.kind, pid, tid, before.name if before and before.pid == pid else "")


def file_name(name: str) -> str:
    """A file or pipe as people know it, by the name that the system has for it."""
    if found := _SHARE.match(name):
        return "\\\\" + name[found.end() :]
    if found := _PIPE.match(name):
        return "\\\\.\\pipe\\" + name[found.end() :]
    if found := _DOS.match(name):
        rest = name[found.end() :]
        return "\\" + rest if rest.startswith("\\") else rest
    return "" if name.casefold().startswith("\\device\\namedpipe") else name


def _short(listed: Handle) -> str:
    """An object's own name."""
    return _BASE.sub("", listed.name)


def _streams(dump: Minidump | Narrow) -> dict[int, str]:
    """Handle → standard stream, by the process's parameters; a handle that is two of them is none for certain."""
    pointer = dump.pointer

    def word(address: int) -> int:
        return int.from_bytes(dump.memory(address, pointer), "little") if address > pointer else 0

    block = word(word(dump.teb + _PEB[pointer]) + _PARAMETERS[pointer]) if dump.teb else 0
    found: dict[int, str] = {}
    for number, name in enumerate(_STREAM_NAMES):
        handle = word(block + _STREAMS[pointer] + number * pointer) if block else 0
        if _LEAST <= handle < _MOST and not handle % 4:
            found[handle] = "its standard streams" if handle in found else name
    return found
