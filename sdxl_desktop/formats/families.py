"""The known SDXL families and their shipped configuration folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.formats.json_files import read_json, read_json_or_empty


class Family(StrEnum):
    """The SDXL family, by the UNet's topology; the values are the names of the shipped configuration folders."""

    BASE = "base"
    REFINER = "refiner"
    INPAINT = "inpaint"
    SSD_1B = "ssd-1b"
    VEGA = "vega"
    LCM = "lcm"
    """SDXL base with the guidance scale embedded along with the timestep (Luo et al., arXiv 2310.04378)."""
    LCM_SSD_1B = "lcm-ssd-1b"
    OTHER = "other"
    """SDXL's architecture with other depths, such as KOALA: only its own configuration describes it."""

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Family.BASE: "SDXL base",
    Family.REFINER: "SDXL refiner",
    Family.INPAINT: "SDXL inpainting (9 channels)",
    Family.SSD_1B: "SSD-1B",
    Family.VEGA: "Segmind-Vega",
    Family.LCM: "SDXL distilled to few steps (LCM)",
    Family.LCM_SSD_1B: "SSD-1B distilled to few steps (LCM)",
    Family.OTHER: "SDXL's kind, of another size",
}

_MIDDLE = "UNetMidBlock2DCrossAttn"


@dataclass(frozen=True)
class PipelineConfigFolder:
    """A folder of configurations in diffusers' layout: model_index.json and a config.json for each part, no weights."""

    folder: Path

    @cached_property
    def index(self) -> dict[str, Any]:
        return read_json(self.folder / "model_index.json")

    def config(self, part: str) -> dict[str, Any] | None:
        """Return the config.json of `part`; None if there is no such part."""
        return read_json_or_empty(self.folder / part / "config.json") or None

    @property
    def scheduler(self) -> dict[str, Any]:
        return read_json_or_empty(self.folder / "scheduler" / "scheduler_config.json")


def shipped_config_folder(family: Family) -> PipelineConfigFolder:
    """Return the configuration of a family at its published size."""
    return PipelineConfigFolder(resources_folder() / "configs" / family.value)


def shipped_config_folders() -> Iterator[tuple[Family, PipelineConfigFolder]]:
    for family in Family:
        if family is not Family.OTHER:
            yield family, shipped_config_folder(family)


def clip_vocabulary() -> Path:
    """Return the folder with CLIP's vocab.json and merges.txt, which all SDXL models share."""
    return resources_folder() / "configs" / "clip"


def family_of(unet: dict[str, Any], *, has_first_encoder: bool) -> Family:
    """Return the family of a UNet configuration of any size."""
    no_mid_block = unet.get("mid_block_type", _MIDDLE) != _MIDDLE  # null: no mid block
    if unet.get("time_cond_proj_dim"):
        return Family.LCM_SSD_1B if no_mid_block else Family.LCM
    if int(unet.get("in_channels", 4)) == 9:
        return Family.INPAINT
    if not has_first_encoder:
        return Family.REFINER
    if not no_mid_block:
        return Family.BASE
    back = unet.get("reverse_transformer_layers_per_block")
    if not back or not isinstance(back[0], list):
        return Family.OTHER
    return Family.VEGA if len(set(back[0])) == 1 else Family.SSD_1B
