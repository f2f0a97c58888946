"""What stands in for parts of the standard library does as they do."""

from __future__ import annotations

import copy
import dataclasses
import enum
import gc
import inspect
import json
import logging
import re
import sys
import typing
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from tray import lean

ROOT = Path(__file__).parents[2]


def classes(dataclass, field):
    """The same classes of values by one or the other library."""

    @dataclass(frozen=True, slots=True)
    class Firm:
        """It stays."""

        one: int
        two: str = "b"
        more: list[int] = field(default_factory=list, compare=False)

        @property
        def both(self) -> str:
            """Of two fields."""
            return f"{self.one}{self.two}"

    @dataclass(slots=True)
    class Loose:
        """It changes."""

        one: int
        more: list[int] = field(default_factory=list)
        _rest: int = field(default=3)

    @dataclass(slots=True, eq=False)
    class Itself:
        """Equal to nothing else."""

        one: int

    return Firm, Loose, Itself


OURS, REAL = classes(lean.dataclass, lean.field), classes(dataclasses.dataclass, dataclasses.field)


def tried(act) -> object:
    """What comes of it, or its failure."""
    try:
        return act()
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("number", range(3))
def test_a_dataclass_is_as_the_real_one(number):
    """Text, signature, slots, comparison, hash and complaints are the same."""
    ours, real = OURS[number], REAL[number]
    assert repr(ours(1)) == repr(real(1))
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(real).parameters)
    assert (ours.__slots__, ours.__match_args__, ours.__doc__) == (
        real.__slots__,
        real.__match_args__,
        real.__doc__,
    )
    new = classes(lean.dataclass, lean.field)[number]  # of which nobody has asked the signature
    for act in (
        lambda kind: kind(1) == kind(1),
        lambda kind: kind(1) == kind(2),
        lambda kind: kind(1) == 1,
        lambda kind: len(
            {kind(1), kind(1)}
        ),  # both at a time: one might get the place of another that is gone
        lambda kind: kind(),
        lambda kind: kind(1, other=2),
        lambda kind: kind(1, 2, 3, 4),
        lambda kind: kind(1, one=2),
        lambda kind: setattr(kind(1), "one", 2),
        lambda kind: delattr(kind(1), "one"),
    ):
        told = tried(lambda act=act: act(real))
        assert tried(lambda act=act: act(ours)) == told, inspect.getsource(act)
        assert tried(lambda act=act: act(new)) == told, inspect.getsource(act)


def test_instances_are_alike_before_and_after_their_constructor_is_compiled():
    """The first are made field by field, for that takes less time than to compile what makes many."""
    firm, loose, _ = classes(lean.dataclass, lean.field)
    compiled = set()
    for _ in range(20):
        assert firm(1, two="x", more=[3]).more == firm(1, "x", [3]).more == [3]
        assert loose(1).more is not loose(1).more
        assert (loose(2, _rest=5).one, loose(2, _rest=5)._rest, firm(1).two) == (2, 5, "b")
        compiled.add(inspect.isfunction(vars(loose)["__init__"]))
    assert compiled == {False, True}


def test_a_dataclass_keeps_what_it_is_given():
    """Defaults are each instance's own, properties stay, and what is frozen refuses."""
    firm, loose, _ = OURS
    assert firm(1).both == "1b"
    assert firm(1, more=[1]) == firm(1, more=[2])
    assert firm(1).more is not firm(1).more
    changed = loose(1)
    changed.one, changed.more = 2, [3]
    assert changed == loose(2, [3])
    with pytest.raises(FrozenInstanceError):
        firm(1).one = 2
    with pytest.raises(TypeError):
        lean.dataclass(slots=False)


def test_the_real_library_knows_our_dataclasses():
    """``asdict``, ``fields`` and either ``replace`` work on them."""
    value = OURS[0](1, "x", [2])
    assert dataclasses.is_dataclass(value)
    assert dataclasses.asdict(value) == {"one": 1, "two": "x", "more": [2]}
    assert [field.name for field in dataclasses.fields(OURS[0])] == ["one", "two", "more"]
    assert dataclasses.replace(value, two="y") == lean.replace(value, two="y") == OURS[0](1, "y")
    assert lean.replace(value, two="y").more == [2]


def test_nobody_looks_for_garbage_at_the_end_of_loading():
    """Not even as the search for garbage is turned on again, for which there is more than reason enough."""
    searches, before = [], gc.get_threshold()
    gc.callbacks.append(note := lambda phase, _: searches.append(phase))
    gc.set_threshold(700)
    try:
        gc.collect(0)
        assert searches
        searches.clear()
        with lean.loading():
            loaded = [[] for _ in range(5000)]
        assert searches == []
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(note)
        gc.unfreeze()
    assert len(loaded) == 5000


