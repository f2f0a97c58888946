"""Builders of what a page is about: a deadlock, hostile names, very many threads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import synth

from tray.model import Frame, Gap, Module, Report, Stack, Target, Thread, Trust, Window
from tray.reports import redact
from tray.reports.page.subject import Subject
from tray.verdicts import Verdict, VerdictKind, Wait, WaitKind

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</style><script>x</script>",
    "</title></svg>--><b>",
    "&lt;b&gt;&#60;script&#62;",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "nul\0and\x1b[31m",
    "\udcff lone \ud800",
    "x" * 50_000,
    "{}%s\\n${x}`",
]


def subject(**fields: object) -> Subject:
    """A deadlock of two, with two more that wait for it."""
    shown, _ = synth.app()
    threads = tuple(synth.thread(tid) for tid in range(70, 75))
    shown = replace(shown, threads=threads)
    told = (
        Thread(70, "app", "R", busy=0.2),
        Thread(71, "saver", "S", "futex_wait"),
        Thread(72, "loader", "S", "futex_wait"),
        Thread(73, "pool", "S", "futex_wait"),
        Thread(74, "pool", "S", "futex_wait"),
    )
    window = Window(70, "Ein Fenster", hung=True)
    dump = synth.dump(
        Path("/dumps/app.core"),
        threads=told,
        target=Target(70, 7, "app", Path("/opt/app"), window),
        gaps=(Gap("9000-a000 /dev/x", "device memory (VM_IO)", 4096),),
    )
    waits = (
        Wait(71, "saver", WaitKind.MUTEX, "waits for a mutex", 0x1000, 72, "loader"),
        Wait(72, "loader", WaitKind.MUTEX, "waits for a mutex", 0x2000, 71, "saver"),
        Wait(73, "pool (73)", WaitKind.MUTEX, "waits for a mutex", 0x2000, 71, "saver"),
        Wait(74, "pool (74)", WaitKind.MUTEX, "waits for a mutex", 0x2000, 71, "saver"),
    )
    save = Frame(2, "save", "/opt/app", 0x10, "/src/save.c", 12, trust=Trust.TABLES)
    load = Frame(4, "load", "/opt/app", 0x30)
    stacks = (
        Stack(70, (Frame(6, "", "/opt/app", 0x40),)),
        Stack(
            71,
            (
                Frame(1, "pthread_mutex_lock", "/lib/libc.so.6", 0x1234),
                save,
                Frame(3, "main", "/opt/app", 0x20, inlined=True, trust=Trust.FRAME_POINTER),
            ),
            "nothing tells who called this",
        ),
        Stack(72, (load,)),
        Stack(73, (Frame(5, "", "/lib/libc.so.6", 0x1500),)),
        Stack(74, (Frame(5, "", "/lib/libc.so.6", 0x1500),)),
    )
    modules = (
        Module("/opt/app", 0x400000, 0x406000, synth.APP_ID),
        Module("/lib/libc.so.6", synth.LIBRARY, synth.LIBRARY + 2 * synth.PAGE, synth.LIBRARY_ID),
    )
    report = Report(
        dump.path, 4096, 4096, shown, modules, dump=dump, stacks=stacks, lacks=("Without debug info: app.",)
    )
    sentence = "Deadlock: saver ↔ loader, in save() and load()"
    verdict = Verdict(VerdictKind.DEADLOCK, sentence, True, waits[:2])
    usual = {
        "report": report,
        "verdict": verdict,
        "waits": waits,
        "matter": (71, 72),
        "own": {71: save, 72: load},
    }
    return Subject(**{**usual, **fields})


def hostile(text: str) -> Subject:
    """The same with this text wherever the target, or a file about it, may say something."""
    one = subject()
    said = redact.everywhere((one.report, one.verdict, one.waits, one.own), lambda _: text)
    report, verdict, waits, own = said
    dump = replace(report.dump, mode="heap", path=Path("/dumps/app.core"))
    report = replace(report, path=Path("/dumps/app.core"), format="elf-core", comment=text, dump=dump)
    return Subject(report, verdict, waits, one.matter, own)


def many(count: int, depth: int, name: str = "a_function_with_a_name") -> Subject:
    """That many threads, each somewhere else."""
    shown = replace(synth.app()[0], threads=tuple(synth.thread(tid) for tid in range(count)))
    callers = tuple(Frame(n, f"{name}_{n}", "/opt/app", n) for n in range(1, depth))
    stacks = tuple(
        Stack(tid, (Frame(tid * 1000, f"{name}_{tid}", "/opt/app", tid), *callers)) for tid in range(count)
    )
    one = subject()
    waits = tuple(Wait(tid, f"t{tid}", WaitKind.CONDITION, "waits", 0x1000 + tid) for tid in range(count))
    return replace(one, report=replace(one.report, snapshot=shown, stacks=stacks), waits=waits, own={})
