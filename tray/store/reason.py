"""Verdict ↔ JSON, as it stands in a sidecar and in the last line of a dump."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING
from tray.store.streamed import Said, plain, quoted
from tray.verdicts import Verdict, VerdictKind, Wait, WaitKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any


def text(verdict: Verdict | None) -> Said | None:
    """A verdict as JSON; None where there is none."""
    if verdict is None:
        return None
    return Said(
        f'{{"kind": {quoted(verdict.kind)}, "sentence": {quoted(verdict.sentence)}, '
        f'"certain": {plain(verdict.certain)}, "chain": [{", ".join(map(_wait_text, verdict.chain))}]}}'
    )


def _wait_text(wait: Wait) -> str:
    """One wait; addresses are numbers."""
    return (
        f'{{"tid": {wait.tid}, "name": {quoted(wait.name)}, "kind": {quoted(wait.kind)}, '
        f'"does": {quoted(wait.does)}, "address": {wait.address}, "owner": {plain(wait.owner)}, '
        f'"owner_name": {quoted(wait.owner_name)}, "timed": {plain(wait.timed)}, '
        f'"function": {quoted(wait.function)}, "sure": {plain(wait.sure)}}}'
    )


def waits_texts(waits: Sequence[Wait]) -> Iterator[str]:
    """All waits as JSON, one after the other."""
    return map(_wait_text, waits)


def waits_from_json(rows: Sequence[Mapping[str, Any]]) -> tuple[Wait, ...]:
    """What `waits_texts` told; nothing for what makes no sense."""
    try:
        return tuple(_wait(row) for row in rows)
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def from_json(mapping: Mapping[str, Any] | None) -> Verdict | None:
    """What `text` told; None for null.

    A verdict is an extra: one that makes no sense is none, and costs the sidecar nothing.
    """
    if mapping is None:
        return None
    try:
        return Verdict(
            VerdictKind(mapping["kind"]),
            str(mapping["sentence"]),
            bool(mapping["certain"]),
            tuple(_wait(wait) for wait in mapping["chain"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _wait(mapping: Mapping[str, Any]) -> Wait:
    """One wait, as `_wait_text` told it."""
    owner, timed = mapping["owner"], mapping["timed"]
    return Wait(
        int(mapping["tid"]),
        str(mapping["name"]),
        WaitKind(mapping["kind"]),
        str(mapping["does"]),
        int(mapping["address"]),
        None if owner is None else int(owner),
        str(mapping["owner_name"]),
        None if timed is None else bool(timed),
        str(mapping.get("function", "")),
        bool(mapping.get("sure", True)),
    )
