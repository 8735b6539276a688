"""What the conversion's process is told: one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """What to convert, where it comes together (`home` and `key` of the workspace), and how much memory it may take, in
    bytes.

    `weights` is "" where a folder of OpenVINO parts is copied as it is; `extras` are those of `Extras`.
    """

    path: str
    title: str
    weights: str
    home: str
    key: str
    memory_limit: int
    extras: dict[str, Any] = field(default_factory=dict)

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, line: str | bytes) -> Job:
        return cls(**json.loads(line))
