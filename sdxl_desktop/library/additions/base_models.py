"""Tells which kind of model a LoRA or an embedding was trained for: by its tensors, else by what its metadata says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdxl_desktop.core.additions import FIRST_ENCODER_KEYS, SECOND_ENCODER_KEYS
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.safetensors_header import TensorInfo
from sdxl_desktop.library.additions.addition_entry import TrainedModel

Tensors = Mapping[str, TensorInfo]

_FOREIGN_LAYERS = (
    (re.compile(r"double_blocks[._]\d+|single_transformer_blocks[._]\d+|single_blocks[._]\d+"), "FLUX"),
    (re.compile(r"joint_(?:transformer_)?blocks[._]\d+|add_k_proj"), "Stable Diffusion 3"),
    (re.compile(r"(?:^|[._])blocks[._]\d+[._](?:self_attn|cross_attn)[._]"), "Wan"),
    (re.compile(r"layers[._]\d+[._](?:attention|feed_forward|self_attn|mlp)[._]"), "another architecture"),
)
_CROSS_ATTENTION = re.compile(r"attn2[._]to_[kv](?:[._]|$)")
_INPUT_SIDE = re.compile(r"(?:lora_down|lora\.down|lora_A(?:\.\w+)?|lokr_w2|hada_w[12]_b)(?:\.weight)?$")
_CONTEXT_WIDTHS = {768: "Stable Diffusion 1.5", 1024: "Stable Diffusion 2", 1280: "SDXL refiner", 2048: "SDXL"}
_SDXL_MARKS = re.compile(
    r"lora_te2_|text_encoder_2[._]|add_embedding|label_emb|transformer_blocks[._][2-9][._]|conditioner[._]embedders"
)
_VECTOR_WIDTHS = {768: "Stable Diffusion 1.5", 1024: "Stable Diffusion 2", 1280: "SDXL"}
_NAME_KEYS = ("modelspec.architecture", "ss_base_model_version", "ss_sd_model_name")
_SDXL_NAMES = re.compile(r"sd[\s_.-]?xl|stable-diffusion-xl|\bxl\b|pony|illustrious|noob|animagine|playground", re.I)
_OTHER_NAMES = (
    (re.compile(r"flux", re.I), "FLUX"),
    (re.compile(r"sd[\s_.-]?v?3|stable-diffusion-v?3", re.I), "Stable Diffusion 3"),
    (re.compile(r"sd[\s_.-]?v?2|stable-diffusion-v?2", re.I), "Stable Diffusion 2"),
    (re.compile(r"sd[\s_.-]?v?1|stable-diffusion-v?1", re.I), "Stable Diffusion 1.5"),
    (re.compile(r"pixart|hunyuan|wan\b|ltx|qwen|lumina|chroma|kolors|auraflow", re.I), ""),
)


def lora_base_model(tensors: Tensors, metadata: Mapping[str, str], told: str) -> tuple[TrainedModel, str]:
    """Return (kind, name for people) of the model that a LoRA with this header is for; `told` is what a file beside it
    says."""
    by_tensors = _by_lora_tensors(tensors)
    name_text = told or next((metadata[key] for key in _NAME_KEYS if metadata.get(key, "").strip()), "")
    return _combined(by_tensors, name_text)


def embedding_base_model(tensors: Tensors, metadata: Mapping[str, str], told: str) -> tuple[TrainedModel, str]:
    """Return the same for an embedding; `tensors` is empty for a file that must not be opened."""
    names = set(tensors)
    by_tensors = ""
    if names & {*FIRST_ENCODER_KEYS} and names & {*SECOND_ENCODER_KEYS}:
        by_tensors = "SDXL"
    elif tensors:
        by_tensors = _VECTOR_WIDTHS.get(next(iter(tensors.values())).shape[-1], "")
    name_text = told or next((metadata[key] for key in _NAME_KEYS if metadata.get(key, "").strip()), "")
    return _combined(by_tensors, name_text)


def _combined(by_tensors: str, name_text: str) -> tuple[TrainedModel, str]:
    """What the tensors say counts; a description may name the variant, such as Pony."""
    kind, name = _by_name(name_text)
    if not by_tensors:
        return kind, name
    if by_tensors == "SDXL":
        return TrainedModel.SDXL, name if kind is TrainedModel.SDXL else "SDXL"
    return TrainedModel.OTHER, name if kind is TrainedModel.OTHER else by_tensors


def _by_lora_tensors(tensors: Tensors) -> str:
    has_mark = False
    for name, tensor in tensors.items():
        for pattern, kind in _FOREIGN_LAYERS:
            if pattern.search(name):
                return kind
        if _CROSS_ATTENTION.search(name) and _INPUT_SIDE.search(name) and len(tensor.shape) >= 2:
            found = _CONTEXT_WIDTHS.get(tensor.shape[1])
            if found is not None:
                return found
        has_mark = has_mark or bool(_SDXL_MARKS.search(name))
    return "SDXL" if has_mark else ""


def _by_name(name_text: str) -> tuple[TrainedModel, str]:
    name = display_text(name_text, 60)
    if not name:
        return TrainedModel.UNKNOWN, ""
    if _SDXL_NAMES.search(name):
        return TrainedModel.SDXL, name
    for pattern, kind in _OTHER_NAMES:
        if pattern.search(name):
            return TrainedModel.OTHER, name if not kind or kind.split()[0].lower() in name.lower() else kind
    return TrainedModel.UNKNOWN, name
