"""Another VAE: taken from a folder of OpenVINO parts, or converted once; refused when it cannot fit."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import load_file, save_file

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.engine.openvino.adapters.vae_conversion import load_vae
from tests.garbage import without_garbage_collections
from tests.library.original_layout import vae_to_original

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module", autouse=True)
def no_garbage_collections() -> Iterator[None]:
    with without_garbage_collections():
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vaes é")


@pytest.fixture(scope="module")
def other_vae(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A diffusers VAE of its own weights and factors that needs no upcast."""
    config = json.loads((tiny_checkpoint / "torch" / "vae" / "config.json").read_text())
    torch.manual_seed(77)
    vae = AutoencoderKL.from_config(
        config | {"scaling_factor": 0.5, "force_upcast": False, "latents_mean": [1, 2, 3, 4], "latents_std": [1.0] * 4}
    )
    folder = tmp_path_factory.mktemp("other vae")
    vae.save_pretrained(folder)
    return folder


def load(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AutoencoderKL.from_pretrained(folder).eval()


def run(folder: Path, values: np.ndarray) -> np.ndarray:
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return np.array(ov.Core().compile_model(folder / "openvino_model.xml", "CPU", exact)([values])[0])


def test_a_diffusers_vae_is_converted_and_computes_the_same(other_vae: Path, cache: Path) -> None:
    found = load_vae(other_vae, 4, cache)
    assert (found.scaling_factor, found.shift_factor, found.vae_scale_factor) == (0.5, 0.0, 8)
    assert found.latents_mean == (1, 2, 3, 4)
    assert found.encoder is not None
    reference = load(other_vae)
    random = np.random.default_rng(0)
    latents = random.normal(size=(1, 4, 12, 20)).astype(np.float32)
    picture = random.uniform(-1, 1, size=(1, 3, 96, 64)).astype(np.float32)
    with torch.no_grad():
        drawn = reference.decode(torch.from_numpy(latents)).sample.numpy()
        moments = reference.encode(torch.from_numpy(picture)).latent_dist.parameters.numpy()
    # the weights are in f16
    assert np.abs(run(found.decoder, latents) - drawn).max() < 0.01 * np.abs(drawn).max()
    assert np.abs(run(found.encoder, picture) - moments).max() < 0.01 * np.abs(moments).max()


def test_it_is_converted_once(other_vae: Path, cache: Path) -> None:
    def written() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in cache.glob("vae-*/*/*")}

    first = load_vae(other_vae, 4, cache)
    before = written()
    assert load_vae(other_vae, 4, cache) == first
    assert written() == before
    assert before


def test_only_a_vae_that_overflows_in_f16_is_marked(other_vae: Path, tiny_checkpoint: Path, cache: Path) -> None:
    """`force_upcast` is diffusers' word for it; the export writes what OpenVINO needs to stay finite."""
    option = ["runtime_options", "ACTIVATIONS_SCALE_FACTOR"]

    def marked(folder: Path) -> bool:
        return bool(ov.Core().read_model(folder / "openvino_model.xml").has_rt_info(option))

    assert marked(load_vae(tiny_checkpoint / "torch", 4, cache).decoder), "found in the checkpoint's folder vae"
    assert not marked(load_vae(other_vae, 4, cache).decoder)


def test_openvino_parts_are_taken_as_they_are(tiny_checkpoint: Path, tmp_path: Path) -> None:
    found = load_vae(tiny_checkpoint / "ov", 4, tmp_path / "cache")
    assert found.decoder == tiny_checkpoint / "ov" / "vae_decoder"
    assert found.encoder == tiny_checkpoint / "ov" / "vae_encoder"
    shutil.copytree(tiny_checkpoint / "ov" / "vae_decoder", tmp_path / "alone" / "vae_decoder")
    assert load_vae(tmp_path / "alone", 4, tmp_path / "cache").encoder is None
    assert not (tmp_path / "cache").exists()


@pytest.fixture(scope="module")
def tiny_vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of TAESDXL's shape, narrower, described as on the hub: without `block_out_channels`."""
    torch.manual_seed(7)
    folder = tmp_path_factory.mktemp("tiny vae")
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_decoder_blocks=(1, 1, 1, 1),
    ).save_pretrained(folder)
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config.pop("block_out_channels", None)
    file.write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("scaling", [0.13025, 0.5])
def test_a_tiny_vae_decodes_unscaled_latents_as_others_do(tiny_vae: Path, cache: Path, scaling: float) -> None:
    found = load_vae(tiny_vae, 4, cache, scaling)
    assert (found.scaling_factor, found.vae_scale_factor, found.encoder) == (scaling, 8, None)
    assert load_vae(tiny_vae, 4, cache, scaling) == found
    reference = AutoencoderTiny.from_pretrained(tiny_vae).eval()
    for shape in ((1, 4, 12, 20), (2, 4, 8, 8)):
        scaled = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        with torch.no_grad():
            expected = reference.decode(torch.from_numpy(scaled)).sample.numpy()
        assert np.abs(run(found.decoder, scaled / np.float32(scaling)) - expected).max() < 0.01


OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def in_the_original_layout(folder: Path) -> dict[str, torch.Tensor]:
    renamed = vae_to_original(load_file(folder / WEIGHTS), 4)
    return {name: tensor.contiguous() for name, tensor in renamed.items()}


def with_old_attention(folder: Path) -> dict[str, torch.Tensor]:
    found = {}
    for name, tensor in load_file(folder / WEIGHTS).items():
        for new, old in OLD_ATTENTION.items():
            name = name.replace(f".attentions.0.{new}.", f".attentions.0.{old}.")
        found[name] = tensor
    return found


def write_form(form: str, source: Path, at: Path) -> Path:
    """The VAE in the folder `source` in another form; returns the path that a user would choose."""
    original, config = in_the_original_layout(source), source / "config.json"
    inside = {f"first_stage_model.{name}": tensor for name, tensor in original.items()}
    folder = at / "folder"
    folder.mkdir()
    match form:
        case "a file in the original layout":
            save_file(original, at / "x.safetensors")
            return at / "x.safetensors"
        case "inside a checkpoint's file":
            save_file({**inside, "model.diffusion_model.out.2.bias": torch.zeros(4)}, at / "x.safetensors")
            return at / "x.safetensors"
        case "a file in diffusers' layout":
            shutil.copy(source / WEIGHTS, at / "x.safetensors")
            return at / "x.safetensors"
        case "a folder in the original layout":
            save_file(original, folder / WEIGHTS)
        case "a folder with one file of any name":
            save_file(original, folder / "sdxl_vae.safetensors")
            return folder
        case "a folder with old names of attention":
            save_file(with_old_attention(source), folder / WEIGHTS)
        case "the vae in a checkpoint's folder, in fp16 alone":
            (folder / "vae").mkdir()
            halves = {name: tensor.half() for name, tensor in load_file(source / WEIGHTS).items()}
            save_file(halves, folder / "vae" / WEIGHTS.replace(".safetensors", ".fp16.safetensors"))
            shutil.copy(config, folder / "vae")
            return folder
        case "a folder in bf16 alone":
            coarse = {name: tensor.bfloat16() for name, tensor in load_file(source / WEIGHTS).items()}
            save_file(coarse, folder / WEIGHTS.replace(".safetensors", ".bf16.safetensors"))
    shutil.copy(config, folder)
    return folder


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("a file in the original layout", marks=pytest.mark.slow),
        "inside a checkpoint's file",
        pytest.param("a file in diffusers' layout", marks=pytest.mark.slow),
        pytest.param("a folder in the original layout", marks=pytest.mark.slow),
        pytest.param("a folder with one file of any name", marks=pytest.mark.slow),
        "a folder with old names of attention",
        pytest.param("the vae in a checkpoint's folder, in fp16 alone", marks=pytest.mark.slow),
        pytest.param("a folder in bf16 alone", marks=pytest.mark.slow),
    ],
)
def test_every_form_decodes_as_diffusers_does(form: str, other_vae: Path, tmp_path: Path) -> None:
    own = json.loads((other_vae / "config.json").read_text())
    chosen = write_form(form, other_vae, tmp_path)
    found = load_vae(chosen, 4, tmp_path / "cache", scaling_factor=0.5, checkpoint_vae_config=own)
    assert (found.scaling_factor, found.encoder is not None) == (0.5, True)
    latents = np.random.default_rng(3).normal(size=(1, 4, 6, 10)).astype(np.float32)
    with torch.no_grad():
        expected = load(other_vae).decode(torch.from_numpy(latents)).sample.numpy()
    close = 0.03 if "bf16" in form else 0.01
    assert np.abs(run(found.decoder, latents) - expected).max() < close * np.abs(expected).max()


def test_the_parts_of_an_export_are_taken_by_any_of_their_names(tiny_checkpoint: Path, tmp_path: Path) -> None:
    decoder = tiny_checkpoint / "ov" / "vae_decoder"
    for chosen in (decoder, decoder / "openvino_model.xml"):
        found = load_vae(chosen, 4, tmp_path / "cache")
        assert (found.decoder, found.encoder) == (decoder, tiny_checkpoint / "ov" / "vae_encoder")


