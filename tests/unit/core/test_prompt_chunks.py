"""Counting what packing into chunks makes gives the same as packing."""

from __future__ import annotations

import random

from sdxl_desktop.core.prompt_chunks import pack_chunks, packed_length


def test_it_counts_what_pack_makes() -> None:
    rng = random.Random(1)
    for _ in range(500):
        room = rng.choice((1, 3, 75))
        sizes = [rng.choice((1, 1, 1, 2, room, room + 1, 3 * room, rng.randrange(1, 200))) for _ in range(20)]
        sizes = sizes[: rng.randrange(21)]
        chunks = pack_chunks([[0] * size for size in sizes], room)
        expected = (len(chunks) - 1) * room + len(chunks[-1]) if chunks else 0
        assert packed_length(sizes, room) == expected, (sizes, room)


def test_it_takes_no_memory_for_what_it_counts() -> None:
    assert packed_length([10**15], 75) == 10**15
