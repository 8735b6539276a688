"""The kind of a weights file is detected from its header."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.library.addition_detection import AdditionKind, detect_addition_kind
from sdxl_desktop.library.embedding_vectors import embedding_vector_counts
from tests.mutations import mutated_safetensors

FLAT = np.zeros((2, 4), np.float32)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("unet.down_blocks.1.attentions.0.to_q.lora_A.weight", AdditionKind.LORA),
        ("lora_unet_input_blocks_4_1_proj_in.lora_down.weight", AdditionKind.LORA),
        ("decoder.conv_in.weight", AdditionKind.VAE),
        ("first_stage_model.decoder.conv_in.weight", AdditionKind.VAE),
        ("decoder.layers.0.weight", AdditionKind.VAE),
        ("clip_l", AdditionKind.EMBEDDING),
        ("<my-style>", AdditionKind.EMBEDDING),
    ],
)
def test_it_is_recognized_by_its_tensors(tmp_path: Path, name: str, kind: AdditionKind) -> None:
    save_file({name: FLAT}, tmp_path / "x.safetensors")
    assert detect_addition_kind(tmp_path / "x.safetensors") is kind


def test_an_old_embedding_is_recognized_by_its_name_and_size(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"anything")
    assert detect_addition_kind(tmp_path / "x.pt") is AdditionKind.EMBEDDING


def test_a_checkpoint_is_neither(tmp_path: Path) -> None:
    tensors = {f"model.diffusion_model.{n}.weight": np.zeros((2, 2, 1, 1), np.float32) for n in range(9)}
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(AdditionError, match="checkpoint"):
        detect_addition_kind(tmp_path / "x.safetensors")


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x10\0\0\0\0\0\0\0not json at all!"])
def test_a_broken_file_is_reported_as_broken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(AdditionError, match="whole"):
        detect_addition_kind(tmp_path / "x.safetensors")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AdditionError, match="cannot be read"):
        detect_addition_kind(tmp_path / "x.safetensors")


@pytest.mark.parametrize("shape", [(0,), (0, 8), (8, 0), (1025, 4)], ids=str)
def test_a_tensor_that_cannot_be_an_embedding_is_none(tmp_path: Path, shape: tuple[int, ...]) -> None:
    save_file({"clip_l": np.zeros(shape, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(AdditionError, match="neither a LoRA nor an embedding"):
        detect_addition_kind(tmp_path / "x.safetensors")


def test_whole_numbers_are_no_embedding(tmp_path: Path) -> None:
    save_file({"clip_l": np.zeros((2, 8), np.int32)}, tmp_path / "x.safetensors")
    with pytest.raises(AdditionError, match="I32"):
        detect_addition_kind(tmp_path / "x.safetensors")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".bin"])
def test_only_regular_files_are_read(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    (tmp_path / f"folder{suffix}").mkdir()
    for file in tmp_path.iterdir():
        with pytest.raises(AdditionError):
            detect_addition_kind(file)


def mutations(file: Path, numbers: range) -> None:
    save_file({"lora_unet_a.lora_down.weight": FLAT, "lora_unet_a.alpha": FLAT[0]}, file)
    lora = file.read_bytes()
    save_file({"clip_l": FLAT, "clip_g": FLAT}, file)
    embedding = file.read_bytes()
    for number in numbers:
        file.write_bytes(mutated_safetensors((lora, embedding)[number % 2], number))
        message = ""
        try:
            detect_addition_kind(file)
        except AdditionError as problem:
            message = str(problem)
        assert len(message) < 700
        assert all(1 <= vectors <= 1024 for vectors in embedding_vector_counts(file))


def test_200_mutations(tmp_path: Path) -> None:
    mutations(tmp_path / "x.safetensors", range(200))


@pytest.mark.slow
def test_thousands_of_mutations(tmp_path: Path) -> None:
    mutations(tmp_path / "x.safetensors", range(200, 10_000))
