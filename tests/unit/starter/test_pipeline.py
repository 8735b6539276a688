"""Every stage after fetch at toy size, to two small files and to three folders that plain optimum-intel draws with."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.adapters.lora_files import lora_layers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from optimum.intel import OVStableDiffusionXLImg2ImgPipeline, OVStableDiffusionXLPipeline

    from tools.starter import train_text, training
    from tools.starter.distill import distill
    from tools.starter.export import export, share_parts
    from tools.starter.parts import make_unet
    from tools.starter.tokenizer import make_tokenizers
    from tools.starter.train_base import saved_base, train_base
    from tools.starter.train_embedding import BEGIN, train_embedding
    from tools.starter.train_lora import train_lora
    from tools.starter.train_refiner import train_refiner
    from tools.starter.train_vae import train_vae
    from tools.starter.training_state import load_state

from sdxl_desktop.core.parts import Part
from sdxl_desktop.engine.openvino.textual_inversion_files import read_embedding_vectors
from sdxl_desktop.lora.reading import read_lora

from .toy import TOY, make_data

SHEETS = (
    "train_base.save_sheet",
    "train_refiner.save_refined",
    "distil.save_sheet",
    "train_lora.save_sheet",
    "train_embedding.save_words",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder in which the base and the refiner are trained; sheets are left out, the export shows what is
    drawn."""
    folder = tmp_path_factory.mktemp("starter")
    make_data(folder)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sheet in SHEETS:
            patch.setattr(f"tools.starter.{sheet}", lambda *args, **options: None)
        for stage in (train_vae, train_text.train_text, train_base, train_refiner):
            stage(TOY, folder)
        yield folder


@pytest.fixture(scope="module")
def whole(data: Path) -> Path:
    """The same folder when every training stage has run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distill(TOY, data)
        train_lora(TOY, data, data / "additions/style.safetensors")
        train_embedding(TOY, data, data / "additions/word.safetensors")
    return data


@pytest.fixture(scope="module")
def exported(whole: Path) -> Path:
    """A folder that holds `starter`, `starter-refiner` and `starter-lcm`."""
    home = whole / "exported"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(TOY, whole, home / "starter", "base")
        export(TOY, whole, home / "starter-refiner", "refiner")
        export(TOY, whole, home / "starter-lcm", "lcm")
    return home


def load(kind: Any, folder: Path) -> Any:
    pipeline = kind.from_pretrained(folder, export=False, device="CPU")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.slow
def test_each_stage_reached_its_last_step(data: Path) -> None:
    for name in ("base", "refiner"):
        assert_reached(data, name)


@pytest.mark.slow
def test_each_later_stage_reached_its_last_step(whole: Path) -> None:
    for name in ("distil", "lora", "embedding"):
        assert_reached(whole, name)


def assert_reached(data: Path, name: str) -> None:
    state = load_state(data / f"{name}.pt", "cpu")
    assert state is not None
    assert (state["step"], state["samples"]) == (3, 12)


@pytest.mark.slow
def test_the_application_reads_every_layer_of_the_lora(whole: Path) -> None:
    lora = read_lora(whole / "additions/style.safetensors", make_unet(TOY).config)
    assert not lora.notes
    layers = lora_layers(lora, Part.UNET)
    assert {layer.rank for layer in layers.values()} == {TOY.lora_rank}
    assert {"conv_out", "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"} <= set(layers)
    assert set(lora.weight_deltas) == {Part.UNET}


@pytest.mark.slow
def test_the_embedding_moved_away_from_the_words_that_it_began_as(whole: Path) -> None:
    found = read_embedding_vectors(whole / "additions/word.safetensors")
    base = saved_base(TOY, whole)
    tables = [encoder.get_input_embeddings().weight for encoder in (base.text_encoder, base.text_encoder_2)]
    for vectors, table, tokenizer, word in zip(
        (found.first, found.second), tables, make_tokenizers(whole), BEGIN, strict=True
    ):
        began = table[tokenizer(word, add_special_tokens=False).input_ids[0]].detach()
        assert vectors is not None
        assert vectors.shape == (1, len(began))
        assert not torch.allclose(torch.tensor(vectors[0]), began, atol=1e-4)


@pytest.mark.slow
def test_the_base_hands_its_latents_to_the_refiner(exported: Path) -> None:
    base = load(OVStableDiffusionXLPipeline, exported / "starter")
    refiner = load(OVStableDiffusionXLImg2ImgPipeline, exported / "starter-refiner")
    usual: dict[str, Any] = {"num_inference_steps": 5, "guidance_scale": 3.0}
    latents = base(
        "a cat", denoising_end=0.8, output_type="latent", generator=torch.Generator().manual_seed(1), **usual
    )
    drawn = [
        refiner("a cat", image=torch.as_tensor(latents.images), denoising_start=0.8, aesthetic_score=score, **usual)
        for score in (2.0, 9.0)
    ]
    assert {result.images[0].size for result in drawn} == {(32, 32)}


@pytest.mark.slow
def test_the_few_step_variant_draws_in_four_steps(exported: Path) -> None:
    pipeline = load(OVStableDiffusionXLPipeline, exported / "starter-lcm")
    assert type(pipeline.scheduler).__name__ == "LCMScheduler"
    picture = pipeline("a cat", num_inference_steps=4, generator=torch.Generator().manual_seed(1)).images[0]
    assert picture.size == (32, 32)


@pytest.mark.slow
def test_shared_parts_are_the_same_files(exported: Path) -> None:
    for folder, parts in (
        ("starter-refiner", ("text_encoder_2", "tokenizer_2", "vae_decoder", "vae_encoder")),
        ("starter-lcm", ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae_decoder", "vae_encoder")),
    ):
        for part in parts:
            for file in (exported / "starter" / part).iterdir():
                assert file.read_bytes() == (exported / folder / part / file.name).read_bytes()


def test_parts_of_another_base_are_refused(tmp_path: Path) -> None:
    """Two folders with a VAE each, whose weights differ in the second."""
    base, fresh = tmp_path / "starter", tmp_path / "fresh"
    for folder, weights in ((base, b"ours"), (fresh, b"another")):
        for part, content in (("text_encoder_2", b"the same"), ("vae_decoder", weights)):
            (folder / part).mkdir(parents=True)
            (folder / part / "openvino_model.bin").write_bytes(content)
    with pytest.raises(RuntimeError, match="vae_decoder differs"):
        share_parts(fresh, base)


class ProcessKilled(Exception):
    """Stands for the end of a process in the middle of a stage."""


@pytest.mark.slow
def test_a_killed_stage_continues_as_if_nothing_had_happened(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("src", "vae", "merges.json", "text.pt", "base.pt"):
        (tmp_path / name).symlink_to(data / name)
    whole = load_state(data / "refiner.pt", "cpu")
    assert whole is not None
    monkeypatch.setattr(training, "SAVE", 2)
    real = training.Trainer.step

    def dying(self: Any, loss_of: Any, pool: Any, step: int) -> float:
        if step == 2:
            raise ProcessKilled
        return real(self, loss_of, pool, step)

    with monkeypatch.context() as patch:
        patch.setattr(training.Trainer, "step", dying)
        with pytest.raises(ProcessKilled):
            train_refiner(TOY, tmp_path)
    train_refiner(TOY, tmp_path)
    resumed = load_state(tmp_path / "refiner.pt", "cpu")
    assert resumed is not None
    assert resumed["step"] == 3
    for before, after in zip(whole["average"], resumed["average"], strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
