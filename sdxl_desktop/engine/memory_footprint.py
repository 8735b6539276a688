"""Memory needed to generate with a checkpoint, estimated from its file sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import ENCODERS, WEIGHTS, Part

BASE_PROCESS_BYTES = 600 << 20
"""The engine process with torch, diffusers and OpenVINO, without a model."""
COMPILED_TO_WEIGHTS_RATIO = 1.7
"""Memory of a compiled part after its first use, relative to its weights on disk: OpenVINO stores the weights in the
device's own layout, and those of convolutions in 32 bits. Measured 1.6 for an 8-bit UNet; 32-bit weights take less."""
DENOISING_BYTES_PER_PIXEL = 1500
"""Bytes per pixel of a denoising step with guidance."""
DECODING_BYTES_PER_PIXEL = 4900
"""Bytes per pixel of decoding: 1.6 GB for 512 × 512, 4.8 GB for 1024 × 1024."""

TILED_DECODING_BYTES = 1200 << 20
"""Bytes that decoding a large picture needs at least: with these, decoding in strips is nearly as fast as whole."""


@dataclass(frozen=True, slots=True)
class MemoryFootprint:
    """Bytes that each part takes once it is compiled and used; 0 for a missing part."""

    text_encoders: int
    unet: int
    vae_decoder: int

    @classmethod
    def from_checkpoint(cls, folder: Path) -> MemoryFootprint:
        """Estimate from the sizes of the weights in a checkpoint's folder."""
        return cls.from_part_folders({part: folder / part for part in (*ENCODERS, Part.UNET, Part.VAE_DECODER)})

    @classmethod
    def from_part_folders(cls, folders: Mapping[str, Path]) -> MemoryFootprint:
        """Estimate from the sizes of the weights in each part's folder."""
        compiled = {part: _compiled_bytes(folder) for part, folder in folders.items()}
        return cls(
            text_encoders=sum(compiled.get(part, 0) for part in ENCODERS),
            unet=compiled.get(Part.UNET, 0),
            vae_decoder=compiled.get(Part.VAE_DECODER, 0),
        )

    def decoding(self, size: Size) -> int:
        """Return the bytes for decoding one picture; above `TILED_DECODING_BYTES` it is decoded in strips."""
        return self.vae_decoder + min(DECODING_BYTES_PER_PIXEL * size.width * size.height, TILED_DECODING_BYTES)

    def peak(self, size: Size) -> int:
        """Return the peak memory of the engine process when memory is short: the text encoders are released after use,
        everything else stays loaded, and large pictures are decoded in strips."""
        pixels = size.width * size.height
        work = max(DENOISING_BYTES_PER_PIXEL * pixels, min(DECODING_BYTES_PER_PIXEL * pixels, TILED_DECODING_BYTES))
        return BASE_PROCESS_BYTES + max(self.text_encoders, self.unet + self.vae_decoder + work)


def _compiled_bytes(part: Path) -> int:
    try:
        return round(COMPILED_TO_WEIGHTS_RATIO * (part / WEIGHTS).stat().st_size)
    except OSError:
        return 0
