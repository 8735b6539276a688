"""The prompts for calibration and comparison: from the user's file or the shipped list."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.paths import resources_folder

SHIPPED_FILE = "calibration-prompts.txt"
_LIMIT = 1 << 20


def read_prompts(file: Path | None = None) -> tuple[str, ...]:
    """Return the prompts in `file`, one per line; empty lines and lines that begin with # are skipped.

    Without a file, returns the shipped hundred. Raises RequestError if the file is unreadable or has no prompts.
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
    """Return `count` of `prompts`, evenly spaced over the list; starts again from the beginning if there are fewer."""
    if count >= len(prompts):
        return tuple(prompts[place % len(prompts)] for place in range(count))
    return tuple(prompts[place * len(prompts) // count] for place in range(count))


def prompts_hash(prompts: Sequence[str]) -> str:
    """Return a short key for exactly these prompts in this order."""
    return hashlib.blake2b("\n".join(prompts).encode(), digest_size=8).hexdigest()
