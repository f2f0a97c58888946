"""What the standard library has too, for a fraction of what it costs at the start of the program.

Whoever waits for a dump waits for every import on the way to it. The modules there take
``TYPE_CHECKING``, dataclasses, times, signals and their logger from here; mypy sees the real ones.
"""

from __future__ import annotations

import gc
import sys
from collections import namedtuple
from contextlib import contextmanager
from operator import attrgetter

__all__ = [
    "TYPE_CHECKING", "UTC", "Flag", "NamedTuple", "Protocol", "StrEnum", "at_first_words", "dataclass", "datetime",
    "dumps", "field", "loading", "logger", "overload", "pattern", "replace", "signal", "unswept",
]  # fmt: skip

TYPE_CHECKING = False
"""As in ``typing``; checkers know it by its name."""

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
    from dataclasses import Field, dataclass, field, replace
    from datetime import UTC, datetime
    from enum import Flag, StrEnum
    from logging import Logger
    from re import Pattern
    from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar, overload

    Value = TypeVar("Value")
else:
    import _signal as signal  # the same functions, without an enumeration for each kind of number

    # The same classes, which `datetime` before Python 3.12 makes in Python first.
    from _datetime import datetime, timezone

    UTC = timezone.utc

_SILENT = ("debug", "info")
"""What nobody sees who has not set up ``logging``."""

_at_first_words: list[Callable[[], object]] = []


@contextmanager
def unswept() -> Iterator[None]:
    """Do something short within this that makes no garbage but what goes by itself: nobody looks for the other kind."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def loading() -> Iterator[None]:
    """Load modules within this: they stay, so nobody looks through them for garbage, neither now nor later."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.freeze()  # first: else all of it would be looked through as soon as that is turned on again
            gc.enable()


def logger(name: str) -> Logger:
    """``logging.getLogger``, but ``logging`` is not loaded before something is to be said."""
    return _Logger(name)  # type: ignore[return-value]


def at_first_words(act: Callable[[], object]) -> None:
    """Have ``logging`` set up by this once it is needed, and never if all goes well."""
    _at_first_words.append(act)


def dumps(value: object) -> str:
    """``json.dumps``: all of it that is done in C; the rest looks at texts with regular expressions."""
    import _json

    encode = _json.make_encoder(
        None, _unfit, _json.encode_basestring_ascii, None, ": ", ", ", False, False, True
    )
    return "".join(encode(value, 0))


def _unfit(value: object) -> NoReturn:
    raise TypeError(f"Object of type {value.__class__.__name__} is not JSON serializable")


def pattern(text: str, flags: int = 0) -> Pattern[str]:
    """``re.compile``, when it is first used."""
    return _Pattern(text, flags)  # type: ignore[return-value]


