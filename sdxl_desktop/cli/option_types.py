"""Option types that parse like the window's fields: "3,5" is 3.5, "~" is the home folder."""

from __future__ import annotations

import click

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.number_parsing import parse_float, parse_int
from sdxl_desktop.core.paths import expand_path


class DecimalParam(click.ParamType[float]):
    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_float(str(value))
        except RequestError as problem:
            self.fail(str(problem), param, ctx)


class IntegerParam(click.ParamType[int]):
    name = "whole number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_int(str(value))
        except RequestError as problem:
            self.fail(str(problem), param, ctx)


class ExpandedPathParam(click.ParamType[object]):
    """A path with "~" and variables expanded, where the shell did not expand them (`--output=~/x`)."""

    def __init__(self, plain: click.Path) -> None:
        self._plain = plain
        self.name = plain.name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        return self._plain.convert(expand_path(str(value)), param, ctx)


def use_option_types(command: click.Command) -> None:
    """Parse every number and path of `command` and its subcommands with these types."""
    for parameter in command.params:
        if parameter.type is click.FLOAT:
            parameter.type = DecimalParam()
        elif parameter.type is click.INT:
            parameter.type = IntegerParam()
        elif isinstance(parameter.type, click.Path):
            parameter.type = ExpandedPathParam(parameter.type)
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            use_option_types(inner)
