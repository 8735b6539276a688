"""Pieces that do not fit together are refused with a sentence, before anything is converted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.format_errors import DamagedFileError
from sdxl_desktop.library.convert.conversion_options import ConversionOptions
from sdxl_desktop.library.convert.unet_swap import detect_unet, is_unet_folder
from sdxl_desktop.library.importer.import_preview import preview_import
from sdxl_desktop.library.scan import Library
from tests.in_process_jobs import pickle_round_trip
from tests.unit.library.test_scan import make_checkpoint


def test_a_lone_unet_is_known_by_its_own_description(lcm_unet: Path, small_checkpoint: Path, library: Library) -> None:
    assert is_unet_folder(lcm_unet)
    assert not is_unet_folder(small_checkpoint / "torch")
    assert not is_unet_folder(small_checkpoint / "torch" / "vae")
    offer = preview_import(lcm_unet, library)
    assert (offer.family, offer.required_titles) == (Family.LCM, ("SDXL base 1.0",))
    assert offer.download_bytes > 0, "the rest must come"


def test_a_lone_unet_that_is_cut_short_or_made_for_another_text_encoder(lcm_unet: Path, tmp_path: Path) -> None:
    width = json.loads((lcm_unet / "config.json").read_text())["cross_attention_dim"]
    base = make_checkpoint(tmp_path / "base", unet={"cross_attention_dim": width + 8})
    with pytest.raises(DamagedFileError, match=f"{width}.*{width + 8}"):
        detect_unet(lcm_unet, base)
    config = json.loads((lcm_unet / "config.json").read_text())
    cut = Path(shutil.copytree(lcm_unet, tmp_path / "cut"))
    (cut / "config.json").write_text(json.dumps({**config, "time_cond_proj_dim": None}))
    with pytest.raises(DamagedFileError, match="1 tensor is too many"):
        detect_unet(cut)


def layers(name: str, rank: int = 4, width: int = 16) -> dict[str, Any]:
    import torch

    return {f"{name}.lora_A.weight": torch.ones(rank, width), f"{name}.lora_B.weight": torch.ones(width, rank)}


ENCODER_LAYER = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (lambda: layers("unet.there") | layers(ENCODER_LAYER), "more than the UNet"),
        (lambda: {"unet.there.lora_A.weight": layers("there")["there.lora_A.weight"]}, "up tensor is missing"),
        (lambda: layers("mid_block.nothing"), "cannot be fused"),
        (lambda: layers("unet.gone"), "no layer gone"),
        (lambda: layers("unet.there") | layers("unet.gone"), "no layer gone"),
        (lambda: layers("unet.there", width=8), "8×8, and this checkpoint has 16×16"),
        (lambda: {key: tensor * 1e38 for key, tensor in layers("unet.there").items()}, "no longer a number"),
    ],
    ids=["text encoder", "half", "nothing", "gone", "in part", "size", "overflow"],
)
def test_a_lora_that_cannot_be_fused_says_why(tensors: Any, words: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from sdxl_desktop.library.convert.lora_fusing import fused_lora

    module = torch.nn.ModuleDict({"there": torch.nn.Linear(16, 16)})
    save_file(tensors(), tmp_path / "odd.safetensors")
    with fused_lora(tmp_path / "odd.safetensors", {}, tmp_path) as adapt, pytest.raises(AdditionError, match=words):
        adapt("unet", module)


def test_a_lora_is_added_by_its_alpha_and_the_part_that_it_is_not_for_is_left(tmp_path: Path) -> None:
    """W + alpha / rank · up · down: 4 ones times ones are 4, and a half of it are 2."""
    import torch
    from safetensors.torch import save_file

    from sdxl_desktop.library.convert.lora_fusing import fused_lora

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
    with fused_lora(tmp_path / "plain.safetensors", {}, tmp_path) as adapt:
        adapt("vae", module)
        assert torch.equal(layer.weight, before)
        adapt("unet", module)
        assert torch.allclose(layer.weight, before + 2)
    assert not (tmp_path / "fused").exists(), "its room is given back"


def test_whatever_the_engine_adds_is_fused_too(tmp_path: Path) -> None:
    """Names of the original implementation, DoRA, LoHa, and differences of biases and norms: by the formulas."""
    import torch
    from safetensors.torch import save_file

    from sdxl_desktop.library.convert.lora_fusing import fused_lora
    from tests.engine.tiny_sdxl import UNET_OPTIONS, Topology, make_unet

    unet = make_unet(**UNET_OPTIONS[Topology.BASE])
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    conv, dora = "down_blocks.0.resnets.1.conv1", "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    loha, norm = "mid_block.attentions.0.transformer_blocks.0.attn2.to_q", "conv_norm_out"
    torch.manual_seed(0)
    out, into = before[f"{conv}.weight"].shape[:2]
    width = len(before[f"{dora}.weight"])
    down, up = torch.randn(2, into, 3, 3), torch.randn(out, 2, 1, 1)
    a, b, length = torch.randn(2, width), torch.randn(width, 2), torch.rand(width) + 1
    w = [torch.randn(shape) for shape in ((width, 2), (2, width), (width, 2), (2, width))]
    bias, scale = torch.randn(out), torch.randn(len(before[f"{norm}.weight"]))
    hada = "lora_unet_" + loha.replace(".", "_")
    tensors = {
        "lora_unet_input_blocks_2_0_in_layers_2.lora_down.weight": down,
        "lora_unet_input_blocks_2_0_in_layers_2.lora_up.weight": up,
        "lora_unet_input_blocks_2_0_in_layers_2.alpha": torch.tensor(1.0),
        "lora_unet_input_blocks_2_0_in_layers_2.diff_b": bias,
        f"unet.{dora}.lora_A.weight": a,
        f"unet.{dora}.lora_B.weight": b,
        f"unet.{dora}.lora_magnitude_vector": length,
        **{f"{hada}.hada_w{n}_{side}": w[2 * n - 2 + at] for n in (1, 2) for at, side in enumerate("ab")},
        f"lora_unet_{norm}.w_norm": scale,
    }
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / "all.safetensors")
    with fused_lora(tmp_path / "all.safetensors", dict(unet.config), tmp_path) as adapt:
        adapt("unet", unet)
        after = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    turned = before[f"{dora}.weight"] + b @ a
    expected = {
        f"{conv}.weight": before[f"{conv}.weight"] + torch.einsum("or,rihw->oihw", up[..., 0, 0], down) / 2,
        f"{conv}.bias": before[f"{conv}.bias"] + bias,
        f"{dora}.weight": turned / turned.norm(dim=1, keepdim=True) * length[:, None],
        f"{loha}.weight": before[f"{loha}.weight"] + (w[0] @ w[1]) * (w[2] @ w[3]),
        f"{norm}.weight": before[f"{norm}.weight"] + scale,
    }
    for name, tensor in after.items():
        assert torch.allclose(tensor, expected.get(name, before[name]), atol=1e-5), name


def test_what_a_checkpoint_is_given_crosses_to_the_other_process(tmp_path: Path) -> None:
    extras = ConversionOptions(
        source="a/b@1",
        checkpoint_json={"title": "T"},
        scheduler_config={"timestep_spacing": "trailing"},
        lora=tmp_path / "x",
    )
    assert pickle_round_trip(extras) == extras
