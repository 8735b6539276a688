"""Applies additions to a loaded checkpoint: LoRAs to its weights, embeddings to its vocabulary, another VAE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.parts import ENCODERS, Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.compile_key import content_id, shared_file_hashes
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from sdxl_desktop.engine.openvino.prompt_encoder import PromptEncoder
from sdxl_desktop.engine.openvino.textual_inversion import attach_embeddings, embeddings_digest, read_embedding
from sdxl_desktop.formats.lora_keys import LORA_PARTS

if TYPE_CHECKING:
    from sdxl_desktop.engine.openvino.adapters.vae_conversion import OpenVinoVaeParts


AdapterProgressCallback = Callable[[str, float], None]
"""Called with the current operation and its progress in [0, 1]; may raise to cancel."""


class AdapterLoader:
    """Applies additions to checkpoints. Expensive results, fused and converted parts, are stored in the cache
    folder."""

    def __init__(self, paths: AppPaths) -> None:
        self._hashes = shared_file_hashes(paths.cache)
        self._fused = paths.cache / "fused"
        self._vaes = paths.cache / "vae"

    def load_adapters(
        self, loaded: LoadedCheckpoint, additions: Additions, report_progress: AdapterProgressCallback
    ) -> LoadedCheckpoint:
        """Return `loaded`, whose parts it changes, with `additions`. Raises AdditionError for one that does not fit."""
        if additions.loras:
            self._fuse_loras(loaded, additions, report_progress)
        if additions.embeddings:
            _attach_embeddings(loaded, additions)
        if additions.vae is not None:
            _replace_vae(loaded, additions.vae, self._vaes, self._hashes)
        return replace(loaded, additions=additions)

    def _fuse_loras(
        self, loaded: LoadedCheckpoint, additions: Additions, report_progress: AdapterProgressCallback
    ) -> None:
        from sdxl_desktop.engine.openvino.adapters.fused_parts import (
            FusedPartCache,  # importing diffusers takes seconds; only needed for LoRAs
        )

        fused, config = FusedPartCache(self._fused, hashes=self._hashes), dict(loaded.pipe.unet.config)
        for part in LORA_PARTS:
            if part not in loaded.content_ids:
                continue
            folder = fused.fuse_part(
                loaded.folder / part,
                part,
                loaded.content_ids[part],
                additions.loras,
                config,
                lambda done, total: report_progress("LoRA", done / total),
            )
            if folder != loaded.folder / part:
                loaded.pipe.model_parts[part].use_graph_from(folder)
                loaded.content_ids[part] = folder.name.removeprefix(f"{part}-")
        loaded.notes += fused.notes(additions.loras, config)


def _attach_embeddings(loaded: LoadedCheckpoint, additions: Additions) -> None:
    pipe = loaded.pipe
    embeddings = [read_embedding(use.file).with_token(use.token) for use in additions.embeddings]
    first = None if pipe.text_encoder is None else pipe.text_encoder.model
    vocabulary = attach_embeddings(embeddings, first, pipe.text_encoder_2.model)
    for part in ENCODERS:
        if part in loaded.content_ids:
            pipe.model_parts[part].keep_graph()
            loaded.content_ids[part] += f"-{embeddings_digest(embeddings)}"
    loaded.prompt_encoder = PromptEncoder(pipe, vocabulary)


def _replace_vae(loaded: LoadedCheckpoint, path: Path, cache: Path, hashes: FileHashCache) -> None:
    from sdxl_desktop.engine.openvino.adapters.vae_conversion import (
        load_vae,  # importing optimum-intel takes seconds; only needed for other VAEs
    )

    own = loaded.pipe.vae.config
    vae = load_vae(path, loaded.latent_channels, cache, float(own.scaling_factor), hashes, own)
    if vae.vae_scale_factor != loaded.vae_scale_factor:
        raise AdditionError(
            f"The VAE in {path} does not fit this checkpoint.",
            why=f"It makes {vae.vae_scale_factor} × {vae.vae_scale_factor} pixels of a latent, and the checkpoint's "
            f"own makes {loaded.vae_scale_factor} × {loaded.vae_scale_factor}.",
            next_step="Choose a VAE made for this checkpoint, or leave its own in place.",
        )
    _replace_vae_part(loaded, Part.VAE_DECODER, vae.decoder, vae, hashes)
    if vae.encoder is not None and loaded.pipe.vae_encoder is not None:
        _replace_vae_part(loaded, Part.VAE_ENCODER, vae.encoder, vae, hashes)
    loaded.needs_f32_decoder = False


def _replace_vae_part(
    loaded: LoadedCheckpoint, name: str, folder: Path, vae: OpenVinoVaeParts, hashes: FileHashCache
) -> None:
    part = loaded.pipe.model_parts[name]
    part.use_graph_from(folder)
    part.register_to_config(**{"latents_mean": None, "latents_std": None, **vae.config})
    loaded.content_ids[name] = content_id(folder, hashes)
