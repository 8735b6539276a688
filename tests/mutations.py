"""Seeded damage of small files, for tests that no reader raises anything but its own error."""

from __future__ import annotations

import random
from collections.abc import Iterator

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
