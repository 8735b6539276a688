"""Whatever a kept thing depends on is in its key: the smallest change is another key, and equal things are found."""

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
from sdxl_desktop.engine.compile_key import CompileKey, content_id
from sdxl_desktop.engine.compiled_store import Runtime, folder_name
from sdxl_desktop.engine.openvino.conditioning_store import pair_name
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint

EXACT = Execution(device="CPU", text_device="CPU", unet_device="CPU", vae_device="CPU", precision="f32", threads=2)
NOW = Runtime("2026.4.1", "A processor")
ASKED = Prompts(prompt="a red cat", negative_prompt="dog")


def flip(file: Path, share: float = 0.5) -> None:
    """Change one bit."""
    content = bytearray(file.read_bytes())
    content[int(len(content) * share)] ^= 1
    file.write_bytes(content)


def changed(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **values}), "utf-8")


@pytest.fixture
def checkpoint(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny / "ov", tmp_path / "ov"))


def name_there(folder: Path, prompts: Prompts = ASKED, execution: Execution = EXACT, runtime: Runtime = NOW) -> str:
    loaded = LoadedCheckpoint.load(folder)
    return pair_name(loaded, prompts, loaded.keys(ENCODERS, execution).values(), [runtime])


FILES: dict[str, Callable[[Path], object]] = {
    "first encoder's weights": lambda at: flip(at / "text_encoder" / "openvino_model.bin", 0.37),
    "second encoder's weights": lambda at: flip(at / "text_encoder_2" / "openvino_model.bin", 0.99),
    "encoder's graph": lambda at: flip(at / "text_encoder" / "openvino_model.xml"),
    "first vocabulary and merges": lambda at: flip(at / "tokenizer" / "tokenizer.json", 0.9),
    "second vocabulary and merges": lambda at: flip(at / "tokenizer_2" / "tokenizer.json"),
    "tokenizer's setting": lambda at: changed(at / "tokenizer_2" / "tokenizer_config.json", pad_token="?"),
    "tokenizer's new file": lambda at: (at / "tokenizer" / "added_tokens.json").write_text("{}"),
    "tokenizers exchanged": lambda at: _exchange(at / "tokenizer", at / "tokenizer_2"),
    "empty prompt": lambda at: changed(at / "model_index.json", force_zeros_for_empty_prompt=False),
}


def _exchange(one: Path, other: Path) -> None:
    (one / "merges.txt").write_text("#version: 0.2\na b\n", "utf-8")
    aside = one.rename(one.with_name("aside"))
    other.rename(one)
    aside.rename(other)


@pytest.mark.parametrize("what", FILES)
def test_encoded_prompts_are_of_every_file_that_made_them(what: str, checkpoint: Path) -> None:
    before = name_there(checkpoint)
    assert name_there(checkpoint) == before
    FILES[what](checkpoint)
    assert name_there(checkpoint) != before


def test_encoded_prompts_are_of_every_word_and_of_how_they_were_encoded(checkpoint: Path) -> None:
    same = name_there(checkpoint)
    others = [
        *(name_there(checkpoint, replace(ASKED, prompt=text)) for text in ("a red cat ", "a  red cat", "a red caT")),
        *(name_there(checkpoint, replace(ASKED, negative_prompt=text)) for text in ("dog.", "(dog:1.01)", "")),
        name_there(checkpoint, replace(ASKED, prompt_2="a red cat.")),
        name_there(checkpoint, replace(ASKED, negative_prompt_2="dog.")),
        name_there(checkpoint, replace(ASKED, clip_skip=1)),
        name_there(checkpoint, execution=replace(EXACT, precision="bf16")),
        name_there(checkpoint, execution=replace(EXACT, threads=1)),
        name_there(checkpoint, execution=replace(EXACT, text_device="GPU")),
        name_there(checkpoint, runtime=Runtime("2026.4.2", "A processor")),
        name_there(checkpoint, runtime=Runtime("2026.4.1", "A processor, again")),
    ]
    assert len({same, *others}) == 1 + len(others)
    assert name_there(checkpoint, replace(ASKED, prompt_2="a red cat")) == same


BLANK = ("", " ", "\t\n", "()", "( )", "[]", "BREAK", " BREAK BREAK ", "(():1.3)", "\u00a0")


def test_prompts_of_one_name_are_encoded_to_one_pair(tiny: Path, reading: Any) -> None:
    """Prompts that are kept under one name must not be told apart by whoever encodes them."""
    from sdxl_desktop.engine.openvino.prompts import PromptEncoder

    loaded = LoadedCheckpoint.load(tiny / "ov")
    encoder = PromptEncoder(reading(tiny / "ov"))
    found: dict[str, Any] = {}
    for blank in BLANK:
        for prompts in (
            Prompts(prompt="a cat", negative_prompt=blank),
            Prompts(prompt="a cat", negative_prompt_2=blank),
            Prompts(prompt="a cat", prompt_2=blank),
            Prompts(prompt=blank),
        ):
            encoder.forget()
            positive, negative = encoder.encode(prompts)
            now = [positive.embeddings, positive.pooled, negative.embeddings, negative.pooled]
            before = found.setdefault(pair_name(loaded, prompts, (), ()), now)
            assert all(torch.equal(one, other) for one, other in zip(now, before, strict=True))
    assert len(found) < len(BLANK) * 4
    _, missing = encoder.encode(Prompts(prompt="a cat", negative_prompt=" "))
    assert not missing.embeddings.any()


@pytest.mark.parametrize("share", [0.0, 0.031, 0.5, 0.77, 0.9999])
@pytest.mark.parametrize("file", ["openvino_model.bin", "openvino_model.xml"])
def test_a_part_is_named_by_all_of_it(file: str, share: float, checkpoint: Path) -> None:
    before = content_id(checkpoint / "unet")
    assert content_id(shutil.copytree(checkpoint / "unet", checkpoint / "copy")) == before
    flip(checkpoint / "unet" / file, share)
    assert content_id(checkpoint / "unet") != before


def test_compiled_parts_lie_apart_wherever_openvino_does_not_tell_them_apart() -> None:
    key = CompileKey(checkpoint="abc", component="unet", device="CPU")
    others = [
        replace(key, checkpoint="abd"),
        replace(key, component="vae_decoder"),
        replace(key, device="GPU"),
        replace(key, shape="64x64"),
    ]
    assert len({folder_name(key), *map(folder_name, others)}) == 5


def test_a_learned_preview_is_of_what_latents_mean(checkpoint: Path) -> None:
    before = LoadedCheckpoint.load(checkpoint).latents
    assert LoadedCheckpoint.load(checkpoint).latents == before
    config = checkpoint / "vae_decoder" / "config.json"
    scale = json.loads(config.read_text("utf-8"))["scaling_factor"]
    seen = {before}
    for values in ({"scaling_factor": math.nextafter(scale, 1)}, {"latents_mean": [0, 0, 0, 1e-9]}):
        changed(config, **values)
        seen.add(LoadedCheckpoint.load(checkpoint).latents)
    flip(checkpoint / "vae_decoder" / "openvino_model.bin")
    seen.add(LoadedCheckpoint.load(checkpoint).latents)
    assert len(seen) == 4
