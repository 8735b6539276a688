"""Numbers on the command line, read as the window's fields read them: "3,5" is 3.5, and what is none is refused."""

from __future__ import annotations

import click

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.numbers import read_real, read_whole


class Real(click.ParamType):
    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return read_real(str(value))
        except RequestError as problem:
            self.fail(str(problem), param, ctx)


class Whole(click.ParamType):
    name = "whole number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return read_whole(str(value))
        except RequestError as problem:
            self.fail(str(problem), param, ctx)


def read_in_any_locale(command: click.Command) -> None:
    """Let every number that `command` and its subcommands take be read that way."""
    for parameter in command.params:
        if parameter.type is click.FLOAT:
            parameter.type = Real()
        elif parameter.type is click.INT:
            parameter.type = Whole()
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            read_in_any_locale(inner)
