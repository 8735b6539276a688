"""Parses the keys of LoRA files into part, layer and tensor role.

diffusers can convert layouts too (`lora_state_dict`), but for loading into torch modules: it drops DoRA's scales with a
warning, which makes pictures wrong; it drops SGM names if a file has both kinds; and one unknown layer (`label_emb`,
`conv_in` by its SGM name) makes the whole file fail with a list of keys. Here every key is looked up in a table of the
existing layers, and unknown keys are reported by name. The tests compare both.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sdxl_desktop.core.parts import ENCODERS, Part

LORA_PARTS = (*ENCODERS, Part.UNET)
"""The parts of a checkpoint that a LoRA may change."""


class TensorRole(StrEnum):
    """The role of a tensor in its layer's delta: up · (mid ·) down · alpha / rank for plain LoRA, for others as in the
    formulas in `lycoris`."""

    DOWN = "down"
    UP = "up"
    MID = "mid"
    ALPHA = "alpha"
    HADA_W1_A = "hada_w1_a"
    HADA_W1_B = "hada_w1_b"
    HADA_W2_A = "hada_w2_a"
    HADA_W2_B = "hada_w2_b"
    HADA_T1 = "hada_t1"
    HADA_T2 = "hada_t2"
    LOKR_W1 = "lokr_w1"
    LOKR_W1_A = "lokr_w1_a"
    LOKR_W1_B = "lokr_w1_b"
    LOKR_W2 = "lokr_w2"
    LOKR_W2_A = "lokr_w2_a"
    LOKR_W2_B = "lokr_w2_b"
    LOKR_T2 = "lokr_t2"
    IA3 = "weight"
    IA3_ON_INPUT = "on_input"
    DIFF = "diff"
    DIFF_BIAS = "diff_b"
    NORM_WEIGHT = "w_norm"
    NORM_BIAS = "b_norm"
    DORA_SCALE = "dora_scale"
    DORA_MAGNITUDE = "lora_magnitude_vector"


@dataclass(frozen=True, slots=True)
class LoraKey:
    """A parsed key. `part` is None if the key does not tell it; `layer` is as spelled in the file."""

    part: Part | None
    layer: str
    role: TensorRole


_ROLES = {
    "down": TensorRole.DOWN,
    "A": TensorRole.DOWN,
    "up": TensorRole.UP,
    "B": TensorRole.UP,
    "mid": TensorRole.MID,
}
# x.lora_down.weight (kohya) · x.lora_A.weight, x.lora_A.default.weight (PEFT) · x.to_q_lora.down.weight,
# x.lora.down.weight, x.lora_linear_layer.down.weight (diffusers before PEFT)
_FACTOR = re.compile(
    r"(?P<layer>.+?)[._]lora[._](?:linear_layer\.)?(?P<side>down|up|mid|A|B)(?:\.[a-zA-Z]\w*)??\.weight"
)
_NAMED = frozenset(TensorRole) - {
    TensorRole.DOWN,
    TensorRole.UP,
    TensorRole.MID,
    TensorRole.ALPHA,
    TensorRole.IA3,
    TensorRole.DORA_MAGNITUDE,
}
"""The roles whose names are the last component of LyCORIS' keys."""
# x.lora_magnitude_vector, x.lora_magnitude_vector.weight, x.lora_magnitude_vector.default.weight (PEFT)
_MAGNITUDE = re.compile(r"(?P<layer>.+?)\.lora_magnitude_vector(?:(?:\.[a-zA-Z]\w*)??\.weight)?")
_ALPHA = re.compile(r"(?P<layer>.+?)(?:\.lora)?\.alpha")

# Longer prefixes precede shorter ones; LoRAs published with their model use the trainers' names for the UNet.
_PREFIXES = (
    ("lora_unet_", Part.UNET),
    ("lora_te1_", Part.TEXT_ENCODER),
    ("lora_te2_", Part.TEXT_ENCODER_2),
    ("lora_te_", Part.TEXT_ENCODER),
    ("lycoris_unet_", Part.UNET),
    ("lycoris_te1_", Part.TEXT_ENCODER),
    ("lycoris_te2_", Part.TEXT_ENCODER_2),
    ("lycoris_te_", Part.TEXT_ENCODER),
    ("lycoris_", Part.UNET),
    ("text_encoder_2.", Part.TEXT_ENCODER_2),
    ("text_encoder.", Part.TEXT_ENCODER),
    ("unet.", Part.UNET),
    ("base_model.model.", Part.UNET),
    ("diffusion_model.", Part.UNET),
    ("down_blocks.", Part.UNET),
    ("mid_block.", Part.UNET),
    ("up_blocks.", Part.UNET),
)


