"""Damages files of weights in the ways that chance and malice find; equal numbers give equal damage."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import Any

Chance = random.Random

_VALUES: tuple[Any, ...] = (
    None, True, 5, -1, 0, 2**31, 2**63, 2**64, 10**30, 1.5, float("nan"), float("inf"), "", "F32", "F16", "BF16",
    "F8_E4M3", "I64", "BOOL", "\x00", "ü" * 40, "x" * 5000, [], {}, [0], [2**40], [0, 2**40], [-1], [1] * 9, [[1]],
    [0, 0], [4, 0], [0, 2**63], {"dtype": "F32"}, {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
)  # fmt: skip


def mutated(content: bytes, number: int) -> bytes:
    """`content`, a .safetensors file, with the damage of that number: of its bytes, of its length, of its header."""
    chance = Chance(number)
    for _ in range(chance.choice((1, 1, 2, 4))):
        content = chance.choice(_KINDS)(content, chance)
    return content


def scrambled(content: bytes, number: int) -> bytes:
    """`content`, of any kind, with some of its bytes changed, lost, doubled or cut off."""
    chance = Chance(number)
    for _ in range(chance.choice((1, 2, 4, 16))):
        content = chance.choice((_flip, _cut, _lose, _double))(content, chance)
    return content


def packed(header: Any, body: bytes = b"") -> bytes:
    """A .safetensors file of `header`: its JSON as bytes, or what is to be written as JSON."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(head)) + head + body


def _flip(content: bytes, chance: Chance) -> bytes:
    at = chance.randrange(len(content)) if content else 0
    return content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]


def _cut(content: bytes, chance: Chance) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _lose(content: bytes, chance: Chance) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + content[at + chance.randrange(1, 20) :]


def _double(content: bytes, chance: Chance) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + content[at : at + chance.randrange(1, 200)] + content[at:]


def _length(content: bytes, chance: Chance) -> bytes:
    length = chance.choice((0, 1, 7, len(content), len(content) - 8, 2**24, 2**32, 2**63, 2**64 - 1))
    return struct.pack("<Q", max(0, length)) + content[8:]


def _header(content: bytes, chance: Chance) -> bytes:
    try:
        (length,) = struct.unpack("<Q", content[:8])
        header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    except (struct.error, ValueError, MemoryError, OverflowError, RecursionError):
        return content
    if not isinstance(header, dict) or not header:
        return packed(chance.choice(_VALUES), body)
    return packed(chance.choice((_value, _field, _name, _nested, _metadata))(header, chance), body)


def _value(header: dict[str, Any], chance: Chance) -> Any:
    return {**header, chance.choice(sorted(header)): chance.choice(_VALUES)}


def _field(header: dict[str, Any], chance: Chance) -> Any:
    name = chance.choice(sorted(header))
    if not isinstance(header[name], dict):
        return header
    return {**header, name: {**header[name], chance.choice(("dtype", "shape", "data_offsets")): chance.choice(_VALUES)}}


def _name(header: dict[str, Any], chance: Chance) -> Any:
    old = chance.choice(sorted(header))
    new = chance.choice(("", "\x00", "../../x", "lora.", ".alpha", "x" * 3000, "__metadata__", old + old, "clip_l"))
    return {new if name == old else name: value for name, value in header.items()}


def _nested(header: dict[str, Any], chance: Chance) -> Any:
    return b"[" * chance.choice((10, 2000, 100_000))


def _metadata(header: dict[str, Any], chance: Chance) -> Any:
    said = header.get("__metadata__")
    if not isinstance(said, dict) or not said or chance.random() < 0.3:
        return {**header, "__metadata__": chance.choice(_VALUES)}
    key = chance.choice(sorted(said))
    text = str(said[key])
    words = chance.choice((json.dumps(chance.choice(_VALUES)), "[" * 50_000, text[: len(text) // 2], "1e999", "{", ""))
    return {**header, "__metadata__": {**said, key: words}}


_KINDS: tuple[Callable[[bytes, Chance], bytes], ...] = (_flip, _cut, _lose, _double, _length, _header, _header, _header)
