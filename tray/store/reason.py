"""Verdict ↔ JSON, as it stands in a sidecar and in the last line of a dump."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING
from tray.verdicts import Verdict, VerdictKind, Wait, WaitKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any


def as_json(verdict: Verdict | None) -> dict[str, Any] | None:
    """A verdict, or null where there is none."""
    if verdict is None:
        return None
    return {
        "kind": verdict.kind.value,
        "sentence": verdict.sentence,
        "certain": verdict.certain,
        "chain": [_wait_as_json(wait) for wait in verdict.chain],
    }


def _wait_as_json(wait: Wait) -> dict[str, Any]:
    """One wait; addresses are numbers."""
    return {
        "tid": wait.tid,
        "name": wait.name,
        "kind": wait.kind.value,
        "does": wait.does,
        "address": wait.address,
        "owner": wait.owner,
        "owner_name": wait.owner_name,
        "timed": wait.timed,
        "function": wait.function,
        "sure": wait.sure,
    }


def waits_as_json(waits: Sequence[Wait]) -> Iterator[dict[str, Any]]:
    """All waits, one after the other."""
    return map(_wait_as_json, waits)


def waits_from_json(rows: Sequence[Mapping[str, Any]]) -> tuple[Wait, ...]:
    """What `waits_as_json` told; nothing for what makes no sense."""
    try:
        return tuple(_wait(row) for row in rows)
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def from_json(mapping: Mapping[str, Any] | None) -> Verdict | None:
    """What `as_json` told; None for null.

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
