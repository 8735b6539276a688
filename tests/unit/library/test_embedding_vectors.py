"""The token counter knows an embedding's length without loading it."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdxl_desktop.library.embedding_vectors import embedding_vector_counts
from tests.mutations import packed


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        ({"clip_l": (4, 8), "clip_g": (4, 16)}, (4, 4)),
        ({"clip_l": (2, 8), "clip_g": (3, 16)}, (2, 3)),
        ({"clip_g": (5, 16)}, (1, 5)),
        ({"text_encoders_0": (2, 8), "text_encoders_1": (2, 16)}, (2, 2)),
        ({"<cat>": (8,)}, (1, 1)),
        ({"emb_params": (6, 8)}, (6, 6)),
    ],
)
def test_both_encoders_are_told_apart(
    tensors: dict[str, tuple[int, ...]], expected: tuple[int, int], tmp_path: Path
) -> None:
    file = tmp_path / "a.safetensors"
    save_file({name: np.zeros(shape, np.float32) for name, shape in tensors.items()}, file)
    assert embedding_vector_counts(file) == expected


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"emb_params": np.zeros((2, 8), np.float32)}, file)
    assert embedding_vector_counts(file) == (2, 2)
    save_file({"emb_params": np.zeros((3, 8), np.float32)}, file)
    os.utime(file, ns=(1, 1))
    assert embedding_vector_counts(file) == (3, 3)


def test_what_cannot_be_read_counts_as_one(tmp_path: Path) -> None:
    assert embedding_vector_counts(tmp_path / "missing.safetensors") == (1, 1)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    assert embedding_vector_counts(broken) == (1, 1)
    assert embedding_vector_counts(tmp_path / "a.pt") == (1, 1)


@pytest.mark.parametrize("shape", [[200_000_000, 0], [0, 8], [0], [], [2, 2, 2], [2000, 1]], ids=str)
def test_vectors_that_are_not_there_are_not_counted(tmp_path: Path, shape: list[int]) -> None:
    size = 4 * math.prod(shape)
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}
    (tmp_path / "a.safetensors").write_bytes(packed({"clip_l": entry}, bytes(size)))
    assert embedding_vector_counts(tmp_path / "a.safetensors") == (1, 1)
