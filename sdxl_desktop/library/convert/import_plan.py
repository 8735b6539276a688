"""Plan an import: model type, cost and destination. Fast, and without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.detected_model import DetectedModel, ModelKind, ModelLayout
from sdxl_desktop.formats.families import Family
from sdxl_desktop.library.checkpoint_names import find_free_name, validate_name
from sdxl_desktop.library.convert.build_folder import ConversionFolder, source_key
from sdxl_desktop.library.convert.conversion_options import ConversionOptions
from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate, estimate_conversion, estimate_copy
from sdxl_desktop.library.convert.unet_swap import detect_unet
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.detect.identify import identify

_ADVICE_BY_KIND = {
    ModelKind.LORA: "It is a LoRA: it need not be imported. Drop it on the window, or use it with --lora FILE.",
    ModelKind.EMBEDDING: "It is an embedding: it need not be imported. Drop it on the window, or use --embedding FILE.",
    ModelKind.VAE: "It is a VAE alone: it need not be imported. Drop it on the window, or use it with --vae FILE.",
}
PART_SIZE_SHARES = (0.04, 0.20, 0.74, 0.02)
"""Shares of an SDXL file by part: the two text encoders, UNet, VAE."""


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part, its bytes in the source, and its parameter count (0 if not known yet)."""

    name: str
    bytes: int
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """Everything needed to decide on an import. `advice` is not empty if there is nothing to import, and says what to
    do. `notes` are sentences about what the import includes.

    `estimates` has one entry for each weight format that can be chosen; a folder of OpenVINO parts is copied
    unconverted and has one under None.
    """

    path: Path
    kind: ModelKind
    layout: ModelLayout
    family: Family | None
    name: str
    library_folder: Path
    parts: tuple[PlannedPart, ...]
    estimates: Mapping[WeightFormat | None, ResourceEstimate]
    files: tuple[Path, ...] = ()
    advice: str = ""
    options: ConversionOptions = field(default_factory=ConversionOptions)
    notes: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes that will be read."""
        return sum(part.bytes for part in self.parts) or sum(file.stat().st_size for file in self.files)

    @property
    def destination(self) -> Path:
        """The folder of the new checkpoint."""
        return self.library_folder / self.name

    def build_folder(self, weight_format: WeightFormat | None) -> ConversionFolder:
        """Return the build folder; the same for the same files and weights, so that a killed import can resume."""
        files = (*self.files, *self.options.files)
        return ConversionFolder(self.library_folder, source_key(self.path, files, weight_format or "as they are"))


def plan_import(
    path: Path, library_folder: Path, name: str | None = None, options: ConversionOptions | None = None
) -> ImportPlan:
    """Plan the import of the file or folder `path` into `library_folder` under `name` (default: derived from `path`).
    Raises CheckpointError if it is unusable or the name is invalid."""
    path, options = path.expanduser().absolute(), options or ConversionOptions()
    found = identify(path) if options.reuse_parts_from is None else detect_unet(path, options.reuse_parts_from)
    chosen = (
        validate_name(name, library_folder)
        if name is not None
        else find_free_name(path.name if path.is_dir() else path.stem, library_folder)
    )
    return ImportPlan(
        path=path,
        kind=found.kind,
        layout=found.layout,
        family=found.family,
        name=chosen,
        library_folder=library_folder,
        parts=tuple(PlannedPart(part.name, part.bytes, part.parameters) for part in found.parts),
        estimates=_with_lora_fusing(_estimates(found), found) if options.lora is not None else _estimates(found),
        files=found.files,
        advice=_ADVICE_BY_KIND.get(found.kind, ""),
        options=options,
        notes=found.notes,
    )


def _estimates(found: DetectedModel) -> dict[WeightFormat | None, ResourceEstimate]:
    if found.kind in _ADVICE_BY_KIND:
        return {}
    if found.layout is ModelLayout.OPENVINO:
        return {None: estimate_copy(found.bytes)}
    pickled = found.kind is ModelKind.PICKLED
    sizes = [part.parameters for part in found.parts] or [round(found.bytes / 2 * share) for share in PART_SIZE_SHARES]
    return {weights: estimate_conversion(weights, sizes, found.bytes, pickled=pickled) for weights in WeightFormat}


def _with_lora_fusing(
    estimates: dict[WeightFormat | None, ResourceEstimate], found: DetectedModel
) -> dict[WeightFormat | None, ResourceEstimate]:
    """Fusing a LoRA needs temporary disk space for a second copy of the UNet."""
    more = sum(part.bytes for part in found.parts if part.name == Part.UNET)
    return {
        weights: replace(about, disk_meanwhile=about.disk_meanwhile + more, seconds=about.seconds + more / 0.2e9)
        for weights, about in estimates.items()
    }