def test_a_named_tuple_is_as_the_real_one():
    """Fields, defaults, methods and text are the same."""

    def made(base):
        class Pair(base):
            """Two."""

            one: int
            two: int = 2

            def total(self) -> int:
                """Of both."""
                return self.one + self.two

        return Pair

    ours, real = made(lean.NamedTuple), made(typing.NamedTuple)
    assert ours(1) == real(1) == (1, 2)
    assert (repr(ours(1)), ours(1).total(), ours._fields, ours.__doc__) == (
        repr(real(1)),
        3,
        real._fields,
        "Two.",
    )
    assert ours.__module__ == real.__module__


def test_words_say_where_they_come_from(caplog):
    """A record names the function that spoke, not the stand-in."""
    caplog.set_level(logging.DEBUG)
    lean.logger("tray.x").debug("found %s", "it")
    (record,) = caplog.records
    assert (record.name, record.getMessage(), record.filename) == ("tray.x", "found it", "test_lean.py")


def test_words_that_nobody_hears_may_carry_anything(monkeypatch):
    """What follows them is dropped with them, as the error that led to them."""
    monkeypatch.delitem(sys.modules, "logging")
    lean.logger("tray.x").debug("found %s", "it", exc_info=ValueError(), stacklevel=2)


def test_a_pattern_is_compiled_when_it_is_used():
    """It finds what the real one finds; one that is wrong is no matter until then."""
    own, real = lean.pattern(r"a(b+)", re.IGNORECASE), re.compile(r"a(b+)", re.IGNORECASE)
    assert own.sub("x", "AB abb") == real.sub("x", "AB abb") == "x x"
    assert own.fullmatch("abB")[1] == "bB"
    assert own.search is own.search
    with pytest.raises(re.error):
        _ = lean.pattern("(").match


def test_what_is_loaded_is_never_looked_through():
    """No collection while it is loaded, and none that sees it later; also where one such block is in another."""
    try:
        with lean.loading():
            with lean.loading():
                assert not gc.isenabled()
            assert not gc.isenabled()
            kept = [[]]
        assert gc.isenabled()
        assert not any(one is kept for one in gc.get_objects())
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -3, 1.5, 1e300, float("inf"), "", 'a"\\\n\x7fß€😀\udcff', [], {}, [1, [2, {"a": None}], ()],
     {"b": [1.0], "a": {"x": "y"}, 3: 4, None: 5}],
)  # fmt: skip
def test_json_is_as_the_real_one(value):
    """The same text for all that JSON can hold."""
    assert lean.dumps(value) == json.dumps(value)


def test_json_refuses_what_the_real_one_refuses():
    """With the same words."""
    assert tried(lambda: lean.dumps({"a": {1}})) == tried(lambda: json.dumps({"a": {1}}))


def choices(base):
    """The same class of choices by one or the other library."""

    class Kind(base):
        """Of things."""

        FIRST = "first"
        """With words."""
        SECOND = "the second"

        @property
        def loud(self) -> str:
            """In capitals."""
            return self.upper()

    return Kind


def test_choices_are_as_the_real_ones():
    """Found by value, told apart, shown, copied, packed and refused alike."""
    ours, real = choices(lean.StrEnum), choices(enum.StrEnum)
    for act in (
        lambda kind: ("first" in [*kind], len(kind), [one.name for one in kind], [one.value for one in kind]),
        lambda kind: (repr(kind.FIRST), str(kind.FIRST), f"{kind.SECOND:>12}", kind.FIRST.loud, kind.__doc__),
        lambda kind: (
            kind("first") is kind.FIRST,
            kind(kind.FIRST) is kind.FIRST,
            isinstance(kind.FIRST, str),
        ),
        lambda kind: (kind.FIRST == "first", kind.FIRST == kind.SECOND, {kind.FIRST: 1}[kind("first")]),
        lambda kind: (copy.deepcopy(kind.FIRST) is kind.FIRST, json.dumps([kind.SECOND])),
    ):
        assert act(ours) == act(real), inspect.getsource(act)
    for wrong in ("other", "", 1, None, []):
        with pytest.raises(ValueError, match=r"is not a valid .*Kind"):
            ours(wrong)


def test_flags_are_as_the_real_ones():
    """Joined, asked, compared."""

    def flags(base):
        class Part(base):
            ONE = 1
            TWO = 2
            FOUR = 4

        return Part

    for kind in (flags(lean.Flag), flags(enum.Flag)):
        both = kind.ONE | kind.FOUR
        assert kind.ONE in both
        assert kind.TWO not in both
        assert kind.ONE | kind.TWO not in both
        assert both == kind.FOUR | kind.ONE
        assert isinstance(both, kind)
        assert both | kind.TWO != both
