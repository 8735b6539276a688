"""Every topology of SDXL is read from its original layout tensor by tensor, as diffusers itself would read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sdxl_desktop.formats.detected_model import DetectedPart
from sdxl_desktop.formats.layer_shapes import tensor_shapes
from sdxl_desktop.formats.safetensors_header import read_tensors
from sdxl_desktop.library.convert import module_loading, tracing
from sdxl_desktop.library.convert.memmap_buffer import MemmapBuffer
from sdxl_desktop.library.detect.part_matching import Mismatch, match_part
from tests.engine.tiny_sdxl import POOLED, TIME_WIDTH, UNET_OPTIONS, Topology, make_unet, make_vae
from tests.library import original_layout, small_sdxl

UNET, VAE = "model.diffusion_model.", "first_stage_model."


def plain(config: Any) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_")}


def from_original(part: str, config: Any, weights: original_layout.Weights, prefix: str, folder: Path) -> DetectedPart:
    original_layout.save({prefix + name: tensor for name, tensor in weights.items()}, folder / "x.safetensors")
    found = match_part(part, plain(config), read_tensors(folder / "x.safetensors"), prefix=prefix)
    assert isinstance(found, DetectedPart), found
    return found


def equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("topology", list(Topology))
def test_a_unet(topology: Topology, tmp_path: Path) -> None:
    unet = make_unet(**UNET_OPTIONS[topology])
    weights, config = unet.state_dict(), unet.config
    assert tensor_shapes("unet", plain(config)) == {name: tuple(tensor.shape) for name, tensor in weights.items()}
    renamed = original_layout.unet_to_original(weights, len(config.block_out_channels), config.layers_per_block)
    part = from_original("unet", config, renamed, UNET, tmp_path)
    with MemmapBuffer(tmp_path / "spool", 64) as spool:
        assert equal(module_loading.load_module(part, spool).state_dict(), weights)


@pytest.mark.parametrize("topology", [Topology.BASE, Topology.REFINER, Topology.INPAINT])
def test_diffusers_reads_the_same_from_that_layout(topology: Topology) -> None:
    """The reference of the test above: diffusers' own reader of original UNets."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    unet = make_unet(**UNET_OPTIONS[topology])
    config = plain(unet.config)
    renamed = original_layout.unet_to_original(
        unet.state_dict(), len(config["block_out_channels"]), config["layers_per_block"]
    )
    theirs = convert_ldm_unet_checkpoint({UNET + name: tensor for name, tensor in renamed.items()}, config)
    assert equal(theirs, unet.state_dict())


def test_a_vae_and_its_referee(tmp_path: Path) -> None:
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    vae = make_vae()
    renamed = original_layout.vae_to_original(vae.state_dict(), 4)
    part = from_original("vae", vae.config, renamed, VAE, tmp_path)
    with MemmapBuffer(tmp_path / "spool", 64) as spool:
        assert equal(module_loading.load_module(part, spool).state_dict(), vae.state_dict())
    theirs = convert_ldm_vae_checkpoint({VAE + name: tensor for name, tensor in renamed.items()}, plain(vae.config))
    assert equal(theirs, vae.state_dict())


def test_bfloat16_is_widened_and_counted(tmp_path: Path) -> None:
    vae = make_vae()
    weights = {name: tensor.bfloat16() for name, tensor in original_layout.vae_to_original(vae.state_dict(), 4).items()}
    part = from_original("vae", vae.config, weights, VAE, tmp_path)
    count, size = module_loading.upcast_buffer_size(part)
    with MemmapBuffer(tmp_path / "spool", MemmapBuffer.required_bytes(count, size)) as spool:
        loaded = module_loading.load_module(part, spool).state_dict()
    assert equal(loaded, {name: tensor.bfloat16().float() for name, tensor in vae.state_dict().items()})


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_fp8_is_cast_and_multiplied_by_its_scale(kind: torch.dtype, tmp_path: Path) -> None:
    vae = make_vae()
    weights = {name: tensor.to(kind) for name, tensor in original_layout.vae_to_original(vae.state_dict(), 4).items()}
    scaled = {"decoder.conv_in": 0.25, "encoder.mid.attn_1.q": 3.0}
    scales = {f"{name}.scale_weight": torch.tensor(scale) for name, scale in scaled.items()}
    beside = {"scaled_fp8": torch.zeros(2).to(kind), "decoder.conv_in.scale_input": torch.ones(1)}
    part = from_original("vae", vae.config, {**weights, **scales, **beside}, VAE, tmp_path)
    count, size = module_loading.upcast_buffer_size(part)
    with MemmapBuffer(tmp_path / "spool", MemmapBuffer.required_bytes(count, size)) as spool:
        loaded = module_loading.load_module(part, spool).state_dict()
    factors = {"decoder.conv_in.weight": 0.25, "encoder.mid_block.attentions.0.to_q.weight": 3.0}
    for name, tensor in vae.state_dict().items():
        assert torch.equal(loaded[name], tensor.to(kind).float() * factors.get(name, 1.0)), name


