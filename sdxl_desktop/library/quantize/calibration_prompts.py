"""The prompts that a checkpoint is calibrated and compared on: a person's file, or the list that is shipped."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.paths import resources_folder

SHIPPED_FILE = "calibration-prompts.txt"
_LIMIT = 1 << 20


def read_prompts(file: Path | None = None) -> tuple[str, ...]:
    """The prompts in `file`, one a line; empty lines and those that begin with # are left out.

    Without a file, the shipped hundred. Raises RequestError for a file that cannot be read or has none.
    """
    file = file or resources_folder() / SHIPPED_FILE
    try:
        if file.stat().st_size > _LIMIT:
            raise RequestError(
                f"{file} is too large to be a list of prompts.",
                next_step="Give a text file with a prompt on each line.",
            )
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise RequestError(
            f"The prompts in {file} cannot be read.",
            why=f"{getattr(problem, 'strerror', None) or problem}.",
            next_step="Give a text file in UTF-8 with a prompt on each line.",
        ) from problem
    prompts = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not prompts:
        raise RequestError(f"There are no prompts in {file}.", next_step="Write one on each line.")
    return prompts


def pick_evenly(prompts: Sequence[str], count: int) -> tuple[str, ...]:
    """`count` of `prompts`, evenly from the whole list; from the beginning again where there are fewer."""
    if count >= len(prompts):
        return tuple(prompts[place % len(prompts)] for place in range(count))
    return tuple(prompts[place * len(prompts) // count] for place in range(count))


def prompts_hash(prompts: Sequence[str]) -> str:
    """A short name for exactly these prompts in this order."""
    return hashlib.blake2b("\n".join(prompts).encode(), digest_size=8).hexdigest()
