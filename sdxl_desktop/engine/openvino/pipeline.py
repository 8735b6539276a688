"""The parts, tokenizers and configurations in a checkpoint's folder, in diffusers' layout.

It replaces optimum-intel's pipeline, which takes seconds to import and reads all graphs at once. Here a graph is read
when it is compiled, and a tokenizer when a prompt is new.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from sdxl_desktop.core.clip_tokenizer_files import read_clip_tokenizer, tokenizer_error
from sdxl_desktop.core.model_configs import SCALING_FACTOR
from sdxl_desktop.core.parts import GRAPH, OPENVINO_PARTS, Part
from sdxl_desktop.core.untrusted_files import read_json_object
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.engine.openvino import part_compiler
from sdxl_desktop.engine.openvino.dynamic_shapes import make_shapes_dynamic
from sdxl_desktop.engine.openvino.model_part import ModelConfig, ModelPart
from sdxl_desktop.engine.openvino.scheduler_factory import complete_config

_REQUIRED_PARTS = (Part.TEXT_ENCODER_2, Part.UNET, Part.VAE_DECODER)
_INDEX = "model_index.json"


class VaePair:
    """VAE encoder and decoder combined; the encoder may be missing."""

    def __init__(self, decoder: ModelPart, encoder: ModelPart | None) -> None:
        self.decoder, self.encoder = decoder, encoder

    @property
    def config(self) -> ModelConfig:
        return self.decoder.config

    def decode(self, latents: torch.Tensor, return_dict: bool = False) -> tuple[torch.Tensor, ...]:
        """Decode unscaled latents [B, C, h, w]; the first item is float32 [B, 3, H, W]. `return_dict` exists for
        compatibility with diffusers and is ignored."""
        return self.decoder(latent_sample=latents)

    def encode(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        """Encode a picture [B, 3, H, W]. Return float32 outputs by name: `latent_parameters` [B, 2C, h, w] (mean and
        log variance), or in some exports `latent_sample` [B, C, h, w]."""
        assert self.encoder is not None
        outputs = self.encoder.infer({"sample": picture})
        return {next(iter(port.names)): torch.from_numpy(value) for port, value in outputs.items()}


class Pipeline:
    """A checkpoint's parts by diffusers' names. A refiner has no `text_encoder`; some checkpoints have no
    `vae_encoder`."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError or ValueError if a required file is missing or is not valid JSON, CheckpointError if the
        scheduler is not usable."""
        self.folder = folder
        there = {part for part in OPENVINO_PARTS if (folder / part / GRAPH).is_file()}
        if missing := [part for part in _REQUIRED_PARTS if part not in there]:
            raise FileNotFoundError(f"There is no {missing[0].replace('_', ' ')} in it")
        if not (folder / _INDEX).is_file():
            raise FileNotFoundError(f"There is no {_INDEX} in it")
        self.config = ModelConfig.read(
            folder / _INDEX, force_zeros_for_empty_prompt=True, requires_aesthetics_score=False
        )
        self.text_encoder = (
            ModelPart(folder / Part.TEXT_ENCODER, make_shapes_dynamic) if Part.TEXT_ENCODER in there else None
        )
        self.text_encoder_2 = ModelPart(folder / Part.TEXT_ENCODER_2, make_shapes_dynamic)
        self.unet = ModelPart(folder / Part.UNET, part_compiler.patch_unet, time_cond_proj_dim=None)
        self.vae_decoder = self._vae_part(Part.VAE_DECODER)
        self.vae_encoder = self._vae_part(Part.VAE_ENCODER) if Part.VAE_ENCODER in there else None
        self.vae = VaePair(self.vae_decoder, self.vae_encoder)
        self.scheduler_config = complete_config(read_json_object(folder / "scheduler" / "scheduler_config.json"))

    def _vae_part(self, part: str) -> ModelPart:
        network = ModelPart(self.folder / part, make_shapes_dynamic)
        if network.config.get("scaling_factor") is None:
            network.config["scaling_factor"] = SCALING_FACTOR
        return network

    @property
    def model_parts(self) -> dict[str, ModelPart]:
        """The existing parts by name."""
        named = {part: getattr(self, part) for part in OPENVINO_PARTS}
        return {part: network for part, network in named.items() if network is not None}

    @property
    def vae_scale_factor(self) -> int:
        """Pixels per latent."""
        return int(2 ** (len(self.vae_decoder.config.block_out_channels) - 1))

    @cached_property
    def tokenizer(self) -> Any:
        """The first text encoder's tokenizer, or None. Raises CheckpointError if it cannot be read."""
        return None if self.text_encoder is None else _load_tokenizer(self.folder / "tokenizer")

    @cached_property
    def tokenizer_2(self) -> Any:
        """The second text encoder's tokenizer. Raises CheckpointError if it cannot be read."""
        return _load_tokenizer(self.folder / "tokenizer_2")

    def release_graphs(self) -> None:
        """Release the graphs that can be read again."""
        for network in self.model_parts.values():
            network.release_graph()


def _load_tokenizer(folder: Path) -> Any:
    """Create the transformers tokenizer class named here from the files' content. Paths and class names in the files
    are ignored."""
    files = read_clip_tokenizer(folder)
    import transformers  # takes a second; only needed for new prompts
    from tokenizers import AddedToken
    from transformers import CLIPTokenizer

    transformers.utils.logging.set_verbosity_error()
    try:
        return CLIPTokenizer(
            vocab=dict(files.vocabulary),
            merges=list(files.merges),
            model_max_length=files.model_max_length,
            added_tokens_decoder={
                number: AddedToken(mark.content, **mark.flags) for number, mark in files.added_tokens.items()
            },
            **{name: AddedToken(mark.content, **mark.flags) for name, mark in files.special_tokens.items()},
        )
    except Exception as problem:  # the tokenizers library raises bare Exception
        raise tokenizer_error(folder, display_text(str(problem))) from problem