class _Logger:
    """Stands for a logger; each word goes to the real one."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, word: str) -> Any:  # noqa: ANN401 - debug, info, warning …
        if word in _SILENT and "logging" not in sys.modules:
            return _nothing
        import logging

        while _at_first_words:
            _at_first_words.pop()()
        return getattr(logging.getLogger(self._name), word)


def _nothing(*_: object, **__: object) -> None:
    """Say nothing."""


class _Pattern:
    """Stands for a regular expression, and has its methods once one of them was called."""

    def __init__(self, text: str, flags: int) -> None:
        self._said = text, flags

    def __getattr__(self, word: str) -> Any:  # noqa: ANN401 - match, search, sub …
        import re

        setattr(self, word, getattr(re.compile(*self._said), word))
        return self.__dict__[word]


_MISSING: Any = object()


class _Field:
    """What a dataclass knows of one field."""

    __slots__ = ("compare", "default", "default_factory")

    def __init__(
        self, default: object = _MISSING, default_factory: object = _MISSING, *, compare: bool = True
    ) -> None:
        self.default, self.compare = default, compare
        self.default_factory: Any = default_factory

    def said(self) -> dict[str, Any]:
        """What it was made with."""
        said = {word: getattr(self, word) for word in self.__slots__}
        return {word: what for word, what in said.items() if what is not _MISSING}


def _replace(value: Value, /, **changes: object) -> Value:
    """``dataclasses.replace``."""
    names: tuple[str, ...] = value.__match_args__  # type: ignore[attr-defined]
    return value.__class__(**{name: getattr(value, name) for name in names} | changes)


def _dataclass(*, slots: bool, frozen: bool = False, eq: bool = True) -> Callable[[type[Value]], type[Value]]:
    """``dataclasses.dataclass``, as far as we use it: always with slots, and nothing is inherited."""
    if not slots:
        raise TypeError("A dataclass of ours has slots.")
    return lambda kind: _made(kind, frozen=frozen, eq=eq)


def _made(kind: type[Value], *, frozen: bool, eq: bool) -> type[Value]:
    """The class once more, with slots and methods; what it has of these itself, it keeps."""
    fields = {name: _said(kind.__dict__.get(name, _MISSING)) for name in kind.__annotations__}
    body = {"__repr__": _shown, "__init__": _Constructor(fields, frozen=frozen)}
    if eq:
        body |= _comparison([name for name, field in fields.items() if field.compare], hashed=frozen)
    if frozen:
        body |= {"__setattr__": _refuse, "__delattr__": _refuse}
    body |= {name: what for name, what in kind.__dict__.items() if name not in (*fields, *_OF_CLASSES)}
    body |= {
        "__slots__": tuple(fields),
        "__match_args__": tuple(fields),
        "__dataclass_fields__": _Fields(fields),
    }
    again: Any = type(kind.__name__, kind.__bases__, body)
    again.__qualname__ = kind.__qualname__
    return again  # type: ignore[no-any-return]


_OF_CLASSES = ("__dict__", "__weakref__")
"""What each class without slots gets for itself."""


def _said(default: object) -> _Field:
    return default if isinstance(default, _Field) else _Field(default)


_FEW = 16
"""Instances that are made field by field: to compile ``__init__`` takes as long as some 40 of them."""


class _Constructor:
    """``__init__``, compiled only for a class of which there are many: in one run most have one instance, or none."""

    def __init__(self, fields: dict[str, _Field], *, frozen: bool) -> None:
        self._fields = fields
        self._frozen = frozen
        self._left = _FEW

    def __get__(self, instance: object, kind: Any) -> Any:  # noqa: ANN401 - a method of any class
        self._left -= 1
        if instance is not None and self._left >= 0:
            return lambda *values, **named: self._fill(instance, values, named)
        kind.__init__ = made = self._compiled(kind)
        return made if instance is None else made.__get__(instance)

    def _fill(self, instance: object, values: tuple[object, ...], named: dict[str, object]) -> None:
        """Set one field after the other; what does not fit, the compiled one refuses as Python does."""
        given = dict(zip(self._fields, values))  # noqa: B905 - too many values are refused below
        fits = len(given) == len(values) and not given.keys() & named and named.keys() <= self._fields.keys()
        given |= named
        for name, field in self._fields.items():
            if name in given:
                object.__setattr__(instance, name, given[name])
            elif field.default is not _MISSING:
                object.__setattr__(instance, name, field.default)
            elif field.default_factory is not _MISSING:
                object.__setattr__(instance, name, field.default_factory())
            else:
                fits = False
        if not fits:
            self._compiled(instance.__class__)(instance, *values, **named)

    def _compiled(self, kind: type) -> Any:  # noqa: ANN401 - its arguments are those of the class
        known: dict[str, Any] = {"_missing": _MISSING}
        head, lines = ["self"], []
        for name, field in self._fields.items():
            if field.default is not _MISSING:
                known[f"_default_{name}"] = field.default
                head.append(f"{name}=_default_{name}")
            elif field.default_factory is not _MISSING:
                known[f"_default_factory_{name}"] = field.default_factory
                head.append(f"{name}=_missing")
                lines.append(f"if {name} is _missing: {name} = _default_factory_{name}()")
            else:
                head.append(name)
            if self._frozen:
                known[f"_set_{name}"] = kind.__dict__[name].__set__
                lines.append(f"_set_{name}(self, {name})")
            else:
                lines.append(f"self.{name} = {name}")
        exec(f"def __init__({', '.join(head)}):\n " + "\n ".join(lines), known)  # noqa: S102 - as dataclasses does
        known["__init__"].__qualname__ = f"{kind.__qualname__}.__init__"
        return known["__init__"]


class _Fields:
    """``__dataclass_fields__``, made when somebody asks who has loaded the real ``dataclasses``."""

    def __init__(self, fields: dict[str, _Field]) -> None:
        self._fields = fields

    def __get__(self, _: object, kind: Any) -> dict[str, Field[Any]]:  # noqa: ANN401 - any class
        import dataclasses

        fields = [
            (name, kind.__annotations__[name], dataclasses.field(**field.said()))
            for name, field in self._fields.items()
        ]
        made: Any = dataclasses.make_dataclass(kind.__name__, fields)
        kind.__dataclass_fields__ = made.__dataclass_fields__
        return kind.__dataclass_fields__  # type: ignore[no-any-return]


def _comparison(names: list[str], *, hashed: bool) -> dict[str, Any]:
    """``__eq__`` and ``__hash__`` by these fields."""
    values = attrgetter(*names)

    def same(self: object, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return {"__eq__": same, "__hash__": (lambda self: hash(values(self))) if hashed else None}


def _shown(self: Any) -> str:  # noqa: ANN401 - of any class
    fields = (f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{self.__class__.__qualname__}({', '.join(fields)})"


def _refuse(_: object, name: str, *value: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot {'assign to' if value else 'delete'} field {name!r}")


class _Tuples(type):
    """Makes a tuple with names of each class that says it is one."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:  # noqa: ANN401 - no instance of this
        if not bases:
            return super().__new__(cls, name, bases, body)
        names = [*body["__annotations__"]]
        defaults = [body.pop(name) for name in names if name in body]
        made = namedtuple(name, names, defaults=defaults, module=body["__module__"])  # type: ignore[misc] # noqa: PYI024
        for word, what in body.items():
            setattr(made, word, what)
        return made


