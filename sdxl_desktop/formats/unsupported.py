"""Recognizes weights that are not an SDXL checkpoint by the names and shapes of their tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sdxl_desktop.formats.format_errors import NotSdxlError
from sdxl_desktop.formats.safetensors_header import Shape

Shapes = Mapping[str, Shape]

_CHOOSE = (
    "Choose a checkpoint made from SDXL: SDXL base, refiner or inpainting, SSD-1B, Segmind-Vega, or one of theirs."
)

# One matching name suffices; the order matters, since the first match determines the kind.
_BY_NAME: tuple[tuple[str, str], ...] = (
    (r"double_blocks\.\d+\.img_attn|single_transformer_blocks\.\d+", "a FLUX checkpoint"),
    (r"joint_blocks\.\d+\.x_block|\bjoint_transformer_blocks\b", "a Stable Diffusion 3 checkpoint"),
    (
        r"transformer_blocks\.\d+\.attn\.add_k_proj|transformer_blocks\.\d+\.norm1_context",
        "a Stable Diffusion 3 checkpoint",
    ),
    (r"(^|\.)(effnet_mapper|clf|clip_txt_pooled_mapper)\.", "a Stable Cascade checkpoint"),
    (r"(^|\.)adaln_single\.", "a PixArt or LTX checkpoint"),
    (r"(^|\.)txt_in\.individual_token_refiner", "a HunyuanVideo checkpoint"),
    (r"(^|\.)(mlp_t5|text_states_proj)\.", "a Hunyuan-DiT checkpoint"),
    (r"(^|\.)encoder_hid_proj\.", "a Kolors or IP-Adapter checkpoint"),
    (
        r"(^|\.)temporal_transformer|time_stack|time_mixer|motion_modules",
        "a video model (Stable Video Diffusion or AnimateDiff)",
    ),
    (r"^blocks\.\d+\.(self_attn|cross_attn)\.|patch_embedding\.weight", "a Wan video model"),
    (r"^(control_model|controlnet)[._]|controlnet_cond_embedding|input_hint_block", "a ControlNet"),
    (r"^(image_proj|ip_adapter)\.", "an IP-Adapter"),
    (r"^adapter\.(body|conv_in)|^body\.\d+\.block1", "a T2I-Adapter"),
    (r"^params_ema$|^(body|upconv\d|conv_body|conv_up\d)\.|^model\.1\.sub\.", "an upscaler"),
    (r"^(model\.)?(layers|h)\.\d+\.(self_attn|attn|mlp)\.|^lm_head\.", "a language model"),
    (r"^visual\.|^vision_model\.|^logit_scale", "a CLIP image encoder"),
    (r"^text_model\.|^transformer\.resblocks\.|^(encoder\.block|shared)\.", "a text encoder alone"),
)

_CONTEXTS = {768: "a Stable Diffusion 1.5 checkpoint", 1024: "a Stable Diffusion 2 checkpoint"}
_CROSS_KEYS = re.compile(
    r"(^|\.)(input_blocks\.\d+\.1|down_blocks\.\d+\.attentions\.\d+)\.transformer_blocks\.\d+\.attn2\.to_k\.weight"
)


def detect_foreign_model(shapes: Shapes) -> str | None:
    """Return the kind of model of these tensors, as words to follow "It is"; None for SDXL and unknown models."""
    if kind := _by_name(shapes):
        return kind
    if any(name.startswith("cond_stage_model.transformer.") for name in shapes):
        return _CONTEXTS[768]
    if any(name.startswith("cond_stage_model.model.") for name in shapes):
        return _CONTEXTS[1024]
    for name, shape in shapes.items():
        if _CROSS_KEYS.search(name) and len(shape) == 2 and shape[1] in _CONTEXTS:
            return _CONTEXTS[shape[1]]
    return None


def _by_name(names: Iterable[str]) -> str | None:
    every = "\n".join(names)
    for pattern, kind in _BY_NAME:
        if re.search(pattern, every, re.MULTILINE):
            return kind
    return None


def not_sdxl_error(what: str, kind: str) -> NotSdxlError:
    """Return the error for a file called `what` that is `kind`."""
    return NotSdxlError(f"{what} is not an SDXL checkpoint.", why=f"It is {kind}.", next_step=_CHOOSE)


def unknown_file_error(what: str, why: str) -> NotSdxlError:
    """Return the error for a file of unknown kind."""
    return NotSdxlError(f"{what} is not a checkpoint this application knows.", why=why, next_step=_CHOOSE)
