"""Puts a person's additions on a loaded checkpoint: LoRAs into its weights, embeddings beside its tokens, a VAE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.file_hashes import FileHashes
from sdxl_desktop.core.parts import ENCODERS, Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.compile_key import content_id, hashes_in
from sdxl_desktop.engine.openvino.embeddings import attach_all, digest, read_embedding
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.prompts import PromptEncoder
from sdxl_desktop.formats.lora_keys import LORA_PARTS

if TYPE_CHECKING:
    from sdxl_desktop.engine.openvino.adapters.vae import VaeFolder


Tell = Callable[[str, float], None]
"""Hears what is at work and the share of it that is done, in [0, 1]; may raise to stop."""


class Outfitter:
    """Equips checkpoints; what is costly, fused and converted parts, it keeps in the cache folder."""

    def __init__(self, paths: AppPaths) -> None:
        self._hashes = hashes_in(paths.cache)
        self._fused = paths.cache / "fused"
        self._vaes = paths.cache / "vae"

    def equip(self, loaded: LoadedCheckpoint, additions: Additions, tell: Tell) -> LoadedCheckpoint:
        """`loaded`, whose parts it changes, with `additions`. Raises AdditionError for one that does not fit."""
        if additions.loras:
            self._fuse(loaded, additions, tell)
        if additions.embeddings:
            _attach(loaded, additions)
        if additions.vae is not None:
            _swap_vae(loaded, additions.vae, self._vaes, self._hashes)
        return replace(loaded, additions=additions)

    def _fuse(self, loaded: LoadedCheckpoint, additions: Additions, tell: Tell) -> None:
        from sdxl_desktop.engine.openvino.adapters.cache import FusedParts  # seconds of diffusers, for LoRAs alone

        fused, config = FusedParts(self._fused, hashes=self._hashes), dict(loaded.pipe.unet.config)
        for part in LORA_PARTS:
            if part not in loaded.contents:
                continue
            folder = fused.fused(
                loaded.folder / part,
                part,
                loaded.contents[part],
                additions.loras,
                config,
                lambda done, total: tell("LoRA", done / total),
            )
            if folder != loaded.folder / part:
                loaded.pipe.networks[part].read_from(folder)
                loaded.contents[part] = folder.name.removeprefix(f"{part}-")
        loaded.notes += fused.notes(additions.loras, config)


def _attach(loaded: LoadedCheckpoint, additions: Additions) -> None:
    pipe = loaded.pipe
    embeddings = [read_embedding(use.file).named(use.token) for use in additions.embeddings]
    first = None if pipe.text_encoder is None else pipe.text_encoder.model
    vocabulary = attach_all(embeddings, first, pipe.text_encoder_2.model)
    for part in ENCODERS:
        if part in loaded.contents:
            pipe.networks[part].pin()
            loaded.contents[part] += f"-{digest(embeddings)}"
    loaded.encoder = PromptEncoder(pipe, vocabulary)


def _swap_vae(loaded: LoadedCheckpoint, path: Path, cache: Path, hashes: FileHashes) -> None:
    from sdxl_desktop.engine.openvino.adapters.vae import check_vae  # seconds of optimum-intel, for other VAEs alone

    own = loaded.pipe.vae.config
    vae = check_vae(path, loaded.latent_channels, cache, float(own.scaling_factor), hashes, own)
    if vae.factor != loaded.vae_factor:
        raise AdditionError(
            f"The VAE in {path} does not fit this checkpoint.",
            why=f"It makes {vae.factor} × {vae.factor} pixels of a latent, and the checkpoint's own makes "
            f"{loaded.vae_factor} × {loaded.vae_factor}.",
            next_step="Choose a VAE made for this checkpoint, or leave its own in place.",
        )
    _put(loaded, Part.VAE_DECODER, vae.decoder, vae, hashes)
    if vae.encoder is not None and loaded.pipe.vae_encoder is not None:
        _put(loaded, Part.VAE_ENCODER, vae.encoder, vae, hashes)
    loaded.needs_f32_decoder = False


def _put(loaded: LoadedCheckpoint, name: str, folder: Path, vae: VaeFolder, hashes: FileHashes) -> None:
    part = loaded.pipe.networks[name]
    part.read_from(folder)
    part.register_to_config(**{"latents_mean": None, "latents_std": None, **vae.config})
    loaded.contents[name] = content_id(folder, hashes)
