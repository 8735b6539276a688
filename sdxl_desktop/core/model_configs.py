"""Checks the bounds of an untrusted network config.json before anything is built or counted with it.

Layers, levels and widths determine how many objects and how much memory a network takes; two thousand million layers
exhaust memory while they are only being counted. SDXL has 2 layers per block, 10 transformer blocks, 32 text encoder
layers and widths of some thousands.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdxl_desktop.core.untrusted_files import UntrustedFileError, read_json_object
from sdxl_desktop.core.untrusted_text import display_text

SCALING_FACTOR = 0.13025
"""The scaling factor of SDXL's VAE, and the default for a config without one."""
_MAX_LAYERS = 256
_MAX_LIST_LENGTH = 16
_MAX_NUMBER = 10_000_000
_LAYER_COUNT_KEYS = (
    "layers_per_block",
    "transformer_layers_per_block",
    "reverse_transformer_layers_per_block",
    "num_hidden_layers",
    "layers_per_mid_block",
    "num_encoder_blocks",
    "num_decoder_blocks",
    "encoder_block_count",
    "decoder_block_count",
)
_IGNORED_KEYS = (
    *("attn_implementation", "auto_map", "custom_pipelines", "dtype", "quantization_config", "torch_dtype"),
    *("trust_remote_code", "use_cache"),
)
"""Keys that name code, files or loading options, unrelated to the network."""


def read_model_config(file: Path) -> dict[str, Any]:
    """Return the config.json of a network; raises UntrustedFileError if it is missing or unusable."""
    config = read_json_object(file)
    check_model_config(config)
    return config


def check_model_config(config: Mapping[str, Any]) -> None:
    """Raise UntrustedFileError if the network that `config` describes cannot be built."""
    for key, value in config.items():
        most = _MAX_LAYERS if key in _LAYER_COUNT_KEYS else _MAX_NUMBER
        if not _is_bounded(value, most):
            raise UntrustedFileError(f"its {display_text(key, 40)} is larger than that of any SDXL")


def architecture_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `config` about the network itself, without those about loading."""
    return {key: value for key, value in config.items() if not key.startswith("_") and key not in _IGNORED_KEYS}


def _is_bounded(value: Any, maximum: int) -> bool:
    match value:
        case bool() | None | str():
            return True
        case int() | float():
            return abs(value) <= maximum
        case list():
            return len(value) <= _MAX_LIST_LENGTH and all(_is_bounded(one, maximum) for one in value)
    return True
