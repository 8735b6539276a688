"""What the quantization's process is told: one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to quantize and how, where it comes together (`home` and `key` of the workspace), and how much memory it may
    take, in bytes. `calibration` is `Calibration.line()`, or "" for a method that needs none."""

    source: str
    source_name: str
    title: str
    method: str
    calibration: str
    home: str
    key: str
    memory_limit: int

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, line: str | bytes) -> Job:
        return cls(**json.loads(line))
