"""The options of `generate` that set request values, generated from the declarations of these values."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, cast

import typer

from sdxl_desktop.cli.input_files import parse_fit, parse_prefill, parse_refine_way
from sdxl_desktop.cli.terminal_encoding import decode_argument
from sdxl_desktop.core.edit import EditParameters, FitMode, PrefillMode
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.noise_schedule import PredictionType, TimestepSpacing
from sdxl_desktop.core.refine import RefinerMode, RefinerParameters
from sdxl_desktop.core.request import Execution, MicroConditioning, OutputOptions, Prompts, Sampling
from sdxl_desktop.core.sampling import parse_timesteps
from sdxl_desktop.core.scalars import GROUPS, Option, nested, scalars
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.seeds import parse_seed, random_seed
from sdxl_desktop.core.speed import SpeedPreset

PARTS = (Prompts, Sampling, Execution, EditParameters, RefinerParameters, MicroConditioning, OutputOptions)
"""The parts of a request that declare command line values, in the order of the help."""

Given = Mapping[type, Mapping[str, Any]]
"""The given values, by declaring class and field."""

_TYPES = {"text": str, "seed": str, "parsed": str, "whole": int, "real": float, "switch": bool}
_READERS: dict[Any, Callable[[str], Any]] = {
    Size: Size.parse,
    Point: Point.parse,
    SchedulerName: SchedulerName.parse,
    SpeedPreset: SpeedPreset.parse,
    PredictionType: PredictionType.parse,
    TimestepSpacing: TimestepSpacing.parse,
    FitMode: parse_fit,
    PrefillMode: parse_prefill,
    RefinerMode: parse_refine_way,
    tuple[int, ...]: parse_timesteps,
}
"""Parsers of text by type; all raise RequestError."""


@dataclass(frozen=True, slots=True)
class DeclaredOption:
    """An option that sets the field `field`, of type `kind`, of the class `part`."""

    part: type
    field: str
    kind: Any
    option: Option

    def parse(self, text: Any) -> Any:
        """Return the parsed value; raises RequestError."""
        match self.option.typed:
            case "text":
                return decode_argument(text)
            case "seed":
                seed = parse_seed(text)
                return random_seed() if seed is None else seed
            case "parsed":
                return _READERS[self.kind](text)
        return text


@cache
def declared_options() -> tuple[DeclaredOption, ...]:
    """Return all declared options, in the order of the help."""
    return tuple(option for part in PARTS for option in declared_by(part))


def declared_by(part: Any) -> Iterator[DeclaredOption]:
    """Yield the options of the dataclass `part` and of its nested parts."""
    inside, kinds = nested(part), typing.get_type_hints(part)
    for name in part.__dataclass_fields__:
        declared = scalars(part).get(name)
        if declared is not None and declared.option is not None:
            yield DeclaredOption(part, name, _required(kinds[name]), declared.option)
        elif name in inside:
            yield from declared_by(inside[name])


def _required(kind: Any) -> Any:
    """Return `kind` without None."""
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return kind
    others = [one for one in typing.get_args(kind) if one is not type(None)]
    return others[0] if len(others) == 1 else kind


def parse_given(values: Mapping[str, Any]) -> dict[type, dict[str, Any]]:
    """Return the parsed `values`, given by option name as typed, and the options' defaults. Raises RequestError for
    values that cannot be parsed."""
    given: dict[type, dict[str, Any]] = {}
    for one in declared_options():
        value = values.get(one.option.name, one.option.default)
        if value is not None:
            given.setdefault(one.part, {})[one.field] = one.parse(value)
    return given


def first_flag(values: Mapping[str, Any], part: type) -> str | None:
    """Return the first flag in `values` that sets a value of `part`; None if none does. Options with a default are
    ignored."""
    for one in declared_options():
        value = values.get(one.option.name)
        if one.part is part and one.option.default is None and value is not None:
            return one.option.flag(value)
    return None


def with_declared_options(function: Callable[..., int], before: Mapping[str, tuple[str, ...]]) -> Callable[..., int]:
    """Return `function` with the declared options in place of its `**values`, for typer, in the order of the help.

    `before` maps a declared option's name to parameters of the function that precede it. Other parameters come first if
    they have no default, and last if they have one.
    """
    own = dict(inspect.signature(function, eval_str=True).parameters)
    own.pop("values")
    placed = {name for names in before.values() for name in names}
    rest = [one for name, one in own.items() if name not in placed]
    ordered = [one for one in rest if one.default is inspect.Parameter.empty]
    for declared in declared_options():
        ordered += [own[name] for name in before.get(declared.option.name, ())]
        ordered.append(_parameter(declared.option))
    ordered += [one for one in rest if one.default is not inspect.Parameter.empty]
    ordered.sort(key=_group)
    function.__signature__ = inspect.Signature(ordered, return_annotation=int)  # type: ignore[attr-defined]
    return function


def _parameter(option: Option) -> inspect.Parameter:
    kind, annotated = cast(Any, _TYPES[option.typed]), cast(Any, Annotated)
    info = typer.Option(option.flags, metavar=option.metavar, help=option.help, rich_help_panel=option.group or None)
    return inspect.Parameter(
        option.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=option.default,
        annotation=annotated[kind if option.default is not None else kind | None, info],
    )


def _group(parameter: inspect.Parameter) -> int:
    info = next(iter(getattr(parameter.annotation, "__metadata__", ())), None)
    group = getattr(info, "rich_help_panel", None)
    return GROUPS.index(group if isinstance(group, str) else "")
