"""Patterns in LoRA files mean what they mean to PEFT, and cannot keep anything busy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sdxl_desktop.formats.peft_metadata import AlphaPatterns, PeftMetadataError, PeftScaling, read_peft_scaling

LAYERS = [
    f"down_blocks.{block}.attentions.{n}.transformer_blocks.{t}.{inner}"
    for block in (1, 2)
    for n in (0, 1)
    for t in (0, 9)
    for inner in ("attn1.to_q", "attn2.to_out.0", "ff.net.0.proj", "norm")
] + ["conv_in", "mid_block.resnets.0.conv1", "text_model.encoder.layers.11.self_attn.q_proj"]


@pytest.mark.parametrize(
    "patterns",
    [
        ["attn1.to_q"],
        ["to_q", "attn1.to_q"],
        ["down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", "to_q"],
        ["q", "to"],
        ["to_q|to_out.0"],
        [r"down_blocks\.1\..*"],
        [".*attn.*", "conv_in"],
        [r"attentions\.\d+\.transformer_blocks\.9\.attn[12]\.to_(q|k|v)"],
        ["^conv_in", "conv"],
        [r"(?:layers\.)?11\.self_attn\.[a-z]_proj"],
        ["mid_block.resnets.0.conv1$"],
        [".", ".*"],
        ["attn1_to_q", "attn1.to_."],
        [f"layers.{n}" for n in range(100)] + ["ff.net.0.proj"] + [f"x{n}" for n in range(100)] + ["norm", ".*"],
        LAYERS,
    ],
    ids=lambda patterns: " ".join(patterns)[:40],
)
def test_they_match_as_in_peft(patterns: list[str]) -> None:
    peft = pytest.importorskip("peft.utils.other")
    own = AlphaPatterns({pattern: float(number) for number, pattern in enumerate(patterns)})
    for layer in LAYERS:
        theirs = peft.get_pattern_key(patterns, layer)
        expected = float(patterns.index(theirs)) if theirs in patterns else None
        if theirs == layer and layer in patterns:  # PEFT gives the layer's own name where nothing matches
            expected = float(patterns.index(layer))
        assert own.find(layer) == expected, layer


@pytest.mark.parametrize(
    "pattern",
    ["([a-z_.0-9]+)+!", "(a|a)*b", "(.*.*.*.*)*x", r"(\w+\.?)+$!", "(x+x+)+y", "(" * 200 + "a?" + ")*" * 200],
    ids=lambda pattern: pattern[:20],
)
def test_a_pattern_that_never_ends_in_python_is_matched_at_once(pattern: str) -> None:
    own = AlphaPatterns({pattern: 1.0})
    for layer in [*LAYERS, "x" * 1000]:
        own.find(layer)


@pytest.mark.parametrize(
    "patterns",
    [
        ["("],
        ["a)|(b"],
        ["["],
        [r"(a)\1"],
        ["(?=a)b"],
        ["*"],
        ["(a{1000}){1000}"],
        ["a" * 2000],
        ["\ud800"],
        [f"a{n}" for n in range(6000)],
        [f"(x?){{900}}{n}" for n in range(50)],
    ],
    ids=lambda patterns: patterns[0][:20].encode("ascii", "replace").decode(),
)
def test_what_cannot_be_matched_in_bounded_time_is_refused(patterns: list[str]) -> None:
    with pytest.raises(PeftMetadataError) as caught:
        AlphaPatterns(dict.fromkeys(patterns, 1.0))
    assert len(str(caught.value)) < 200


def metadata(**settings: Any) -> dict[str, str]:
    return {"lora_adapter_metadata": json.dumps({f"unet.{name}": value for name, value in settings.items()})}


def test_declared_values_count() -> None:
    message = metadata(lora_alpha=8, alpha_pattern={"to_q": 2}, use_rslora=False, r=4, target_modules=["x"])
    settings = read_peft_scaling(message, "unet")
    assert (settings.scale("a.to_q", 4), settings.scale("a.to_k", 4)) == (0.5, 2.0)
    assert read_peft_scaling(message, "text_encoder") == PeftScaling()
    assert read_peft_scaling(metadata(lora_alpha=8, use_rslora=True), "unet").scale("a", 4) == 4.0
    assert read_peft_scaling({}, "unet").scale("a", 4) == 1.0
    assert read_peft_scaling(metadata(r=4), "unet").scale("a", 4) == 1.0


@pytest.mark.parametrize(
    "settings",
    [
        {"lora_alpha": "8"},
        {"lora_alpha": [8]},
        {"lora_alpha": 10**400},
        {"lora_alpha": 1e300},
        {"lora_alpha": float("nan")},
        {"alpha_pattern": 5},
        {"alpha_pattern": ["a"]},
        {"alpha_pattern": {"a": "b"}},
        {"alpha_pattern": {"a": None}},
        {"use_rslora": "yes"},
    ],
    ids=str,
)
def test_settings_of_another_kind_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(PeftMetadataError):
        read_peft_scaling(metadata(**settings), "unet")


@pytest.mark.parametrize("text", ["5", "[]", "{", "[" * 100_000, '{"unet.lora_alpha": 1e999}', "\ud800"], ids=ascii)
def test_metadata_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PeftMetadataError):
        read_peft_scaling({"lora_adapter_metadata": text[:100_000]}, "unet")
