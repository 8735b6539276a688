"""What a file of weights is can be told from its head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.library.additions import AdditionKind, kind_of

FLAT = np.zeros((2, 4), np.float32)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("unet.down_blocks.1.attentions.0.to_q.lora_A.weight", AdditionKind.LORA),
        ("lora_unet_input_blocks_4_1_proj_in.lora_down.weight", AdditionKind.LORA),
        ("clip_l", AdditionKind.EMBEDDING),
        ("<my-style>", AdditionKind.EMBEDDING),
    ],
)
def test_it_is_told_by_its_tensors(tmp_path: Path, name: str, kind: AdditionKind) -> None:
    save_file({name: FLAT}, tmp_path / "x.safetensors")
    assert kind_of(tmp_path / "x.safetensors") is kind


def test_an_old_embedding_is_told_by_its_name_and_size(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"anything")
    assert kind_of(tmp_path / "x.pt") is AdditionKind.EMBEDDING


def test_a_checkpoint_is_neither(tmp_path: Path) -> None:
    tensors = {f"model.diffusion_model.{n}.weight": np.zeros((2, 2, 1, 1), np.float32) for n in range(9)}
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(AdditionError, match="checkpoint"):
        kind_of(tmp_path / "x.safetensors")


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x10\0\0\0\0\0\0\0not json at all!"])
def test_a_broken_file_is_said_to_be_broken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(AdditionError, match="whole"):
        kind_of(tmp_path / "x.safetensors")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AdditionError, match="cannot be read"):
        kind_of(tmp_path / "x.safetensors")
