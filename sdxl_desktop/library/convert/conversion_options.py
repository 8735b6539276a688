"""Options of a conversion beyond the model's files: description, settings, scheduler, LoRA to fuse, parts to reuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdxl_desktop.core.parts import GRAPH_AND_WEIGHTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionOptions:
    """`source` and `licence` (the hub's name for it) are recorded, `checkpoint_json` is merged into checkpoint.json,
    `scheduler_config` into the scheduler's configuration. `lora` is a file to fuse into the UNet. `reuse_parts_from` is
    a converted checkpoint from which all parts but the UNet are reused; the imported path then holds a UNet alone."""

    source: str = ""
    licence: str = ""
    checkpoint_json: Mapping[str, Any] = field(default_factory=dict)
    scheduler_config: Mapping[str, Any] = field(default_factory=dict)
    lora: Path | None = None
    reuse_parts_from: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that determine the result of the conversion."""
        others = (
            () if self.reuse_parts_from is None else tuple(sorted(self.reuse_parts_from.glob(f"*/{GRAPH_AND_WEIGHTS}")))
        )
        return (*others, self.lora) if self.lora is not None else others
