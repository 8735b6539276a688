"""A device that OpenVINO lists on this machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """`name` is OpenVINO's ("CPU", "GPU.0", "NPU"), `full_name` the maker's."""

    name: str
    full_name: str

    @property
    def label(self) -> str:
        return f"{self.name} · {self.full_name}" if self.full_name else self.name
