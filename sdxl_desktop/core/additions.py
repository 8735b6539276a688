"""Additions to a checkpoint: LoRAs, textual-inversion embeddings and another VAE."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.parts import ENCODERS
from sdxl_desktop.core.range_check import check_range

MAX_LORA_WEIGHT = 10.0
MAX_EMBEDDING_BYTES = 32 * 2**20
"""Maximum file size. An embedding of 75 vectors for both encoders has 600 kB; a larger file is something else."""
MAX_EMBEDDING_VECTORS = 1024
"""Maximum per text encoder: vectors are prompt tokens, and a chunk holds 75 of them."""
FIRST_ENCODER_KEYS = ("clip_l", "text_encoders_0")
SECOND_ENCODER_KEYS = ("clip_g", "text_encoders_1")
"""The keys that embedding files use for the vectors of the first and the second text encoder."""


def file_name_only(path: Path) -> Path:
    """Return the last component of a path from any operating system, for records."""
    return Path(PureWindowsPath(path).name)


@dataclass(frozen=True, slots=True)
class LoraReference:
    """A LoRA file (.safetensors, diffusers or kohya layout) and its weight: 1 as trained, below 0 inverted.

    `text_weight` is the text encoders' own weight, None: the same. `from_prompt`: a tag in the typed prompt added it.
    """

    file: Path
    weight: float = 1.0
    text_weight: float | None = None
    from_prompt: bool = False

    def __post_init__(self) -> None:
        for weight in (self.weight, self.weight if self.text_weight is None else self.text_weight):
            check_range(f"The weight of the LoRA {self.file.stem}", weight, -MAX_LORA_WEIGHT, MAX_LORA_WEIGHT)

    def weight_in(self, part: str) -> float:
        """Return the weight in a part of the checkpoint."""
        return self.weight if self.text_weight is None or part not in ENCODERS else self.text_weight


@dataclass(frozen=True, slots=True)
class EmbeddingReference:
    """A textual-inversion file and the prompt token that stands for it."""

    file: Path
    token: str

    def __post_init__(self) -> None:
        if not self.token or any(letter.isspace() for letter in self.token):
            raise RequestError(
                f"{self.token!r} cannot stand for the embedding {self.file.name}.",
                next_step="Use one word without spaces, for instance <my-style>.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """LoRAs are fused in order; `vae` is another VAE, in a file or a folder."""

    loras: tuple[LoraReference, ...] = ()
    embeddings: tuple[EmbeddingReference, ...] = ()
    vae: Path | None = None

    def __post_init__(self) -> None:
        tokens = [embedding.token for embedding in self.embeddings]
        for token in tokens:
            if tokens.count(token) > 1:
                raise RequestError(
                    f"Two embeddings are called {token!r}.", next_step="Give each embedding a token of its own."
                )

    def without_folders(self) -> Additions:
        """Return a copy that holds file names only."""
        return Additions(
            loras=tuple(replace(use, file=file_name_only(use.file)) for use in self.loras),
            embeddings=tuple(replace(use, file=file_name_only(use.file)) for use in self.embeddings),
            vae=None if self.vae is None else file_name_only(self.vae),
        )