_MARKS = (
    *("lora_", "_lora", ".lora", "lora.", "lycoris_", "hada_", "lokr_", "oft_", "dora_scale"),
    *(".diff_b", ".on_input"),
)


def is_lora(keys: Iterable[str]) -> bool:
    """Whether a file with these `keys` is a LoRA or a similar adapter, supported or not."""
    return any(mark in key for key in keys for mark in _MARKS)


def parse_lora_key(key: str, keys: Container[str] = ()) -> LoraKey | None:
    """Parse `key`; None if it is not an adapter tensor. `keys` are all keys of the file: those of (IA)³ are recognized
    by their siblings."""
    layer, _, last = key.rpartition(".")
    if layer and (last in _NAMED or (last == TensorRole.IA3 and f"{layer}.{TensorRole.IA3_ON_INPUT}" in keys)):
        return _of_part(layer, TensorRole(last))
    if match := _MAGNITUDE.fullmatch(key):
        return _of_part(match["layer"], TensorRole.DORA_MAGNITUDE)
    if match := _FACTOR.fullmatch(key):
        role = _ROLES[match["side"]]
    elif match := _ALPHA.fullmatch(key):
        role = TensorRole.ALPHA
    else:
        return None
    return _of_part(match["layer"].replace(".processor.", "."), role)


def _of_part(layer: str, role: TensorRole) -> LoraKey:
    for prefix, part in _PREFIXES:
        if layer.startswith(prefix):
            kept = layer if prefix.endswith(("blocks.", "block.")) else layer.removeprefix(prefix)
            return LoraKey(part, kept.removeprefix("base_model.model."), role)
    return LoraKey(None, layer, role)


_OTHER_KINDS = (
    (re.compile(r"\.(oft_blocks|oft_diag|oft_[rR])\b"), "OFT (LyCORIS)"),
    (re.compile(r"\.[ab][12]\.weight$"), "GLoRA (LyCORIS)"),
    (re.compile(r"vera_lambda_"), "VeRA"),
)


def unsupported_adapter(key: str) -> str | None:
    """Return the name of the unsupported kind of adapter that `key` belongs to; None if there is none."""
    return next((name for pattern, name in _OTHER_KINDS if pattern.search(key)), None)


_FOREIGN = (
    (re.compile(r"double_blocks|single_blocks|single_transformer_blocks"), "FLUX"),
    (re.compile(r"joint_blocks|lora_te3_|text_encoder_3\."), "Stable Diffusion 3"),
    (re.compile(r"lora_prior_|^prior\."), "Stable Cascade"),
    (re.compile(r"^transformer\.|^lora_transformer_|^diffusion_model\.(blocks|layers)\."), "a transformer (DiT) model"),
    (re.compile(r"^base_model\.model\.model\.layers\.|^model\.layers\."), "a language model"),
)


def unsupported_base_model(keys: list[str]) -> str | None:
    """Return the non-SDXL model that a LoRA with these keys is for; None if there is none."""
    return next((name for pattern, name in _FOREIGN if any(pattern.search(key) for key in keys)), None)


_NOT_ADAPTERS = (
    (re.compile(r"^(model\.diffusion_model|conditioner|first_stage_model|cond_stage_model)\."), "a whole checkpoint"),
    (re.compile(r"^(clip_l|clip_g|emb_params|string_to_param.*)$"), "a textual-inversion embedding"),
    (re.compile(r"^(encoder|decoder|post_quant_conv|quant_conv)\."), "a VAE"),
    (re.compile(r"^(down_blocks|mid_block|up_blocks|conv_in|time_embedding)\b"), "a UNet"),
    (re.compile(r"^text_model\."), "a text encoder"),
    (re.compile(r"^(control_model|controlnet)"), "a ControlNet"),
)


def non_adapter_kind(keys: list[str]) -> str | None:
    """Return the kind of a file with these keys that is not a LoRA; None if unknown."""
    return next((name for pattern, name in _NOT_ADAPTERS if any(pattern.search(key) for key in keys)), None)
