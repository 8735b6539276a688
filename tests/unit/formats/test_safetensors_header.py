"""The header of a weights file is read within bounds or refused in one sentence, whatever it holds."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save, save_file

from sdxl_desktop.formats.safetensors_header import HeaderError, parse_header, read_header
from tests.mutations import mutated_safetensors, packed

WHOLE = save({"a": np.zeros((2, 3), np.float32), "b": np.zeros(4, np.float16)}, {"made by": "a test"})


def entry(**changed: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changed}


def test_it_says_what_safetensors_itself_says(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    tensors: dict[str, np.ndarray] = {
        "x": np.zeros((3, 4), np.float32),
        "y": np.zeros((5,), np.int64),
        "z": np.zeros((), np.float16),
    }
    save_file(tensors, file, {"a": "b"})
    header = read_header(file)
    with safe_open(file, framework="numpy") as theirs:
        assert header.metadata == theirs.metadata()
        for name, place in header.tensors.items():
            assert list(place.shape) == theirs.get_slice(name).get_shape()
            assert place.dtype == theirs.get_slice(name).get_dtype()
            assert file.read_bytes()[place.begin : place.end] == theirs.get_tensor(name).tobytes()
        assert set(header.tensors) == set(theirs.keys())


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F8_E5M2", "BOOL", "U64"])
def test_types_that_numpy_does_not_have_are_read(dtype: str) -> None:
    size = {"BF16": 2, "U64": 8}.get(dtype, 1)
    content = packed({"a": entry(dtype=dtype, shape=[3], data_offsets=[0, 3 * size])}, bytes(3 * size))
    assert parse_header(content).tensors["a"].dtype == dtype


@pytest.mark.parametrize(
    "header",
    [5, [], None, "a", 1.5, {}, {"a": 5}, {"a": None}, {"a": []}, {"a": {}}, {"a": {"shape": 5}}, {"": entry()}],
    ids=str,
)
def test_a_header_of_another_kind_is_refused(header: Any) -> None:
    with pytest.raises(HeaderError):
        parse_header(packed(header, bytes(8)))


@pytest.mark.parametrize(
    "changed",
    [
        {"dtype": 5},
        {"dtype": "F1024"},
        {"shape": [2**40, 2**40]},
        {"shape": [-2]},
        {"shape": [2.5]},
        {"shape": "2"},
        {"shape": [1] * 30},
        {"shape": [True]},
        {"shape": [10**40]},
        {"shape": [2, float("nan")]},
        {"shape": [3]},
        {"shape": [0], "data_offsets": [8, 0]},
        {"data_offsets": [0, 2**64]},
        {"data_offsets": [-8, 0]},
        {"data_offsets": [1, 9]},
        {"data_offsets": [0, 4]},
        {"data_offsets": [0]},
        {"data_offsets": None},
        {"shape": [0, 200_000_000], "data_offsets": [0, 0]},
    ],
    ids=str,
)
def test_what_the_file_cannot_hold_is_refused(changed: dict[str, Any]) -> None:
    assert parse_header(packed({"a": entry()}, bytes(8)))
    with pytest.raises(HeaderError):
        parse_header(packed({"a": entry(**changed)}, bytes(8)))


@pytest.mark.parametrize(
    "places", [([0, 8], [4, 12]), ([0, 8], [0, 8]), ([0, 8], [12, 20]), ([4, 12], [12, 20])], ids=str
)
def test_overlaps_and_gaps_are_refused(places: tuple[list[int], list[int]]) -> None:
    with pytest.raises(HeaderError, match=r"overlaps|gap|belong"):
        parse_header(
            packed({name: entry(data_offsets=place) for name, place in zip("ab", places, strict=True)}, bytes(20))
        )


@pytest.mark.parametrize("metadata", [5, [], "a", {"a": 5}, {"a": None}, {"a": {"b": "c"}}], ids=str)
def test_metadata_that_is_no_text_is_refused(metadata: Any) -> None:
    with pytest.raises(HeaderError):
        parse_header(packed({"__metadata__": metadata, "a": entry()}, bytes(8)))


def test_the_length_is_bounded_before_anything_is_read() -> None:
    for length in (2**63, 2**32, len(WHOLE)):
        with pytest.raises(HeaderError, match="said to have"):
            parse_header(struct.pack("<Q", length) + WHOLE[8:])
    with pytest.raises(HeaderError, match="at most 10 make sense"):
        parse_header(WHOLE, limit=10)
    for content in (b"", b"\0" * 7, b"\0" * 8):
        with pytest.raises(HeaderError):
            parse_header(content)


def test_a_deep_header_is_refused() -> None:
    for header in (b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 100_000):
        with pytest.raises(HeaderError):
            parse_header(packed(header))


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """None of them is waited for."""
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "zero.safetensors").symlink_to("/dev/zero")
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "loop.safetensors").symlink_to("loop.safetensors")
    for file in sorted(tmp_path.iterdir()):
        with pytest.raises(HeaderError):
            read_header(file)
    with pytest.raises(HeaderError):
        read_header(tmp_path / "a\0b")
    with pytest.raises(HeaderError) as caught:
        read_header(tmp_path / "none.safetensors")
    assert caught.value.missing


def check(number: int) -> None:
    """Read, with offsets inside the file, or refused with a short message; nothing else."""
    content = mutated_safetensors(WHOLE, number)
    header, why = None, "none"
    try:
        header = parse_header(content)
    except HeaderError as problem:
        why = problem.why
    assert 0 < len(why) < 300
    if header is None:
        return
    assert header.tensors
    assert all(8 <= place.begin <= place.end <= len(content) for place in header.tensors.values())
    json.dumps(dict(header.metadata))


def test_200_mutations() -> None:
    for number in range(200):
        check(number)


@pytest.mark.slow
def test_thousands_of_mutations() -> None:
    for number in range(200, 20_000):
        check(number)
