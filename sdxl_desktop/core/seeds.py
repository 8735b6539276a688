"""Parses seeds: a valid number, or a word, a minus or nothing for a random one each time."""

from __future__ import annotations

import secrets

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.number_parsing import normalize_digits, parse_int
from sdxl_desktop.core.request import MAX_SEED

RANDOM_SEED_WORDS = ("", "-1", "random")
"""The words for a random seed, here as in other programs."""


def random_seed() -> int:
    """Return a random valid seed."""
    return secrets.randbelow(MAX_SEED + 1)


def parse_seed(text: str) -> int | None:
    """Parse a seed; None for a random one each time (see RANDOM_SEED_WORDS). Raises RequestError.

    A seed out of range is refused, not wrapped into it: programs with such seeds sample their noise in another way, so
    no seed here would reproduce their picture.
    """
    if normalize_digits(text).casefold() in RANDOM_SEED_WORDS:
        return None
    seed = parse_int(text)
    if seed == -1:
        return None
    if not 0 <= seed <= MAX_SEED:
        raise RequestError(
            f"The seed is {normalize_digits(text)[:40]}.",
            next_step=f"It must lie between 0 and {MAX_SEED}; -1 or nothing stands for a random one.",
        )
    return seed
