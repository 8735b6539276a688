"""What is read from a LoRA file, and the sentence with which one that cannot be used is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.lora.reading import read_lora
from tests.engine.adapters.conftest import load_checkpoint
from tests.engine.adapters.lora_files import (
    PARTS,
    UNET_CONVOLUTIONS,
    UNET_LAYERS,
    lora_layers,
    random_factors,
    write_kohya,
)
from tests.engine.tiny_sdxl import make_unet
from tests.mutations import mutated_safetensors

SDXL = {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "transformer_layers_per_block": [1, 2, 10],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
"""The config.json of SDXL base."""


def factor_pair(stem: str, inputs: int, outputs: int, rank: int = 4) -> dict[str, torch.Tensor]:
    return {f"{stem}.lora_down.weight": torch.ones(rank, inputs), f"{stem}.lora_up.weight": torch.ones(outputs, rank)}


def write_lora(folder: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, folder / "some.safetensors")
    return folder / "some.safetensors"


def refusal_of(file: Path, config: Any = SDXL) -> str:
    with pytest.raises(AdditionError) as caught:
        read_lora(file, config)
    assert caught.value.why
    assert caught.value.next_step
    return str(caught.value)


@pytest.fixture(scope="module")
def base(tiny_checkpoint: Path) -> Any:
    """With as many layers in a block as SDXL base has: their numbers are what the original names are made of."""
    pipe = load_checkpoint(tiny_checkpoint)
    pipe.unet = make_unet()
    return pipe


@pytest.fixture(scope="module")
def unet_config(base: Any) -> Any:
    return json.loads(base.unet.to_json_string())


class TestWhatIsRead:
    @pytest.mark.parametrize("sgm", [False, True])
    def test_every_layer_is_found_by_both_names(self, sgm: bool, base: Any, unet_config: Any, tmp_path: Path) -> None:
        lora = read_lora(write_kohya(tmp_path / "a.safetensors", random_factors(base), sgm=sgm), unet_config)
        assert set(lora.weight_deltas) == set(PARTS)
        assert set(lora.weight_deltas[Part.UNET]) == set(UNET_LAYERS | UNET_CONVOLUTIONS)
        assert not lora.notes

    def test_both_names_of_a_layer_mean_the_same(self, base: Any, unet_config: Any, tmp_path: Path) -> None:
        difference, found = random_factors(base), []
        for sgm in (False, True):
            lora = read_lora(write_kohya(tmp_path / f"{sgm}.safetensors", difference, sgm=sgm), unet_config)
            with lora.open_tensors() as opened:
                found.append({name: layer.factors(opened) for name, layer in lora_layers(lora, Part.UNET).items()})
        by_diffusers, by_sgm = found
        assert by_diffusers.keys() == by_sgm.keys()
        for name, factors in by_diffusers.items():
            assert all(np.array_equal(one, other) for one, other in zip(factors, by_sgm[name], strict=True)), name

    @pytest.mark.parametrize(
        ("stem", "layer", "inputs", "outputs"),
        [
            ("lora_unet_label_emb_0_0", "add_embedding.linear_1", 2816, 1280),
            ("lora_unet_time_embed_2", "time_embedding.linear_2", 1280, 1280),
            ("lora_unet_output_blocks_8_0_skip_connection", "up_blocks.2.resnets.2.conv_shortcut", 640, 320),
            ("lora_unet_input_blocks_7_1_proj_in", "down_blocks.2.attentions.0.proj_in", 1280, 1280),
            (
                "base_model.model.mid_block.attentions.0.transformer_blocks.9.attn2.to_out.0",
                "mid_block.attentions.0.transformer_blocks.9.attn2.to_out.0",
                1280,
                1280,
            ),
            ("diffusion_model.middle_block.1.proj_out", "mid_block.attentions.0.proj_out", 1280, 1280),
        ],
    )
    def test_spellings_of_a_real_sdxl(self, stem: str, layer: str, inputs: int, outputs: int, tmp_path: Path) -> None:
        lora = read_lora(write_lora(tmp_path, factor_pair(stem, inputs, outputs)), SDXL)
        assert list(lora.weight_deltas[Part.UNET]) == [layer]

    def test_half_and_brain_floats_and_a_cp_decomposed_convolution(self, tmp_path: Path) -> None:
        """LyCORIS: the kernel is in `mid`, down and up are 1×1; all of it times alpha / rank."""
        random = torch.Generator().manual_seed(0)
        down, mid, up = (
            torch.randn(*shape, generator=random).bfloat16() for shape in ((4, 320, 1, 1), (4, 4, 3, 3), (320, 4, 1, 1))
        )
        stem = "lora_unet_down_blocks_0_resnets_0_conv2"
        tensors = {"lora_down.weight": down, "lora_mid.weight": mid, "lora_up.weight": up, "alpha": torch.tensor(2.0)}
        lora = read_lora(write_lora(tmp_path, {f"{stem}.{name}": value for name, value in tensors.items()}), SDXL)
        with lora.open_tensors() as opened:
            found_down, found_up = lora_layers(lora, Part.UNET)["down_blocks.0.resnets.0.conv2"].factors(opened)
        ours = np.einsum("or,rihw->oihw", found_up, found_down)
        picture = torch.randn(1, 320, 8, 8, generator=random)
        conv = torch.nn.functional.conv2d
        theirs = conv(conv(conv(picture, down.float()), mid.float(), padding=1), up.float()) * (2.0 / 4)
        assert np.allclose(conv(picture, torch.from_numpy(ours), padding=1), theirs, atol=1e-3, rtol=1e-4)

    @pytest.mark.parametrize(("stabilised", "scale"), [(False, 8.0 / 4), (True, 8.0 / 2)])
    def test_the_scale_of_a_rank_stabilised_lora(self, stabilised: bool, scale: float, tmp_path: Path) -> None:
        """alpha 8, rank 4: divided by the rank, or by its root."""
        settings = json.dumps({"unet.lora_alpha": 8, "unet.use_rslora": stabilised})
        tensors = factor_pair("unet.mid_block.attentions.0.proj_in", 1280, 1280)
        save_file(tensors, tmp_path / "a.safetensors", {"lora_adapter_metadata": settings})
        lora = read_lora(tmp_path / "a.safetensors", SDXL)
        assert lora_layers(lora, Part.UNET)["mid_block.attentions.0.proj_in"].scale == scale

    def test_what_matches_nothing_is_left_out_and_reported(self, base: Any, unet_config: Any, tmp_path: Path) -> None:
        file = write_kohya(tmp_path / "a.safetensors", random_factors(base))
        tensors = load_file(file) | factor_pair("lora_unet_down_blocks_7_attentions_0_proj_in", 8, 8)
        lora = read_lora(write_lora(tmp_path, tensors), unet_config)
        assert len(lora.notes) == 1
        assert "1 of the layers" in lora.notes[0]
        assert "down_blocks_7" in lora.notes[0]


class TestRefusal:
    def test_a_lora_of_stable_diffusion_1_is_named(self, tmp_path: Path) -> None:
        stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
        text = refusal_of(write_lora(tmp_path, factor_pair(stem, 768, 320)))
        assert "Stable Diffusion 1" in text
        assert "SDXL" in text
        assert "768" in text
        assert "2048" in text

    @pytest.mark.parametrize(
        ("stem", "model"),
        [
            ("lora_unet_double_blocks_0_img_attn_proj", "FLUX"),
            ("transformer.single_transformer_blocks.0.attn.to_q", "FLUX"),
            ("lora_te3_encoder_block_0_layer_0_SelfAttention_q", "Stable Diffusion 3"),
            ("diffusion_model.blocks.0.self_attn.q", "transformer"),
        ],
    )
    def test_a_lora_of_another_architecture_is_named(self, stem: str, model: str, tmp_path: Path) -> None:
        assert model in refusal_of(write_lora(tmp_path, factor_pair(stem, 3072, 3072)))

    def test_another_width_is_reported_with_the_layer(self, tmp_path: Path) -> None:
        text = refusal_of(write_lora(tmp_path, factor_pair("lora_unet_input_blocks_4_1_proj_in", 320, 320)))
        assert "down_blocks.1.attentions.0.proj_in" in text
        assert "320×320" in text
        assert "640×640" in text

    @pytest.mark.parametrize(
        ("suffix", "kind"),
        [
            ("oft_blocks", "OFT"),
            ("a1.weight", "GLoRA"),
        ],
    )
    def test_other_kinds_of_adapters_are_named(self, suffix: str, kind: str, tmp_path: Path) -> None:
        stem = "lora_unet_input_blocks_4_1_proj_in"
        assert kind in refusal_of(write_lora(tmp_path, {f"{stem}.{suffix}": torch.ones(4, 4)}))

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("model.diffusion_model.input_blocks.0.0.weight", "whole checkpoint"),
            ("clip_g", "embedding"),
            ("decoder.conv_in.weight", "VAE"),
            ("something", "something"),
        ],
    )
    def test_what_is_no_lora(self, name: str, what: str, tmp_path: Path) -> None:
        text = refusal_of(write_lora(tmp_path, {name: torch.ones(4, 4)}))
        assert "not a LoRA" in text
        assert what in text

    def test_nothing_in_it_matches(self, tmp_path: Path) -> None:
        assert "None of its 1 layers" in refusal_of(
            write_lora(tmp_path, factor_pair("lora_unet_down_blocks_9_proj_in", 8, 8))
        )

    def test_a_truncated_file(self, base: Any, tmp_path: Path) -> None:
        file = write_kohya(tmp_path / "a.safetensors", random_factors(base))
        file.write_bytes(file.read_bytes()[:-100])
        assert "cannot be read" in refusal_of(file)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a pickle in a zip", b"\x80\x02}q\x00."])
    def test_no_safetensors(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.pt").write_bytes(content)
        assert ".safetensors" in refusal_of(tmp_path / "a.pt")

    def test_half_of_a_pair_is_missing(self, tmp_path: Path) -> None:
        tensors = factor_pair("lora_unet_input_blocks_4_1_proj_in", 640, 640)
        del tensors["lora_unet_input_blocks_4_1_proj_in.lora_up.weight"]
        assert "up tensor is missing" in refusal_of(write_lora(tmp_path, tensors))

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(AdditionError, match="no LoRA file"):
            read_lora(tmp_path / "none.safetensors", SDXL)


LAYER_KEY = "lora_unet_down_blocks_1_attentions_0_proj_in"


class TestWhatAStrangerWrote:
    @pytest.mark.parametrize(
        "changed",
        [
            {f"{LAYER_KEY}.alpha": torch.ones(2)},
            {f"{LAYER_KEY}.alpha": torch.ones(0)},
            {f"{LAYER_KEY}.alpha": torch.tensor(torch.nan)},
            {f"{LAYER_KEY}.alpha": torch.tensor(torch.inf)},
            {f"{LAYER_KEY}.lora_down.weight": torch.ones(0, 640), f"{LAYER_KEY}.lora_up.weight": torch.ones(640, 0)},
            {f"{LAYER_KEY}.lora_down.weight": torch.ones(4, 640, dtype=torch.int32)},
            {f"{LAYER_KEY}.lora_down.weight": torch.tensor(1.0)},
            {
                f"{LAYER_KEY}.lora_down.weight": torch.ones(700, 640),
                f"{LAYER_KEY}.lora_up.weight": torch.ones(640, 700),
            },
            {f"{LAYER_KEY}.lora_mid.weight": torch.ones(4, 4, 0, 3)},
        ],
        ids=lambda changed: " ".join(f"{name[len(LAYER_KEY) :]}{list(value.shape)}" for name, value in changed.items()),
    )
    def test_numbers_that_cannot_be(self, changed: dict[str, torch.Tensor], tmp_path: Path) -> None:
        assert read_lora(write_lora(tmp_path, factor_pair(LAYER_KEY, 640, 640)), SDXL)
        assert "is damaged" in refusal_of(write_lora(tmp_path, {**factor_pair(LAYER_KEY, 640, 640), **changed}))

    @pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?<=a)b"])
    def test_a_pattern_that_cannot_be_used(self, pattern: str, tmp_path: Path) -> None:
        message = json.dumps({"unet.lora_alpha": 8, "unet.alpha_pattern": {pattern: 4}})
        save_file(factor_pair(LAYER_KEY, 640, 640), tmp_path / "a.safetensors", {"lora_adapter_metadata": message})
        assert f"{pattern!r}" in refusal_of(tmp_path / "a.safetensors")

    def test_only_regular_files_are_read(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.safetensors")
        (tmp_path / "zero.safetensors").symlink_to("/dev/zero")
        (tmp_path / "folder.safetensors").mkdir()
        for file in tmp_path.iterdir():
            refused = False
            try:
                read_lora(file, SDXL)
            except AdditionError:
                refused = True
            assert refused

    def test_a_name_without_end_is_not_repeated_to_its_end(self, tmp_path: Path) -> None:
        stem = "lora_unet_" + "x" * 900
        assert len(refusal_of(write_lora(tmp_path, factor_pair(stem, 640, 640)))) < 500
        lora = read_lora(write_lora(tmp_path, factor_pair(stem, 640, 640) | factor_pair(LAYER_KEY, 640, 640)), SDXL)
        assert all(len(note) < 500 for note in lora.notes)

    def test_200_mutations(self, tmp_path: Path) -> None:
        mutations(tmp_path / "a.safetensors", range(100))
        mutations(tmp_path / "a.safetensors", range(100), lycoris=True)

    @pytest.mark.slow
    def test_thousands_of_mutations(self, tmp_path: Path) -> None:
        mutations(tmp_path / "a.safetensors", range(200, 5000))
        mutations(tmp_path / "a.safetensors", range(200, 5000), lycoris=True)


LYCORIS = {
    f"{LAYER_KEY}.hada_w1_a": (640, 2),
    f"{LAYER_KEY}.hada_w1_b": (2, 640),
    f"{LAYER_KEY}.hada_w2_a": (640, 2),
    f"{LAYER_KEY}.hada_w2_b": (2, 640),
    f"{LAYER_KEY}.dora_scale": (1, 640),
    f"{LAYER_KEY}.diff_b": (640,),
    "lora_unet_conv_in.diff": (320, 4, 3, 3),
    "lora_unet_input_blocks_1_0_in_layers_0.w_norm": (320,),
    "lora_unet_output_blocks_8_1_proj_in.lokr_w1": (10, 10),
    "lora_unet_output_blocks_8_0_emb_layers_1.weight": (320,),
    "lora_unet_output_blocks_8_0_emb_layers_1.on_input": (1,),
}


def mutations(file: Path, numbers: range, *, lycoris: bool = False) -> None:
    """Each is read, so that its difference can be made, or refused in a sentence."""
    message = json.dumps({"unet.lora_alpha": 8, "unet.alpha_pattern": {"to_q|to_k": 4}, "unet.use_rslora": True})
    tensors = {**factor_pair(LAYER_KEY, 640, 640), f"{LAYER_KEY}.alpha": torch.tensor(2.0)}
    tensors |= {"unet.mid_block.attentions.0.proj_in.lora_A.weight": torch.ones(1, 1280)}
    tensors |= {"unet.mid_block.attentions.0.proj_in.lora_B.weight": torch.ones(1280, 1)}
    if lycoris:
        tensors = {name: torch.full(shape, 0.5) for name, shape in LYCORIS.items()}
    save_file(tensors, file, {"lora_adapter_metadata": message})
    whole = file.read_bytes()
    for number in numbers:
        file.write_bytes(mutated_safetensors(whole, number))
        recorded = ""
        try:
            lora = read_lora(file, SDXL)
            with lora.open_tensors() as opened:
                for layers in lora.weight_deltas.values():
                    for layer in layers.values():
                        shape = layer.weight_shape if len(layer.weight_shape) > 1 else layer.weight_shape * 2
                        layer.delta_weight(opened, np.ones(shape, np.float32))
        except AdditionError as problem:
            recorded = str(problem)
        assert len(recorded) < 700
