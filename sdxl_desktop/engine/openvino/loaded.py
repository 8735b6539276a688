"""A checkpoint in memory: its optimum-intel pipeline with mended parts, its prompt encoder and preview map."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import diffusers
    import transformers
    from optimum.intel import OVStableDiffusionXLPipeline

from sdxl_desktop.core.checkpoint import check_size
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.engine.openvino import parts
from sdxl_desktop.engine.openvino.preview import PreviewMap
from sdxl_desktop.engine.openvino.prompts import PromptEncoder

diffusers.utils.logging.set_verbosity_error()
transformers.utils.logging.set_verbosity_error()
for chatty in ("optimum", "optimum.intel", "optimum.intel.openvino.modeling_base"):
    logging.getLogger(chatty).setLevel(logging.ERROR)

TEXT_TO_IMAGE = ("text_encoder", "text_encoder_2", "unet", "vae_decoder")
Stamp = tuple[tuple[str, int, int], ...]


def stamp(folder: Path) -> Stamp:
    """Changes whenever a file of the checkpoint does."""
    files = sorted(file for file in folder.glob("**/*") if file.is_file())
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)


@dataclass
class LoadedCheckpoint:
    """`contents` maps each part to its content id; `scheduler_config` is the checkpoint's own, never replaced;
    `needs_f32_decoder` is set once the VAE has failed in the precision asked for."""

    folder: Path
    stamp: Stamp
    pipe: Any
    contents: Mapping[str, str]
    scheduler_config: Mapping[str, Any]
    encoder: PromptEncoder
    preview_map: PreviewMap | None
    needs_f32_decoder: bool = False

    @classmethod
    def load(cls, folder: Path) -> LoadedCheckpoint:
        """Read the parts without compiling any; raises CheckpointError when that fails."""
        try:
            pipe = OVStableDiffusionXLPipeline.from_pretrained(str(folder), export=False, compile=False)
            parts.mend_unet(pipe.unet.model)
            contents = {part: parts.content_id(folder / part) for part in TEXT_TO_IMAGE}
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as problem:
            raise CheckpointError(
                f"The checkpoint in {folder} cannot be loaded.",
                why=f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}".rstrip(": .")
                + ".",
                next_step="Choose another checkpoint, or copy or export this one again.",
            ) from problem
        pipe.set_progress_bar_config(disable=True)
        return cls(
            folder=folder,
            stamp=stamp(folder),
            pipe=pipe,
            contents=contents,
            scheduler_config=dict(pipe.scheduler.config),
            encoder=PromptEncoder(pipe),
            preview_map=PreviewMap.read(folder / "preview.json"),
        )

    def keys(self, device: str, execution: Execution) -> dict[str, CompileKey]:
        """What must be compiled to draw from words, in the order it is needed."""
        return {
            part: CompileKey(
                checkpoint=self.contents[part],
                component=part,
                device=device,
                precision="f32" if self.needs_f32_decoder and part == "vae_decoder" else execution.precision,
                threads=execution.threads,
            )
            for part in TEXT_TO_IMAGE
        }

    def check_size(self, size: Size) -> None:
        """Raise RequestError when the UNet cannot halve latents of this size as often as it does."""
        halvings = len(self.pipe.unet.config.block_out_channels) - 1
        check_size(size, math.lcm(8, self.pipe.vae_scale_factor * 2**halvings))
