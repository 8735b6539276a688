"""Decodes JSON field by field: a value that cannot be used is replaced by its default alone, and reported.

Supports the types in the application's own files: dataclasses and msgspec structs with defaults, lists and tuples of
one type, dictionaries, and optional values. Values of all other types are taken whole or not at all.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.path_text import path_to_text, text_to_path
from sdxl_desktop.core.untrusted_text import display_text

T = TypeVar("T")
JsonPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RejectedValue:
    """A value that could not be used: its path `where`, such as ("preferences", "theme"), the value `found`, the value
    `used` in its place (None: it was left out), and the reason `why`, which may be empty."""

    path: JsonPath
    value: Any
    replacement: Any
    why: str = ""


def decode_leniently(kind: type[T], raw: Any, default: T) -> tuple[T, tuple[RejectedValue, ...]]:
    """Return (a value of `kind` with all usable values of `raw` and `default` for the rest, the rejected values).

    `raw` is decoded JSON. Never raises: any failure on a value rejects that value.
    """
    problems: list[RejectedValue] = []
    return _decode_value(kind, raw, default, (), problems), tuple(problems)


def to_builtins(value: Any) -> Any:
    """Return `value` as dictionaries, lists, text and numbers, which `decode_leniently` reads back."""
    return msgspec.to_builtins(value, enc_hook=_encode, str_keys=True)


def _decode_value(kind: Any, raw: Any, default: Any, path: JsonPath, problems: list[RejectedValue]) -> Any:
    try:
        return _converted(raw, kind)
    except Exception as problem:
        why = _why(problem)
    inner = _inner_of_optional(kind)
    if inner is not None and raw is not None:
        kind, default_of_none = inner, default
        default = _default_instance(kind) if default is None else default
        if default is None:
            return _reject(raw, default_of_none, path, problems, why)
    fields = _fields(kind)
    if fields is not None and isinstance(raw, Mapping) and default is not None:
        return _decode_fields(fields, raw, default, path, problems)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict and isinstance(raw, Mapping):
        return dict(_decode_items(raw.items(), arguments[1], path, problems))
    if origin in (list, tuple) and isinstance(raw, Sequence) and not isinstance(raw, str) and len(set(arguments)) <= 2:
        if origin is tuple and arguments[-1] is not Ellipsis:
            return _reject(raw, default, path, problems, why)
        found = _decode_items(((str(number), one) for number, one in enumerate(raw)), arguments[0], path, problems)
        return origin(one for _, one in found)
    return _reject(raw, default, path, problems, why)


def _decode_fields(
    fields: Mapping[str, Any], raw: Mapping[str, Any], default: Any, path: JsonPath, problems: list[RejectedValue]
) -> Any:
    """Return `default` with every usable field of `raw`. Fields that are valid alone but not together, or that violate
    a rule of the whole, are applied to the default one after another."""
    waiting: dict[str, Any] = {}
    for name in (name for name in fields if name in raw):
        value = _decode_value(fields[name], raw[name], getattr(default, name), (*path, name), problems)
        if value is not getattr(default, name):
            waiting[name] = value
    made = default
    why: dict[str, str] = {}
    for together in (waiting, *({name: value} for _ in waiting for name, value in list(waiting.items()))):
        if not together.keys() <= waiting.keys() or not together:
            continue
        try:
            made = _replaced(made, together)
        except Exception as problem:
            why = {**why, **dict.fromkeys(together, _why(problem))}
        else:
            waiting = {name: value for name, value in waiting.items() if name not in together}
    for name in waiting:
        _reject(raw[name], getattr(made, name), (*path, name), problems, why[name])
    return made


def _decode_items(
    items: typing.Iterable[tuple[str, Any]], kind: Any, path: JsonPath, problems: list[RejectedValue]
) -> list[tuple[str, Any]]:
    """Return the usable items."""
    good: list[tuple[str, Any]] = []
    for name, raw in items:
        try:
            good.append((name, _converted(raw, kind)))
        except Exception as problem:
            _reject(raw, None, (*path, name), problems, _why(problem))
    return good


def _reject(raw: Any, used: Any, path: JsonPath, problems: list[RejectedValue], why: str) -> Any:
    problems.append(RejectedValue(path, raw, used, why))
    return used


def _converted(raw: Any, kind: Any) -> Any:
    return msgspec.convert(raw, type=kind, dec_hook=_decode)


def _replaced(value: Any, changes: Mapping[str, Any]) -> Any:
    """Return a changed copy, validated again."""
    if isinstance(value, msgspec.Struct):
        return type(value)(**{**{name: getattr(value, name) for name in value.__struct_fields__}, **changes})
    return dataclasses.replace(value, **changes)


def _fields(kind: Any) -> dict[str, Any] | None:
    """Return the type of each field; None for a type without fields."""
    if isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct)):
        hints = typing.get_type_hints(kind)
        names = [one.name for one in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else None
        return {name: hints[name] for name in names or cast(Any, kind).__struct_fields__}
    return None


def _inner_of_optional(kind: Any) -> Any:
    """Return the inner type of an optional type, else None."""
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return None
    others = [one for one in typing.get_args(kind) if one is not type(None)]
    return others[0] if len(others) == 1 else None


def _default_instance(kind: Any) -> Any:
    """Return an instance with defaults only, if all fields have defaults."""
    try:
        return kind() if _fields(kind) is not None else None
    except TypeError:
        return None


def _why(problem: Exception) -> str:
    if isinstance(problem, SdxlDesktopError):
        return str(problem)
    return display_text(problem, 200).split(" - at `")[0]


def _encode(value: object) -> object:
    if isinstance(value, Path):
        return path_to_text(value)
    raise TypeError(f"{type(value)} has no place in such a file")


def _decode(kind: type, value: object) -> object:
    if issubclass(kind, Path) and isinstance(value, str):
        return text_to_path(value)
    raise TypeError(f"{kind} has no place in such a file")