class TestRefusal:
    def refusal(self, folder: Path, tmp_path: Path, channels: int = 4) -> str:
        with pytest.raises(AdditionError) as caught:
            load_vae(folder, channels, tmp_path / "cache")
        assert caught.value.next_step
        return str(caught.value)

    @pytest.mark.parametrize("form", ["ov", "torch"])
    def test_other_latents(self, form: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
        text = self.refusal(tiny_checkpoint / form, tmp_path, channels=16)
        assert "4 channels" in text
        assert "16" in text

    def test_a_config_that_lies_about_its_decoder(self, tiny_checkpoint: Path, tmp_path: Path) -> None:
        shutil.copytree(tiny_checkpoint / "ov" / "vae_decoder", tmp_path / "lying" / "vae_decoder")
        file = tmp_path / "lying" / "vae_decoder" / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"latent_channels": 8}))
        assert "latents have 4 channels" in self.refusal(tmp_path / "lying", tmp_path, channels=8)

    def test_no_vae(self, tmp_path: Path) -> None:
        assert "no VAE folder or file" in self.refusal(tmp_path / "nowhere", tmp_path)
        assert "There is no VAE in" in self.refusal(tmp_path, tmp_path)

    def test_a_file_of_another_thing(self, tmp_path: Path) -> None:
        save_file({"clip_l": torch.zeros(1, 8)}, tmp_path / "x.safetensors")
        assert "clip_l" in self.refusal(tmp_path / "x.safetensors", tmp_path)
        (tmp_path / "x.pt").write_bytes(b"PK")
        assert ".safetensors" in self.refusal(tmp_path / "x.pt", tmp_path)

    def test_a_file_that_is_built_otherwise(self, other_vae: Path, tmp_path: Path) -> None:
        tensors = in_the_original_layout(other_vae)
        wide = {**tensors, "decoder.norm_out.weight": torch.zeros(7)}
        save_file(wide, tmp_path / "x.safetensors")
        own = json.loads((other_vae / "config.json").read_text())
        with pytest.raises(AdditionError, match="norm_out"):
            load_vae(tmp_path / "x.safetensors", 4, tmp_path / "cache", checkpoint_vae_config=own)

    def test_a_folder_of_pickles_says_so(self, other_vae: Path, tmp_path: Path) -> None:
        (tmp_path / "pickled").mkdir()
        shutil.copy(other_vae / "config.json", tmp_path / "pickled")
        (tmp_path / "pickled" / "diffusion_pytorch_model.bin").write_bytes(b"PK")
        assert "hold a program" in self.refusal(tmp_path / "pickled", tmp_path)

    def test_another_kind(self, other_vae: Path, tmp_path: Path) -> None:
        shutil.copytree(other_vae, tmp_path / "kind")
        (tmp_path / "kind" / "config.json").write_text('{"_class_name": "AutoencoderTiny", "latent_channels": 4}')
        assert "AutoencoderTiny" in self.refusal(tmp_path / "kind", tmp_path)

    def test_damaged(self, other_vae: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
        shutil.copytree(other_vae, tmp_path / "torch")
        weights = tmp_path / "torch" / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:5000])
        assert "cannot be loaded" in self.refusal(tmp_path / "torch", tmp_path)
        shutil.copytree(tiny_checkpoint / "ov" / "vae_decoder", tmp_path / "ov" / "vae_decoder")
        (tmp_path / "ov" / "vae_decoder" / "openvino_model.xml").write_text("<net>")
        assert "cannot be read" in self.refusal(tmp_path / "ov", tmp_path)

    @pytest.mark.parametrize(
        "changed",
        [
            {"block_out_channels": 5},
            {"block_out_channels": []},
            {"block_out_channels": ["a"]},
            {"block_out_channels": [64] * 2000},
            {"block_out_channels": [2 * 10**9]},
            {"layers_per_block": 2 * 10**9},
            {"latent_channels": "4"},
            {"latent_channels": [4]},
            {"scaling_factor": "0.13"},
            {"scaling_factor": float("nan")},
            {"scaling_factor": 10**400},
            {"shift_factor": [1]},
            {"latents_mean": 5},
            {"latents_std": [[1]]},
            {"latents_std": {"a": 1}},
            {"norm_num_groups": True},
            {"quantization_config": {"quant_method": "x"}},
            {"_class_name": ["AutoencoderKL"]},
            {"_class_name": "x" * 100_000},
        ],
        ids=lambda changed: str(changed)[:50],
    )
    def test_a_config_of_other_things_than_numbers(self, changed: dict[str, Any], tmp_path: Path) -> None:
        config = {"_class_name": "AutoencoderKL", "block_out_channels": [8, 8], "latent_channels": 4}
        (tmp_path / "config.json").write_text(json.dumps({**config, **changed}))
        (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"nothing")
        with pytest.raises(AdditionError) as caught:
            load_vae(tmp_path, 4, tmp_path / "cache")
        assert "config.json" in str(caught.value) or "channels" in caught.value.why
        assert len(str(caught.value)) < 700

    @pytest.mark.parametrize(
        "text", ["", "5", "[]", "[" * 100_000, "{", '{"a": 1e999}', "\x00"], ids=lambda text: text[:9]
    )
    def test_a_config_that_is_none(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(text)
        (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"nothing")
        with pytest.raises(AdditionError):
            load_vae(tmp_path, 4, tmp_path / "cache")

    def test_weights_that_are_none(self, tmp_path: Path) -> None:
        config = {"_class_name": "AutoencoderKL", "block_out_channels": [8, 8], "latent_channels": 4}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"nothing")
        with pytest.raises(AdditionError, match="too short"):
            load_vae(tmp_path, 4, tmp_path / "cache")
