"""A layer has one name in each layout, for checkpoints and for LoRAs."""

from __future__ import annotations

import pytest

from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.families import Family, shipped_config_folders
from sdxl_desktop.formats.key_mapping import (
    SgmUnetNames,
    flatten_name,
    original_key_mapping,
    text_encoder_layer,
    unet_spellings,
)
from sdxl_desktop.formats.layer_shapes import tensor_shapes


@pytest.mark.parametrize("family", [family for family, _ in shipped_config_folders()])
def test_a_file_and_a_lora_spell_every_layer_of_a_unet_alike(family: Family) -> None:
    config = dict(shipped_config_folders())[family].config(Part.UNET)
    assert config is not None
    wanted = tensor_shapes(Part.UNET, config)
    layers = {name.rpartition(".")[0] for name in wanted}
    spellings = unet_spellings(layers, config["layers_per_block"])
    keys = {recipe.key for recipe in original_key_mapping(Part.UNET, config, wanted, "").values()}
    assert len(keys) == len(wanted), "no two have one name"
    for name, recipe in original_key_mapping(Part.UNET, config, wanted, "x.").items():
        layer, key = name.rpartition(".")[0], recipe.key.removeprefix("x.").rpartition(".")[0]
        assert spellings[flatten_name(key)] == spellings[flatten_name(layer)] == layer


@pytest.mark.parametrize(
    ("layer", "original"),
    [
        ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"),
        ("down_blocks.2.attentions.1.proj_in", "input_blocks.8.1.proj_in"),
        ("mid_block.resnets.1.conv2", "middle_block.2.out_layers.3"),
        ("up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv"),
        ("up_blocks.1.upsamplers.0.conv", "output_blocks.5.1.conv"),
        ("up_blocks.2.resnets.2.time_emb_proj", "output_blocks.8.0.emb_layers.1"),
        ("time_embedding.cond_proj", "time_embed.cond_proj"),
        ("something.else", "something.else"),
    ],
)
def test_the_original_implementations_names(layer: str, original: str) -> None:
    names = SgmUnetNames(["up_blocks.0.attentions.0.proj_in", "up_blocks.1.resnets.0.conv1", "conv_in"], 2)
    assert names.original(layer) == original
    assert names.tensor(f"{layer}.weight") == f"{original}.weight"


def test_levels_of_different_lengths_have_no_original_names() -> None:
    assert unet_spellings(["down_blocks.0.attentions.0.attn1.to_out.0"], [1, 2]) == {
        "down_blocks_0_attentions_0_attn1_to_out_0": "down_blocks.0.attentions.0.attn1.to_out.0",
        "down_blocks_0_attentions_0_attn1_to_out": "down_blocks.0.attentions.0.attn1.to_out.0",
    }


@pytest.mark.parametrize(
    ("written", "layer"),
    [
        ("text_model_encoder_layers_11_self_attn_q_proj", "text_model.encoder.layers.11.self_attn.q_proj"),
        ("encoder.layers.3.self_attn.to_out", "text_model.encoder.layers.3.self_attn.out_proj"),
        ("text_model_encoder_layers_0_mlp_fc1", "text_model.encoder.layers.0.mlp.fc1"),
        ("text_model.final_layer_norm", "text_model.final_layer_norm"),
        ("text_projection", "text_projection"),
        ("text_model_encoder_layers_0_mlp_fc3", None),
    ],
)
def test_a_text_encoders_layers(written: str, layer: str | None) -> None:
    assert text_encoder_layer(written) == layer
