"""Changes files and JSON as chance or malice would, for tests that a reader raises nothing but its own error; equal
seeds give equal changes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

DEFAULT, MANY = 200, 3000
"""Mutations a reader: in every run, and with `-m slow`."""


def mutations(samples: list[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` damaged files made of `samples`: bytes changed, removed, repeated, cut off and swapped between them."""
    choose = random.Random(seed)
    for number in range(count):
        content = bytearray(samples[number % len(samples)])
        for _ in range(choose.choice((1, 1, 2, 4, 16))):
            _damage(content, choose, samples)
        yield bytes(content)


def _damage(content: bytearray, choose: random.Random, samples: list[bytes]) -> None:
    if not content:
        return
    # most of what a reader decides by stands at the beginning
    end = min(len(content), choose.choice((64, 256, len(content))))
    at = choose.randrange(end)
    match choose.randrange(7):
        case 0:
            content[at] ^= 1 << choose.randrange(8)
        case 1:
            content[at] = choose.choice((0, 1, 0x7F, 0x80, 0xFF))
        case 2:
            content[at : at + 4] = choose.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x7f"))
        case 3:
            del content[at:]
        case 4:
            del content[at : at + choose.randrange(1, 32)]
        case 5:
            content[at:at] = content[at : at + choose.randrange(1, 64)]
        case _:
            other = choose.choice(samples)
            begin = choose.randrange(max(1, len(other)))
            content[at : at + 16] = other[begin : begin + 16]


Chance = random.Random
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 7, 2**31, 2 * 10**9, 10**18, 1e-300, 1e300, 0.5, float("nan"), float("inf")),
    *("", "x" * 100_000, "../../evil", "/dev/zero", "DiffusionPipeline", "os.system", "\0", "é"),
    *([], {}, [None], [[]], {"a": {}}, [1] * 5000, [["pwn", "Pwn"]], {"content": 7}),
)
"""Values that nobody means."""


def mutated_bytes(content: bytes, chance: Chance) -> bytes:
    """Cut, flipped, doubled, or with something else in the middle."""
    if not content:
        return chance.randbytes(20)
    at = chance.randrange(len(content))
    match chance.randrange(6):
        case 0:
            return content[:at]
        case 1:
            changed = bytearray(content)
            for _ in range(chance.choice([1, 1, 4, 50])):
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            return bytes(changed)
        case 2:
            return content[:at] + chance.randbytes(chance.randrange(1, 40)) + content[at:]
        case 3:
            return content[:at] + content[chance.randrange(len(content)) :]
        case 4:
            return content[:at] + bytes(chance.randrange(1, 100)) + content[at + 8 :]
    return content + content[at:]


def mutated_json(content: Any, chance: Chance) -> bytes:
    """JSON, with one value anywhere in it replaced, left out or repeated; sometimes no JSON any more."""
    if chance.random() < 0.2:
        return mutated_bytes(json.dumps(content).encode(), chance)
    changed = copy.deepcopy(content)
    places: list[tuple[Any, Any]] = []
    level: list[Any] = [changed]
    while level:
        one = level.pop()
        inside = list(one.items() if isinstance(one, dict) else enumerate(one)) if isinstance(one, dict | list) else []
        places += [(one, key) for key, _ in inside]
        level += [value for _, value in inside]
    if not places or chance.random() < 0.05:
        return json.dumps(chance.choice(ODD)).encode()
    owner, key = chance.choice(places)
    if chance.random() < 0.2:
        del owner[key]
    else:
        owner[key] = copy.deepcopy(chance.choice(ODD))
    return json.dumps(changed).encode()
