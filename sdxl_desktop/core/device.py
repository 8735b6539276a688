"""A device that OpenVINO lists on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass

STATIC_SHAPES = "SDXL_DESKTOP_STATIC_SHAPES"
"""An environment variable that names more devices, with commas between, that shall get parts of fixed shapes."""
_ALWAYS_STATIC = frozenset({"NPU"})


@dataclass(frozen=True, slots=True)
class Device:
    """`name` is OpenVINO's ("CPU", "GPU.0", "NPU"), `full_name` the maker's."""

    name: str
    full_name: str

    @property
    def label(self) -> str:
        return f"{self.name} · {self.full_name}" if self.full_name else self.name


def kind_of(device: str) -> str:
    """ "GPU" for "GPU.1", and so on."""
    return device.split(".")[0].strip().upper()


def needs_fixed_shapes(device: str) -> bool:
    """Whether parts must be reshaped to fixed shapes before they are compiled for it: NPUs compile nothing else."""
    asked = {name.strip().upper() for name in os.environ.get(STATIC_SHAPES, "").split(",")}
    return kind_of(device) in _ALWAYS_STATIC | asked
