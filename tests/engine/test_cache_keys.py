"""A cache key holds everything that its value depends on: the smallest change is another key, equal inputs share
one."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sdxl_desktop.core.parts import ENCODERS
from sdxl_desktop.core.request import Execution, Prompts
from sdxl_desktop.engine.compile_cache import RuntimeVersion, cache_folder_name
from sdxl_desktop.engine.compile_key import CompileKey, content_id
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from sdxl_desktop.engine.openvino.prompt_cache import prompt_cache_key

EXACT = Execution(device="CPU", text_device="CPU", unet_device="CPU", vae_device="CPU", precision="f32", threads=2)
NOW = RuntimeVersion("2026.4.1", "A processor")
ASKED = Prompts(prompt="a red cat", negative_prompt="dog")


def flip(file: Path, share: float = 0.5) -> None:
    """Change one bit."""
    content = bytearray(file.read_bytes())
    content[int(len(content) * share)] ^= 1
    file.write_bytes(content)


def changed(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **values}), "utf-8")


@pytest.fixture
def checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint / "ov", tmp_path / "ov"))


def prompt_key(
    folder: Path, prompts: Prompts = ASKED, execution: Execution = EXACT, runtime: RuntimeVersion = NOW
) -> str:
    loaded = LoadedCheckpoint.load(folder)
    return prompt_cache_key(loaded, prompts, loaded.compile_keys(ENCODERS, execution).values(), [runtime])


FILES: dict[str, Callable[[Path], object]] = {
    "first encoder's weights": lambda at: flip(at / "text_encoder" / "openvino_model.bin", 0.37),
    "second encoder's weights": lambda at: flip(at / "text_encoder_2" / "openvino_model.bin", 0.99),
    "encoder's graph": lambda at: flip(at / "text_encoder" / "openvino_model.xml"),
    "first vocabulary and merges": lambda at: flip(at / "tokenizer" / "tokenizer.json", 0.9),
    "second vocabulary and merges": lambda at: flip(at / "tokenizer_2" / "tokenizer.json"),
    "tokenizer's setting": lambda at: changed(at / "tokenizer_2" / "tokenizer_config.json", pad_token="?"),
    "tokenizer's new file": lambda at: (at / "tokenizer" / "added_tokens.json").write_text("{}"),
    "tokenizers exchanged": lambda at: _swap_files(at / "tokenizer", at / "tokenizer_2"),
    "empty prompt": lambda at: changed(at / "model_index.json", force_zeros_for_empty_prompt=False),
}


def _swap_files(one: Path, other: Path) -> None:
    (one / "merges.txt").write_text("#version: 0.2\na b\n", "utf-8")
    aside = one.rename(one.with_name("aside"))
    other.rename(one)
    aside.rename(other)


@pytest.mark.parametrize("what", FILES)
def test_encoded_prompts_are_of_every_file_that_made_them(what: str, checkpoint: Path) -> None:
    before = prompt_key(checkpoint)
    assert prompt_key(checkpoint) == before
    FILES[what](checkpoint)
    assert prompt_key(checkpoint) != before


def test_encoded_prompts_are_of_every_word_and_of_how_they_were_encoded(checkpoint: Path) -> None:
    same = prompt_key(checkpoint)
    others = [
        *(prompt_key(checkpoint, replace(ASKED, prompt=text)) for text in ("a red cat ", "a  red cat", "a red caT")),
        *(prompt_key(checkpoint, replace(ASKED, negative_prompt=text)) for text in ("dog.", "(dog:1.01)", "")),
        prompt_key(checkpoint, replace(ASKED, prompt_2="a red cat.")),
        prompt_key(checkpoint, replace(ASKED, negative_prompt_2="dog.")),
        prompt_key(checkpoint, replace(ASKED, clip_skip=1)),
        prompt_key(checkpoint, execution=replace(EXACT, precision="bf16")),
        prompt_key(checkpoint, execution=replace(EXACT, threads=1)),
        prompt_key(checkpoint, execution=replace(EXACT, text_device="GPU")),
        prompt_key(checkpoint, runtime=RuntimeVersion("2026.4.2", "A processor")),
        prompt_key(checkpoint, runtime=RuntimeVersion("2026.4.1", "A processor, again")),
    ]
    assert len({same, *others}) == 1 + len(others)
    assert prompt_key(checkpoint, replace(ASKED, prompt_2="a red cat")) == same


BLANK = ("", " ", "\t\n", "()", "( )", "[]", "BREAK", " BREAK BREAK ", "(():1.3)", "\u00a0")


def test_prompts_of_one_name_are_encoded_to_one_pair(tiny_checkpoint: Path, load_pipeline: Any) -> None:
    """Prompts with one cache key must give the same embeddings."""
    from sdxl_desktop.engine.openvino.prompt_encoder import PromptEncoder

    loaded = LoadedCheckpoint.load(tiny_checkpoint / "ov")
    encoder = PromptEncoder(load_pipeline(tiny_checkpoint / "ov"))
    found: dict[str, Any] = {}
    for blank in BLANK:
        for prompts in (
            Prompts(prompt="a cat", negative_prompt=blank),
            Prompts(prompt="a cat", negative_prompt_2=blank),
            Prompts(prompt="a cat", prompt_2=blank),
            Prompts(prompt=blank),
        ):
            encoder.clear_cache()
            positive, negative = encoder.encode(prompts)
            now = [
                positive.prompt_embeds,
                positive.pooled_prompt_embeds,
                negative.prompt_embeds,
                negative.pooled_prompt_embeds,
            ]
            before = found.setdefault(prompt_cache_key(loaded, prompts, (), ()), now)
            assert all(torch.equal(one, other) for one, other in zip(now, before, strict=True))
    assert len(found) < len(BLANK) * 4
    _, missing = encoder.encode(Prompts(prompt="a cat", negative_prompt=" "))
    assert not missing.prompt_embeds.any()


@pytest.mark.parametrize("share", [0.0, 0.031, 0.5, 0.77, 0.9999])
@pytest.mark.parametrize("file", ["openvino_model.bin", "openvino_model.xml"])
def test_a_part_is_named_by_all_of_it(file: str, share: float, checkpoint: Path) -> None:
    before = content_id(checkpoint / "unet")
    assert content_id(shutil.copytree(checkpoint / "unet", checkpoint / "copy")) == before
    flip(checkpoint / "unet" / file, share)
    assert content_id(checkpoint / "unet") != before


def test_compiled_parts_lie_apart_wherever_openvino_does_not_tell_them_apart() -> None:
    key = CompileKey(content_id="abc", component="unet", device="CPU")
    others = [
        replace(key, content_id="abd"),
        replace(key, component="vae_decoder"),
        replace(key, device="GPU"),
        replace(key, shape="64x64"),
    ]
    assert len({cache_folder_name(key), *map(cache_folder_name, others)}) == 5


def test_a_learned_preview_is_of_what_latents_mean(checkpoint: Path) -> None:
    before = LoadedCheckpoint.load(checkpoint).latent_format_id
    assert LoadedCheckpoint.load(checkpoint).latent_format_id == before
    config = checkpoint / "vae_decoder" / "config.json"
    scale = json.loads(config.read_text("utf-8"))["scaling_factor"]
    seen = {before}
    for values in ({"scaling_factor": math.nextafter(scale, 1)}, {"latents_mean": [0, 0, 0, 1e-9]}):
        changed(config, **values)
        seen.add(LoadedCheckpoint.load(checkpoint).latent_format_id)
    flip(checkpoint / "vae_decoder" / "openvino_model.bin")
    seen.add(LoadedCheckpoint.load(checkpoint).latent_format_id)
    assert len(seen) == 4
