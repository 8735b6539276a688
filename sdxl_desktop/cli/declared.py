"""The options of `generate` that set request values, generated from the declarations of these values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, cast

import typer

from sdxl_desktop.cli.terminal_encoding import decode_argument
from sdxl_desktop.core.scalars import GROUPS, Option
from sdxl_desktop.session.declared_values import declared_values, parse_values

_TYPES = {"text": str, "seed": str, "parsed": str, "whole": int, "real": float, "switch": bool}


def parse_given(values: Mapping[str, Any]) -> dict[type, dict[str, Any]]:
    """Return the parsed `values`, given by option name as typed, and the options' defaults. Raises RequestError for
    values that cannot be parsed."""
    return parse_values({name: decode_argument(one) if isinstance(one, str) else one for name, one in values.items()})


def first_flag(values: Mapping[str, Any], part: type) -> str | None:
    """Return the first flag in `values` that sets a value of `part`; None if none does. Options with a default are
    ignored."""
    for one in declared_values():
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
    for declared in declared_values():
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
