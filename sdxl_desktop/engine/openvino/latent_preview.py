"""A small preview of the current step's result, by a linear map from latents to colours."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdxl_desktop.core.checksum_file import read_with_checksum, write_with_checksum
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.untrusted_files import read_json_object

Floats = npt.NDArray[np.float32]

# Scaled latents of SDXL's VAE to RGB in [-1, 1], as published in ComfyUI's latent_formats (class SDXL).
_SDXL = [
    [0.3651, 0.4232, 0.4341],
    [-0.2533, -0.0042, 0.1068],
    [0.1076, 0.1111, -0.0362],
    [-0.3165, -0.2492, -0.2188],
]
_SDXL_BIAS = [0.1084, -0.0175, -0.0011]


_MAX_BYTES = 2**20
"""Maximum size of a map file; it holds a few hundred numbers."""


@dataclass(frozen=True, slots=True)
class PreviewMap:
    """RGB in [0, 1] = latents · matrix + bias; matrix float32 [C, 3], bias float32 [3], latents scaled."""

    matrix: Floats
    bias: Floats

    @classmethod
    def default(cls) -> PreviewMap:
        signed = cls(np.array(_SDXL, np.float32), np.array(_SDXL_BIAS, np.float32))
        return cls(signed.matrix * np.float32(0.5), (signed.bias + np.float32(1)) * np.float32(0.5))

    @classmethod
    def read(cls, file: Path) -> PreviewMap | None:
        """Read the map from a JSON file with "matrix" and "bias"; None if there is no valid one."""
        return cls._from_file(file, read_json_object)

    @classmethod
    def read_cached(cls, file: Path) -> PreviewMap | None:
        """Read the map saved by `write`; None if there is no valid one."""
        return cls._from_file(file, lambda kept: json.loads(read_with_checksum(kept)))

    @classmethod
    def _from_file(cls, file: Path, read: Callable[[Path], Any]) -> PreviewMap | None:
        try:
            content = read(file)
            matrix, bias = (np.array(content[name], np.float32) for name in ("matrix", "bias"))
        except Exception:  # untrusted file, and only for a better preview
            return None
        fits = matrix.ndim == 2 and matrix.shape[1:] == bias.shape == (3,)
        return cls(matrix, bias) if fits and np.isfinite(matrix).all() and np.isfinite(bias).all() else None

    @classmethod
    def fit(cls, latents: Floats, pixels: Pixels) -> PreviewMap:
        """Return the least-squares map from scaled latents [C, h, w] to the finished picture uint8 [H, W, 3]."""
        channels, height, width = latents.shape
        factor = pixels.shape[0] // height
        blocks = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
        colours = blocks.mean(axis=(1, 3)).reshape(-1, 3) / 255
        design = np.concatenate([latents.reshape(channels, -1).T, np.ones((height * width, 1))], axis=1)
        solution, *_ = np.linalg.lstsq(design, colours, rcond=1e-4)
        return cls(solution[:-1].astype(np.float32), solution[-1].astype(np.float32))

    def write(self, file: Path) -> None:
        """Save the map; errors are ignored, since only the better preview is lost."""
        with suppress(OSError):
            write_with_checksum(file, json.dumps({"matrix": self.matrix.tolist(), "bias": self.bias.tolist()}).encode())

    def pixels(self, latents: Floats) -> Pixels:
        """Return uint8 [h, w, 3] for scaled latents [C, h, w]."""
        colours = np.einsum("chw,cr->hwr", np.nan_to_num(latents), self.matrix) + self.bias
        return np.asarray(np.clip(colours, 0, 1) * 255, dtype=np.uint8)


def pred_original_sample(scaled: Floats, prediction: Floats, sigma: float, prediction_type: str) -> Floats:
    """Return the predicted original sample (scaled latents) from the UNet's input, the noise level σ and the guided
    prediction; arrays are float32 [C, h, w].

    The UNet always gets latents in variance-preserving form, x = √ᾱ·x₀ + √(1−ᾱ)·ε (Ho et al., arXiv 2006.11239),
    independent of the scheduler's own form, so this holds for all schedulers except EDM's. ᾱ is 1 / (1 + σ²).
    """
    alpha = 1 / (1 + sigma**2)
    signal, spread = max(alpha, 1e-6) ** 0.5, (1 - alpha) ** 0.5
    match prediction_type:
        case "v_prediction":
            return np.asarray(signal * scaled - spread * prediction, dtype=np.float32)
        case "sample":
            return np.asarray(prediction, dtype=np.float32)
        case _:
            return np.asarray((scaled - spread * prediction) / signal, dtype=np.float32)


def pred_original_sample_edm(
    scaled: Floats, prediction: Floats, sigma: float, prediction_type: str, sigma_data: float
) -> Floats:
    """As `pred_original_sample`, float32 [C, h, w], for UNets that get latents divided by √(σ² + σ_data²); `sigma_data`
    is σ_data (Karras et al., arXiv 2206.00364, table 1)."""
    whole = (sigma**2 + sigma_data**2) ** 0.5
    sign = -1.0 if prediction_type == "v_prediction" else 1.0
    return np.asarray(sigma_data**2 / whole * scaled + sign * sigma * sigma_data / whole * prediction, dtype=np.float32)