def test_a_scale_of_many_numbers_is_refused(tmp_path: Path) -> None:
    vae = make_vae()
    weights = {
        VAE + name: tensor.to(torch.float8_e5m2)
        for name, tensor in original_layout.vae_to_original(vae.state_dict(), 4).items()
    }
    original_layout.save({**weights, f"{VAE}decoder.conv_in.scale_weight": torch.ones(4)}, tmp_path / "x.safetensors")
    found = match_part("vae", plain(vae.config), read_tensors(tmp_path / "x.safetensors"), prefix=VAE)
    assert isinstance(found, Mismatch)
    assert "single number" in found.reason


@pytest.mark.parametrize("middle", [None, "UNetMidBlock2D", "UNetMidBlock2DCrossAttn"])
@pytest.mark.parametrize("layers", [1, (1, 2, 1)])
def test_the_tensors_of_other_depths_are_foreseen(middle: str | None, layers: int | tuple[int, ...]) -> None:
    unet = make_unet(mid_block_type=middle, layers_per_block=layers, transformer_layers_per_block=(1, 1, 2))
    assert tensor_shapes("unet", plain(unet.config)) == {
        name: tuple(tensor.shape) for name, tensor in unet.state_dict().items()
    }


def test_old_names_of_attention_are_read_in_a_folder(tmp_path: Path) -> None:
    vae, old = make_vae(), {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = dict(vae.state_dict())
    for new, before in old.items():
        renamed = {name.replace(f".attentions.0.{new}.", f".attentions.0.{before}."): t for name, t in renamed.items()}
    original_layout.save(renamed, tmp_path / "x.safetensors")
    part = match_part("vae", plain(vae.config), read_tensors(tmp_path / "x.safetensors"))
    assert isinstance(part, DetectedPart), part
    with MemmapBuffer(tmp_path / "spool", 64) as spool:
        assert equal(module_loading.load_module(part, spool).state_dict(), vae.state_dict())


@pytest.mark.parametrize(
    ("special", "scored", "name", "width"),
    [
        ({"projection_class_embeddings_input_dim": POOLED + 5 * TIME_WIDTH}, True, "time_ids", 5),
        ({"time_cond_proj_dim": 32}, False, "timestep_cond", 32),
    ],
    ids=["refiner", "lcm"],
)
def test_a_unet_asks_for_what_its_family_knows(
    special: dict[str, Any], scored: bool, name: str, width: int, tmp_path: Path
) -> None:
    unet = make_unet(**small_sdxl.SMALL_UNET_CONFIG, **special)
    config = unet.config
    renamed = original_layout.unet_to_original(
        unet.state_dict(), len(config.block_out_channels), config.layers_per_block
    )
    part = from_original("unet", config, renamed, UNET, tmp_path)
    with MemmapBuffer(tmp_path / "spool", 64) as spool:
        graph = tracing.trace_part(
            "unet", part, module_loading.load_module(part, spool), requires_aesthetics_score=scored, pooled_width=POOLED
        )
    assert graph.input(name).get_partial_shape()[1].get_length() == width
    assert graph.input("timestep").get_element_type().get_type_name() == "f32", "for fractional timesteps"
    assert graph.input("encoder_hidden_states").get_partial_shape()[1].is_dynamic, "for long prompts"
