"""A checkpoint in memory: its parts, its prompt encoder and its preview map."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sdxl_desktop.core.parts import OPENVINO_PARTS, Part
from sdxl_desktop.engine.openvino.import_blocking import block_import

with warnings.catch_warnings(), block_import("torch._dynamo"):
    warnings.simplefilter("ignore")
    import diffusers

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.checkpoint import CheckpointKind, check_size
from sdxl_desktop.core.file_hashes import FileHashCache, FileState, file_state, hash_file
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.schedulers import SchedulerName, unavailable_scheduler
from sdxl_desktop.engine.compile_key import CompileKey, content_id
from sdxl_desktop.engine.memory_footprint import MemoryFootprint
from sdxl_desktop.engine.openvino.interruptible_request import InterruptibleInferRequest
from sdxl_desktop.engine.openvino.latent_preview import PreviewMap
from sdxl_desktop.engine.openvino.model_part import READ_ERRORS, checkpoint_load_error
from sdxl_desktop.engine.openvino.pipeline import Pipeline
from sdxl_desktop.engine.openvino.prompt_encoder import PromptEncoder

diffusers.utils.logging.set_verbosity_error()

_TOKENIZERS = ("tokenizer", "tokenizer_2")

FileFingerprint = tuple[tuple[str, FileState], ...]


def file_fingerprint(*paths: Path) -> FileFingerprint:
    """Return a value that changes whenever a file at or below one of `paths` changes. Files deleted meanwhile are
    skipped."""
    found = []
    for place in paths:
        below = (os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names)
        for file in (str(place), *below):
            with suppress(OSError):
                if os.path.isfile(file):
                    found.append((file, file_state(file)))
    return tuple(sorted(found))


@dataclass
class LoadedCheckpoint:
    """A checkpoint in memory. `content_ids` maps each existing part to its content id; `scheduler_config` is the
    checkpoint's own, never replaced; `needs_f32_decoder` is set once the VAE failed in the requested precision;
    `shallow_unet` is the UNet's shallow graph while step caching is possible. `fingerprint` covers its files and those
    of additions, taken before they were read."""

    folder: Path
    pipe: Pipeline
    content_ids: dict[str, str]
    scheduler_config: Mapping[str, Any]
    prompt_encoder: PromptEncoder
    preview_map: PreviewMap | None
    fingerprint: FileFingerprint = ()
    additions: Additions = field(default_factory=Additions)
    notes: tuple[str, ...] = ()
    needs_f32_decoder: bool = False
    shallow_unet: InterruptibleInferRequest | None = None

    @classmethod
    def load(
        cls, folder: Path, hashes: FileHashCache | None = None, check: Callable[[], None] = lambda: None
    ) -> LoadedCheckpoint:
        """Read everything except the graphs. Raises CheckpointError if that fails.

        The first time, all weights are read for their content ids, which `hashes` caches; `check` may raise to cancel.
        """
        hashes = hashes or FileHashCache()
        try:
            pipe = Pipeline(folder)
            contents = {part: content_id(folder / part, hashes, check) for part in pipe.model_parts}
        except READ_ERRORS as problem:
            raise checkpoint_load_error(folder, problem) from problem
        return cls(
            folder=folder,
            pipe=pipe,
            content_ids=contents,
            scheduler_config=pipe.scheduler_config,
            prompt_encoder=PromptEncoder(pipe),
            preview_map=PreviewMap.read(folder / "preview.json"),
        )

    def compile_keys(self, parts: Iterable[str], execution: Execution) -> dict[str, CompileKey]:
        """Return the keys of those `parts` that exist, in the order in which a run needs them. `execution` must contain
        OpenVINO device names."""
        asked = set(parts)
        on = {part: execution.device_for(part) for part in OPENVINO_PARTS}
        return {
            part: CompileKey(
                content_id=self.content_ids[part],
                component=part,
                device=on[part],
                precision=(
                    "f32" if self.needs_f32_decoder and part == Part.VAE_DECODER else execution.precision_on(on[part])
                ),
                threads=execution.threads,
            )
            for part in OPENVINO_PARTS
            if part in asked and part in self.content_ids
        }

    def has_run(self, part: str) -> bool:
        """Whether the part has run since it was compiled, so that all its memory is already allocated."""
        network = self.pipe.model_parts.get(part)
        return network is not None and getattr(network.request, "last_outputs", None) is not None

    @cached_property
    def tokenizers_id(self) -> str:
        """An id of the tokenizer files' contents and the library that reads them. Raises OSError."""
        made = hashlib.sha256(version("transformers").encode())
        for file in sorted(file for part in _TOKENIZERS for file in (self.folder / part).rglob("*") if file.is_file()):
            made.update(f";{file.relative_to(self.folder).as_posix()};{hash_file(file)}".encode())
        return made.hexdigest()

    @property
    def latent_format_id(self) -> str:
        """An id of the latent format: the VAE that decodes the latents, and their scaling."""
        config = self.pipe.vae.config
        scale = [config.get(name) for name in ("scaling_factor", "latents_mean", "latents_std", "shift_factor")]
        return hashlib.sha256(f"{self.content_ids[Part.VAE_DECODER]};{scale!r}".encode()).hexdigest()[:32]

    @cached_property
    def memory_footprint(self) -> MemoryFootprint:
        """The footprint of its actual parts, including LoRA-fused ones or another VAE's."""
        return MemoryFootprint.from_part_folders(
            {part: network.folder for part, network in self.pipe.model_parts.items()}
        )

    def notes_for(self, scheduler: SchedulerName) -> tuple[str, ...]:
        """Return the notes to show for pictures generated with `scheduler`."""
        if not (own := unavailable_scheduler(self.scheduler_config)):
            return self.notes
        return (
            *self.notes,
            f"This checkpoint was made for {own}, which is not available here: it was drawn with {scheduler.label}.",
        )

    @property
    def kind(self) -> CheckpointKind:
        if self.has_inpainting_unet:
            return CheckpointKind.INPAINT
        return CheckpointKind.REFINER if self.pipe.text_encoder is None else CheckpointKind.BASE

    @property
    def has_inpainting_unet(self) -> bool:
        """Whether the UNet takes mask and masked picture as additional channels."""
        return bool(self.pipe.unet.config.in_channels > self.latent_channels)

    @property
    def requires_aesthetics_score(self) -> bool:
        """Whether the UNet is conditioned on an aesthetic score, as refiners are."""
        return bool(self.pipe.config.get("requires_aesthetics_score", False))

    @property
    def latent_channels(self) -> int:
        return int(self.pipe.unet.config.out_channels)

    @property
    def vae_scale_factor(self) -> int:
        """Pixels per latent."""
        return int(self.pipe.vae_scale_factor)

    @property
    def latent_format(self) -> tuple[int, int, float]:
        """Two checkpoints can exchange latents if this is equal."""
        return self.latent_channels, self.vae_scale_factor, float(self.pipe.vae.config.scaling_factor)

    @property
    def is_guidance_distilled(self) -> bool:
        """Whether the UNet is guidance-distilled: it takes the guidance scale as an input."""
        return self.pipe.unet.config.time_cond_proj_dim is not None

    def does_classifier_free_guidance(self, guidance_scale: float) -> bool:
        """Whether the UNet is called with and without the prompt (Ho & Salimans, arXiv 2207.12598)."""
        return guidance_scale > 1 and not self.is_guidance_distilled

    def guidance_scale_embedding(self, guidance_scale: float) -> torch.Tensor:
        """Return the distilled UNet's guidance scale input, float32 [1, D] (Luo et al., arXiv 2310.04378, §4.3)."""
        half = int(self.pipe.unet.config.time_cond_proj_dim) // 2
        spread = torch.exp(torch.arange(half, dtype=torch.float32) * -(torch.log(torch.tensor(10000.0)) / (half - 1)))
        angles = (torch.tensor([guidance_scale - 1]) * 1000.0)[:, None] * spread[None, :]
        embedding = torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
        return torch.nn.functional.pad(embedding, (0, int(self.pipe.unet.config.time_cond_proj_dim) % 2))

    def check_size(self, size: Size) -> None:
        """Raise RequestError if latents of this size cannot be halved as often as the UNet requires."""
        halvings = len(self.pipe.unet.config.block_out_channels) - 1
        check_size(size, math.lcm(8, self.vae_scale_factor * 2**halvings))