class _NamedTuple(metaclass=_Tuples):
    """``typing.NamedTuple``."""


class _Members(type):
    """Makes a class that has no other instances than those that stand in it by name."""

    _kept: dict[object, Any]

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> None:
        super().__init__(name, bases, body)
        cls._kept = {}
        for word, value in body.items():
            if isinstance(value, str) and not word.startswith("_"):
                cls._kept[value] = made = super().__call__(value)
                made.name, made.value = word, value
                setattr(cls, word, made)

    def __call__(cls, value: object) -> Any:  # noqa: ANN401 - an instance
        try:
            return cls._kept[value]
        except (KeyError, TypeError):
            raise ValueError(f"{value!r} is not a valid {cls.__qualname__}") from None

    def __iter__(cls) -> Iterator[Any]:
        return iter(cls._kept.values())

    def __len__(cls) -> int:
        return len(cls._kept)


class _StrEnum(str, metaclass=_Members):  # noqa: SLOT000 - each has a name
    """``enum.StrEnum``, as far as we use it."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__}.{self.name}: {self.value!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return self.__class__, (self.value,)


class _Flag(int):
    """``enum.Flag``, as far as we use it: joined by ``|``, asked with ``in``."""

    def __init_subclass__(cls) -> None:
        for word, value in [*cls.__dict__.items()]:
            if isinstance(value, int):
                setattr(cls, word, cls(value))

    def __or__(self, other: int) -> Any:  # noqa: ANN401 - of the same class
        return self.__class__(super().__or__(other))

    def __contains__(self, other: int) -> bool:
        return self & other == other


def _overload(function: Value) -> Value:
    """``typing.overload``: only checkers look at it."""
    return function


if not TYPE_CHECKING:
    dataclass, field, replace = _dataclass, _Field, _replace
    Flag, NamedTuple, Protocol, StrEnum, overload = _Flag, _NamedTuple, object, _StrEnum, _overload
