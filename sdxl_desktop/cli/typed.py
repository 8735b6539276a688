"""What is typed as an option, read as the window's fields read it: "3,5" is 3.5, "~" is the home folder."""

from __future__ import annotations

import click

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.numbers import read_real, read_whole
from sdxl_desktop.core.paths import expanded


class Real(click.ParamType[float]):
    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return read_real(str(value))
        except RequestError as problem:
            self.fail(str(problem), param, ctx)


class Whole(click.ParamType[int]):
    name = "whole number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return read_whole(str(value))
        except RequestError as problem:
            self.fail(str(problem), param, ctx)


class Expanded(click.ParamType[object]):
    """A path in which "~" and variables stand for what they mean, where no shell has seen to it (`--output=~/x`)."""

    def __init__(self, plain: click.Path) -> None:
        self._plain = plain
        self.name = plain.name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        return self._plain.convert(expanded(str(value)), param, ctx)


def read_as_typed(command: click.Command) -> None:
    """Let every number and path that `command` and its subcommands take be read that way."""
    for parameter in command.params:
        if parameter.type is click.FLOAT:
            parameter.type = Real()
        elif parameter.type is click.INT:
            parameter.type = Whole()
        elif isinstance(parameter.type, click.Path):
            parameter.type = Expanded(parameter.type)
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            read_as_typed(inner)
