"""Pieces that do not fit together are refused with a sentence, before anything is converted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.library.bring.offers import look_up
from sdxl_desktop.library.convert.extras import Extras
from sdxl_desktop.library.convert.grafting import holds_unet_alone, unet_alone
from sdxl_desktop.library.detect.errors import DamagedFileError
from sdxl_desktop.library.detect.families import Family
from sdxl_desktop.library.scan import Library
from tests.jobs_here import crossed
from tests.unit.library.test_scan import make_checkpoint


def test_a_lone_unet_is_known_by_its_own_description(lcm_unet: Path, small: Path, library: Library) -> None:
    assert holds_unet_alone(lcm_unet)
    assert not holds_unet_alone(small / "torch")
    assert not holds_unet_alone(small / "torch" / "vae")
    offer = look_up(lcm_unet, library)
    assert (offer.family, offer.needs) == (Family.LCM, ("SDXL base 1.0",))
    assert offer.download_bytes > 0, "the rest must come"


def test_a_lone_unet_that_is_cut_short_or_made_for_another_text_encoder(lcm_unet: Path, tmp_path: Path) -> None:
    width = json.loads((lcm_unet / "config.json").read_text())["cross_attention_dim"]
    base = make_checkpoint(tmp_path / "base", unet={"cross_attention_dim": width + 8})
    with pytest.raises(DamagedFileError, match=f"{width}.*{width + 8}"):
        unet_alone(lcm_unet, base)
    config = json.loads((lcm_unet / "config.json").read_text())
    cut = Path(shutil.copytree(lcm_unet, tmp_path / "cut"))
    (cut / "config.json").write_text(json.dumps({**config, "time_cond_proj_dim": None}))
    with pytest.raises(DamagedFileError, match="1 tensor is too many"):
        unet_alone(cut)


def layers(name: str, rank: int = 4, width: int = 16) -> dict[str, Any]:
    import torch

    return {f"{name}.lora_A.weight": torch.ones(rank, width), f"{name}.lora_B.weight": torch.ones(width, rank)}


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (lambda: layers("unet.mid") | layers("text_encoder.q"), "more than the UNet"),
        (lambda: {"unet.mid.lora_A.weight": layers("mid")["mid.lora_A.weight"]}, "no pair"),
        (lambda: layers("mid_block.nothing"), "cannot be fused"),
    ],
    ids=["text encoder", "half", "nothing"],
)
def test_a_lora_that_cannot_be_fused_says_why(tensors: Any, words: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from sdxl_desktop.library.convert.fusing import read_differences

    save_file(tensors(), tmp_path / "odd.safetensors")
    with pytest.raises(AdditionError, match=words):
        read_differences(tmp_path / "odd.safetensors", {"layers_per_block": 2})


@pytest.mark.parametrize(("name", "width", "words"), [("gone", 16, "no layer gone"), ("there", 8, "another size")])
def test_a_lora_for_another_checkpoint_says_where(name: str, width: int, words: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from sdxl_desktop.library.convert.fusing import fused

    module = torch.nn.ModuleDict({"there": torch.nn.Linear(16, 16)})
    save_file(
        {f"unet.{key}": tensor for key, tensor in layers(name, width=width).items()}, tmp_path / "odd.safetensors"
    )
    with fused(tmp_path / "odd.safetensors", {}, tmp_path) as adapt, pytest.raises(AdditionError, match=words):
        adapt("unet", module)


def test_a_lora_is_added_by_its_alpha_and_the_part_that_it_is_not_for_is_left(tmp_path: Path) -> None:
    """W + alpha / rank · up · down: 4 ones times ones are 4, and a half of it are 2."""
    import torch
    from safetensors.torch import save_file

    from sdxl_desktop.library.convert.fusing import fused

    module = torch.nn.ModuleDict({"mid_block": torch.nn.ModuleDict({"proj_in": torch.nn.Linear(16, 16)})})
    layer = module["mid_block"]["proj_in"]  # type: ignore[index]
    before = layer.weight.detach().clone()
    stem = "lora_unet_mid_block_proj_in"
    tensors = {
        f"{stem}.lora_down.weight": torch.ones(4, 16),
        f"{stem}.lora_up.weight": torch.ones(16, 4),
        f"{stem}.alpha": torch.tensor(2.0),
    }
    save_file(tensors, tmp_path / "plain.safetensors")
    with fused(tmp_path / "plain.safetensors", {}, tmp_path) as adapt:
        adapt("vae", module)
        assert torch.equal(layer.weight, before)
        adapt("unet", module)
        assert torch.allclose(layer.weight, before + 2)
    assert not (tmp_path / "fused").exists(), "its room is given back"


def test_what_a_checkpoint_is_given_crosses_to_the_other_process(tmp_path: Path) -> None:
    extras = Extras(
        source="a/b@1", card={"title": "T"}, scheduler={"timestep_spacing": "trailing"}, lora=tmp_path / "x"
    )
    assert crossed(extras) == extras
