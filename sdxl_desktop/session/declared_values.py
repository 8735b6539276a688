"""The declared values of a request by name, and how each is read from text: for options, files of rows and grids."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sdxl_desktop.core.edit import EditParameters, FitMode, PrefillMode
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.noise_schedule import PredictionType, TimestepSpacing
from sdxl_desktop.core.number_parsing import parse_float, parse_int
from sdxl_desktop.core.refine import RefinerMode, RefinerParameters
from sdxl_desktop.core.request import Execution, MicroConditioning, OutputOptions, Prompts, Sampling
from sdxl_desktop.core.sampling import parse_timesteps
from sdxl_desktop.core.scalars import Option, nested, scalars
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.seeds import parse_seed, random_seed
from sdxl_desktop.core.speed import SpeedPreset

PARTS = (Prompts, Sampling, Execution, EditParameters, RefinerParameters, MicroConditioning, OutputOptions)
"""The parts of a request that declare values, in the order of the command line's help."""

Given = Mapping[type, Mapping[str, Any]]
"""The given values, by declaring class and field."""

_SWITCH_WORDS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def parse_prefill(text: str) -> PrefillMode:
    """Parse a prefill mode; the RequestError lists the valid ones."""
    try:
        return PrefillMode(text.lower())
    except ValueError:
        raise RequestError(
            f"A mask cannot start from {text!r}.", next_step="Choose one of: " + ", ".join(PrefillMode) + "."
        ) from None


def parse_fit(text: str) -> FitMode:
    """Parse a fit mode; the RequestError lists the valid ones."""
    try:
        return FitMode(text.lower())
    except ValueError:
        raise RequestError(
            f"A picture cannot be fitted by {text!r}.", next_step="Choose crop, pad or stretch."
        ) from None


def parse_refiner_mode(text: str) -> RefinerMode:
    """Parse a refiner mode; the RequestError lists the valid ones."""
    try:
        return RefinerMode(text.lower())
    except ValueError:
        raise RequestError(f"A refiner cannot work by {text!r}.", next_step="Choose ensemble or img2img.") from None


_PARSERS: dict[Any, Callable[[str], Any]] = {
    Size: Size.parse,
    Point: Point.parse,
    SchedulerName: SchedulerName.parse,
    SpeedPreset: SpeedPreset.parse,
    PredictionType: PredictionType.parse,
    TimestepSpacing: TimestepSpacing.parse,
    FitMode: parse_fit,
    PrefillMode: parse_prefill,
    RefinerMode: parse_refiner_mode,
    tuple[int, ...]: parse_timesteps,
}
"""Parsers of text by type; all raise RequestError."""


@dataclass(frozen=True, slots=True)
class DeclaredValue:
    """The field `field`, of type `kind`, of the class `part`, set by `option`."""

    part: type
    field: str
    kind: Any
    option: Option

    @property
    def name(self) -> str:
        """The name in files and grids: the option's, without dashes."""
        return self.option.name

    def parse(self, value: object) -> Any:
        """Return the value for the field from text, or from a JSON value of the right type.

        Raises RequestError, for numbers with the value's name.
        """
        match self.option.typed, value:
            case "text", str():
                return value
            case "switch", bool():
                return value
            case ("whole", int()) | ("real", int() | float()) if not isinstance(value, bool):
                return value
            case ("whole" | "real") as kind, str():
                return self._number(value, parse_int if kind == "whole" else parse_float)
            case "switch", str() if value.strip().lower() in _SWITCH_WORDS:
                return _SWITCH_WORDS[value.strip().lower()]
            case "seed", str() | int() if not isinstance(value, bool):
                seed = parse_seed(str(value))
                return random_seed() if seed is None else seed
            case "parsed", str() | int() if not isinstance(value, bool):
                return _PARSERS[self.kind](str(value))
        expected = {"text": "text", "whole": "a whole number", "real": "a number", "switch": "true or false"}
        raise RequestError(
            f"{self.option.name} cannot be {str(value)[:60]!r}.",
            next_step=f"Give {expected.get(self.option.typed, self.option.metavar or 'text')}.",
        )

    def _number(self, text: str, parse: Callable[[str], float]) -> float:
        try:
            return parse(text)
        except RequestError as problem:
            raise RequestError(f"{self.name}: {problem.what}", next_step=problem.next_step) from problem


@cache
def declared_values() -> tuple[DeclaredValue, ...]:
    """Return all declared values that have an option, in the order of the help."""
    return tuple(value for part in PARTS for value in declared_by(part))


def declared_by(part: Any) -> Iterator[DeclaredValue]:
    """Yield the values of the dataclass `part` and of its nested parts."""
    inside, kinds = nested(part), typing.get_type_hints(part)
    for name in part.__dataclass_fields__:
        declared = scalars(part).get(name)
        if declared is not None and declared.option is not None:
            yield DeclaredValue(part, name, _required(kinds[name]), declared.option)
        elif name in inside:
            yield from declared_by(inside[name])


def _required(kind: Any) -> Any:
    """Return `kind` without None."""
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return kind
    others = [one for one in typing.get_args(kind) if one is not type(None)]
    return others[0] if len(others) == 1 else kind


def parse_values(values: Mapping[str, Any]) -> dict[type, dict[str, Any]]:
    """Return the parsed `values`, given by name, and the options' defaults. Raises RequestError for values that cannot
    be parsed."""
    given: dict[type, dict[str, Any]] = {}
    for one in declared_values():
        value = values.get(one.name, one.option.default)
        if value is not None:
            given.setdefault(one.part, {})[one.field] = one.parse(value)
    return given
