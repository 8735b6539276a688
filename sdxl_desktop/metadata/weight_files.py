"""The names and hashes under which other programs know the weights that a request uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.additions import file_name_only
from sdxl_desktop.formats.weight_variants import KNOWN_ENDINGS, SAFETENSORS_ALIAS

WEIGHT_SUFFIXES = (*KNOWN_ENDINGS, SAFETENSORS_ALIAS)


def weight_file_name(path: Path) -> str:
    """Return the name of a file or folder of weights without folders and without a suffix of weights."""
    name = file_name_only(path).name
    return next((name[: -len(end)] for end in WEIGHT_SUFFIXES if name.lower().endswith(end)), name)


@dataclass(frozen=True, slots=True)
class WeightFile:
    """The file that weights come from: its name without suffix, and the `sha256` of its content, 64 digits, "" if
    unknown."""

    name: str = ""
    sha256: str = ""

    @property
    def auto_v2(self) -> str:
        """The hash as AUTOMATIC1111 and Civitai write it: the first 10 digits."""
        return self.sha256[:10]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFiles:
    """The files of a request: LoRAs and embeddings in its order; None: what the request names, without a hash."""

    checkpoint: WeightFile | None = None
    refiner: WeightFile | None = None
    vae: WeightFile | None = None
    loras: tuple[WeightFile, ...] = ()
    embeddings: tuple[WeightFile, ...] = ()


UNKNOWN_FILES = WeightFiles()
