"""Declarations of a request's values, one per field. The range check, the panel row, the command-line option and the
report all derive from the declaration; records and settings store the field itself."""

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
"""How an option is parsed: plain text, a number, a pair of flags, a seed or "random", or by the field's type."""

MICRO = "Micro-conditioning"
COMPUTER = "This computer"
EDIT = "Changing a picture"
REFINER = "Refiner"
ADDITIONS = "Additions"
ADVANCED = "Advanced"
GRID = "Grid"
GROUPS = ("", MICRO, COMPUTER, EDIT, REFINER, ADDITIONS, ADVANCED, GRID)
"""Option groups, in the order of the help."""

_KEY = "scalar"


@dataclass(frozen=True, slots=True)
class Option:
    """The command-line option of a value. `flags` as typer takes them, such as "--soft-mask/--hard-mask"; a `default`
    other than None always applies and is shown in the help."""

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
        """Return the flag that sets `value`."""
        return self.flags.split("/")[-1 if value is False else 0]


@dataclass(frozen=True, slots=True)
class NumberRow:
    """How a panel shows a number: the row's label with its mnemonic, its accessible name, its tooltip, the step (with 0
    `decimals`: an integer) and the slider's upper end. `low` and `high` replace a limit that is outside the range."""

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
    """One declared value. `what` is its name in errors, `limits` its inclusive range (None: its type or class checks
    it), `key` its name in reports ("": the field's name)."""

    what: str = ""
    limits: tuple[float, float] | None = None
    row: NumberRow | None = None
    option: Option | None = None
    key: str = ""

    @property
    def range(self) -> tuple[float, float]:
        """The range that a panel offers; raises ValueError if neither limits nor row define it."""
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
    """Return a dataclass field with its declaration; see `Scalar`."""
    return field(default=default, metadata={_KEY: Scalar(what, limits, row, option, key)})


def same(kind: type, name: str, default: T) -> T:
    """Return a field declared like `name` of the dataclass `kind`, with its own default."""
    return field(default=default, metadata={_KEY: scalars(kind)[name]})


@cache
def scalars(kind: type) -> Mapping[str, Scalar]:
    """Return the declarations of the dataclass `kind` by field name, in order."""
    declared = ((one.name, one.metadata.get(_KEY)) for one in fields(cast(Any, kind)))
    return MappingProxyType({name: found for name, found in declared if found is not None})


def check_limits(part: Any) -> None:
    """Raise RequestError for the first value of the dataclass `part` outside its limits; None has no limits."""
    kind: Any = type(part)
    for name, declared in scalars(kind).items():
        value = getattr(part, name)
        if declared.limits is not None and value is not None:
            check_range(declared.what, value, *declared.limits)


def nested(kind: type) -> Mapping[str, type]:
    """Return the dataclasses with declarations that are defaults of fields of `kind`, by field name."""
    defaults = {one.name: type(one.default) for one in fields(cast(Any, kind))}
    return {name: inner for name, inner in defaults.items() if is_dataclass(inner) and scalars(inner)}


def report_values(part: Any) -> dict[str, Any]:
    """Return every declared value of the dataclass `part` and its nested dataclasses by report name, as JSON values:
    sizes as "WxH", points as "X,Y"."""
    kind: Any = type(part)
    inside = nested(kind)
    values: dict[str, Any] = {}
    for one in fields(kind):
        value, declared = getattr(part, one.name), scalars(kind).get(one.name)
        if declared is not None:
            values[declared.key or one.name] = _plain(value)
        elif one.name in inside:
            values |= report_values(value)
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
