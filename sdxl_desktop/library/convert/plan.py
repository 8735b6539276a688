"""Plans an import: what it is, what it will take, where it will go. Quick, and without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.found import Found, Kind, Layout
from sdxl_desktop.library.checkpoint_names import checked_name, free_name
from sdxl_desktop.library.convert.extras import Extras
from sdxl_desktop.library.convert.forecast import Forecast, copy_forecast, forecast
from sdxl_desktop.library.convert.grafting import unet_alone
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.convert.workspace import ConversionFolder, source_key
from sdxl_desktop.library.detect.identify import identify

_ADVICE = {
    Kind.LORA: "It is a LoRA: it need not be imported. Drop it on the window, or use it with --lora FILE.",
    Kind.EMBEDDING: "It is an embedding: it need not be imported. Drop it on the window, or use --embedding FILE.",
    Kind.VAE: "It is a VAE alone: it need not be imported. Drop it on the window, or use it with --vae FILE.",
}
SHARES = (0.04, 0.20, 0.74, 0.02)
"""Of an SDXL file, by parts: encoders, UNet, VAE."""


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part, the bytes that it has in the source, and its parameters (0 where they are not known yet)."""

    name: str
    bytes: int
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """Everything a person decides by. `advice` is not empty where there is nothing to import, and says what to do.
    `notes` are sentences on what is taken of it.

    `forecasts` has one for each weight format that can be chosen; a folder of OpenVINO parts is copied as it is, and
    has one under None.
    """

    path: Path
    kind: Kind
    layout: Layout
    family: Family | None
    name: str
    home: Path
    parts: tuple[PlannedPart, ...]
    forecasts: Mapping[WeightFormat | None, Forecast]
    files: tuple[Path, ...] = ()
    advice: str = ""
    extras: Extras = field(default_factory=Extras)
    notes: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes that will be read."""
        return sum(part.bytes for part in self.parts) or sum(file.stat().st_size for file in self.files)

    @property
    def destination(self) -> Path:
        """The folder of the checkpoint to be."""
        return self.home / self.name

    def workspace(self, weights: WeightFormat | None) -> ConversionFolder:
        """Where it comes together; the same for the same files and weights, so that a killed import goes on."""
        files = (*self.files, *self.extras.files)
        return ConversionFolder(self.home, source_key(self.path, files, weights or "as they are"))


def plan_import(path: Path, home: Path, name: str | None = None, extras: Extras | None = None) -> ImportPlan:
    """Plan importing the file or folder `path` into the library folder `home` under `name` (default: made of the
    path's). Raises CheckpointError when it cannot be used, or the name cannot."""
    path, extras = path.expanduser().absolute(), extras or Extras()
    found = identify(path) if extras.parts_of is None else unet_alone(path, extras.parts_of)
    chosen = (
        checked_name(name, home) if name is not None else free_name(path.name if path.is_dir() else path.stem, home)
    )
    return ImportPlan(
        path=path,
        kind=found.kind,
        layout=found.layout,
        family=found.family,
        name=chosen,
        home=home,
        parts=tuple(PlannedPart(part.name, part.bytes, part.parameters) for part in found.parts),
        forecasts=_with_lora(_forecasts(found), found) if extras.lora is not None else _forecasts(found),
        files=found.files,
        advice=_ADVICE.get(found.kind, ""),
        extras=extras,
        notes=found.notes,
    )


def _forecasts(found: Found) -> dict[WeightFormat | None, Forecast]:
    if found.kind in _ADVICE:
        return {}
    if found.layout is Layout.OPENVINO:
        return {None: copy_forecast(found.bytes)}
    pickled = found.kind is Kind.PICKLED
    sizes = [part.parameters for part in found.parts] or [round(found.bytes / 2 * share) for share in SHARES]
    return {weights: forecast(weights, sizes, found.bytes, pickled=pickled) for weights in WeightFormat}


def _with_lora(plain: dict[WeightFormat | None, Forecast], found: Found) -> dict[WeightFormat | None, Forecast]:
    """A UNet that a LoRA is fused into lies on the disk once more meanwhile."""
    more = sum(part.bytes for part in found.parts if part.name == Part.UNET)
    return {
        weights: replace(about, disk_meanwhile=about.disk_meanwhile + more, seconds=about.seconds + more / 0.2e9)
        for weights, about in plain.items()
    }
