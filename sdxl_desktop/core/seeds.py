"""Seeds as people write them: a number that can be one, or a word, a minus or nothing for another one each time."""

from __future__ import annotations

import secrets

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.number_parsing import normalize_digits, parse_int
from sdxl_desktop.core.request import MAX_SEED

RANDOM_SEED_WORDS = ("", "-1", "random")
"""What means another seed each time, here as in other programs."""


def random_seed() -> int:
    """One of all seeds."""
    return secrets.randbelow(MAX_SEED + 1)


def parse_seed(text: str) -> int | None:
    """The seed that `text` means; None for a new one each time (see RANDOM). Raises RequestError.

    A seed beyond the range is refused and not folded into it: programs that have such seeds draw their noise in another
    way, so that no seed here would bring their picture back.
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
