"""How a value of a request is declared: once, beside its field. The check of its limits, the panel's row, the command
line's option and the report all derive from that declaration; records and settings hold the field itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, TypeVar, cast

from sdxl_desktop.core.range_check import check_range

T = TypeVar("T")
Typed = Literal["text", "whole", "real", "switch", "seed", "parsed"]
"""How an option is typed: as text that is kept, a number, one of two flags, a seed or "random", or as text that the
field's type reads."""

MICRO = "Micro-conditioning"
COMPUTER = "This computer"
EDIT = "Changing a picture"
REFINER = "Refiner"
ADDITIONS = "Additions"
ADVANCED = "Advanced"
GROUPS = ("", MICRO, COMPUTER, EDIT, REFINER, ADDITIONS, ADVANCED)
"""Of options, in the order of the help."""

_KEY = "scalar"


@dataclass(frozen=True, slots=True)
class Option:
    """How the command line asks for a value. `flags` as typer takes them, such as "--soft-mask/--hard-mask"; a
    `default` other than None always counts and is shown in the help."""

    flags: str
    metavar: str | None
    help: str
    typed: Typed = "parsed"
    group: str = ""
    default: Any = None

    @property
    def name(self) -> str:
        """The name of the function's parameter."""
        return self.flags.split("/")[0].removeprefix("--").replace("-", "_")

    def flag(self, value: object) -> str:
        """The flag that gives `value`."""
        return self.flags.split("/")[-1 if value is False else 0]


@dataclass(frozen=True, slots=True)
class NumberRow:
    """How a panel shows a number: the row's label with its mnemonic, what screen readers call it, its tooltip, how far
    one step goes (with 0 `decimals`: a whole number) and where the slider ends. `low` stands in for a limit that is not
    part of the range."""

    label: str
    name: str
    help: str
    slider_high: float
    step: float = 1
    decimals: int = 0
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Scalar:
    """One declared value. `what` is its name in errors, `limits` between what it must lie, both included (None: its
    type or its class checks it), `key` its name in reports ("": that of the field)."""

    what: str = ""
    limits: tuple[float, float] | None = None
    row: NumberRow | None = None
    option: Option | None = None
    key: str = ""

    @property
    def range(self) -> tuple[float, float]:
        """What a panel offers; raises ValueError where neither limits nor row say."""
        low, high = self.limits or (None, None)
        if self.row is not None:
            low = low if self.row.low is None else self.row.low
            high = high if self.row.high is None else self.row.high
        if low is None or high is None:
            raise ValueError(f"{self.what or self.key} has no range")
        return low, high


def scalar(
    default: T,
    what: str = "",
    limits: tuple[float, float] | None = None,
    *,
    row: NumberRow | None = None,
    option: Option | None = None,
    key: str = "",
) -> T:
    """A dataclass field with its declaration; see `Scalar`."""
    return field(default=default, metadata={_KEY: Scalar(what, limits, row, option, key)})


def same(kind: type, name: str, default: T) -> T:
    """A field that is declared as `name` of the dataclass `kind` is, with a default of its own."""
    return field(default=default, metadata={_KEY: scalars(kind)[name]})


@cache
def scalars(kind: type) -> Mapping[str, Scalar]:
    """The declarations of the dataclass `kind` by their fields' names, in their order."""
    declared = ((one.name, one.metadata.get(_KEY)) for one in fields(cast(Any, kind)))
    return MappingProxyType({name: found for name, found in declared if found is not None})


def check_limits(part: Any) -> None:
    """Raise RequestError for the first value of the dataclass `part` outside its limits; None has none."""
    kind: Any = type(part)
    for name, declared in scalars(kind).items():
        value = getattr(part, name)
        if declared.limits is not None and value is not None:
            check_range(declared.what, value, *declared.limits)


def nested(kind: type) -> Mapping[str, type]:
    """The dataclasses with declarations that are the defaults of fields of `kind`, by these fields' names."""
    defaults = {one.name: type(one.default) for one in fields(cast(Any, kind))}
    return {name: inner for name, inner in defaults.items() if is_dataclass(inner) and scalars(inner)}


def reported(part: Any) -> dict[str, Any]:
    """Every declared value of the dataclass `part`, and of those in it, by its name in reports: as JSON has them, sizes
    as "WxH" and points as "X,Y"."""
    kind: Any = type(part)
    inside = nested(kind)
    values: dict[str, Any] = {}
    for one in fields(kind):
        value, declared = getattr(part, one.name), scalars(kind).get(one.name)
        if declared is not None:
            values[declared.key or one.name] = _plain(value)
        elif one.name in inside:
            values |= reported(value)
    return values


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case tuple():
            return list(value)
        case None | bool() | int() | float() | str():
            return value
    return str(value)
