"""A device that OpenVINO lists on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass

FIXED_SHAPES_VARIABLE = "SDXL_DESKTOP_STATIC_SHAPES"
"""Environment variable with a comma-separated list of further devices that need fixed shapes."""
_ALWAYS_FIXED = frozenset({"NPU"})


@dataclass(frozen=True, slots=True)
class Device:
    """`name` is OpenVINO's ("CPU", "GPU.0", "NPU"), `full_name` the vendor's."""

    name: str
    full_name: str

    @property
    def label(self) -> str:
        return f"{self.name} · {self.full_name}" if self.full_name else self.name


def device_type(device: str) -> str:
    """Return the device type, for example "GPU" for "GPU.1"."""
    return device.split(".")[0].strip().upper()


def needs_fixed_shapes(device: str) -> bool:
    """Whether parts must be reshaped to fixed shapes before compilation for `device`: NPUs compile nothing else."""
    asked = {name.strip().upper() for name in os.environ.get(FIXED_SHAPES_VARIABLE, "").split(",")}
    return device_type(device) in _ALWAYS_FIXED | asked
