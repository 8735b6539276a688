"""What a checkpoint is given beyond its own files: words, settings, a scheduler, a fused LoRA, another's parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdxl_desktop.core.parts import GRAPH_AND_WEIGHTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionOptions:
    """`source` and `licence` (the hub's name for it) are recorded, `card` is written into checkpoint.json, `scheduler`
    over the scheduler's configuration. `lora` is a file that is fused into the UNet. `parts_of` is a converted
    checkpoint whose parts are taken as they are, all but the UNet, so that the path that is imported holds a UNet
    alone."""

    source: str = ""
    licence: str = ""
    checkpoint_json: Mapping[str, Any] = field(default_factory=dict)
    scheduler_config: Mapping[str, Any] = field(default_factory=dict)
    lora: Path | None = None
    reuse_parts_from: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that decide what becomes of the conversion."""
        others = (
            () if self.reuse_parts_from is None else tuple(sorted(self.reuse_parts_from.glob(f"*/{GRAPH_AND_WEIGHTS}")))
        )
        return (*others, self.lora) if self.lora is not None else others
