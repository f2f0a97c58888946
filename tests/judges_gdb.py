"""Runs inside gdb (``gdb -x``): prints what gdb sees in a core file as one line of JSON.

Arguments come as gdb's convenience variables: ``$marker`` is an address or 0.
"""

import json

import gdb


def frames(*, real: bool) -> list[str | None]:
    """Function names of the selected thread, innermost first; None where gdb has no name.

    ``real`` leaves out the calls that gdb infers: a tail call is a jump and leaves no frame.
    """
    names = []
    try:
        frame = gdb.newest_frame()
        while frame is not None and len(names) < 200:
            if not (real and frame.type() == gdb.TAILCALL_FRAME):
                names.append(frame.name())
            frame = frame.older()
    except gdb.error:
        names.append(None)
    return names


def threads(*, real: bool = False) -> list[tuple[int, list[str | None]]]:
    """Thread ids and frames in the order of the core file, which is that of gdb's own numbers."""
    result = []
    for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
        thread.switch()
        result.append((thread.ptid[1], frames(real=real)))
    return result


def said(command: str) -> list[str]:
    """What a gdb command prints, or its error."""
    try:
        return gdb.execute(command, to_string=True).splitlines()
    except gdb.error as error:
        return [f"error: {error}"]


def ymm() -> dict[int, list[list[int]]]:
    """YMM registers of every thread, as four 64-bit lanes each."""
    result = {}
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        try:
            values = [gdb.parse_and_eval(f"$ymm{i}.v4_int64") for i in range(16)]
            result[thread.ptid[1]] = [[int(value[lane]) for lane in range(4)] for value in values]
        except gdb.error:
            continue
    return result


def memory(address: int, size: int) -> str | None:
    """Bytes in hexadecimal, or None where the core has none and gdb knows none."""
    try:
        return bytes(gdb.selected_inferior().read_memory(address, size)).hex()
    except gdb.error:
        return None


def wish(name: str) -> int:
    """A number that was given on gdb's command line."""
    return int(gdb.parse_and_eval(f"${name}"))


first = gdb.selected_thread()
inferred = threads()
gdb.execute("set backtrace past-main on")
seen = {
    "first": first.ptid[1] if first else 0,
    "threads": inferred,
    "real": threads(real=True),
    "auxv": said("info auxv"),
    "libraries": said("info sharedlibrary"),
    "ymm": ymm() if wish("wants_ymm") else {},
    "memory": memory(wish("address"), wish("size")) if wish("size") else None,
}
print("JSON " + json.dumps(seen))
