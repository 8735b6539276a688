"""Plan a quantization: feasibility, cost and destination. Fast, and without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.parts import GRAPH, GRAPH_AND_WEIGHTS, OPENVINO_PARTS, Part
from sdxl_desktop.library.checkpoint_names import find_free_name, validate_name
from sdxl_desktop.library.convert.build_folder import ConversionFolder, source_key
from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.calibration_prompts import read_prompts
from sdxl_desktop.library.quantize.quantization_estimate import PartSizes, estimate_quantization
from sdxl_desktop.library.quantize.quantization_method import PartMethod, QuantizationMethod
from sdxl_desktop.library.quantize.weight_precision import WeightPrecision, read_weight_precision

_BYTES = {WeightPrecision.FP32: 4, WeightPrecision.FP16: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationPlan:
    """Everything needed for a decision. `calibration` is set only for the methods that need samples."""

    source: Checkpoint
    method: QuantizationMethod
    calibration: Calibration | None
    name: str
    library_folder: Path
    parts: PartSizes
    forecast: ResourceEstimate

    @property
    def destination(self) -> Path:
        """The folder of the new checkpoint."""
        return self.library_folder / self.name

    @property
    def build_folder(self) -> ConversionFolder:
        """Return the build folder; the same for the same weights and settings, so that a killed run can resume."""
        files = tuple(sorted(self.source.folder.glob(f"*/{GRAPH_AND_WEIGHTS}")))
        how = f"quantize {self.method} {self.calibration.to_json() if self.calibration else ''}"
        return ConversionFolder(self.library_folder, source_key(self.source.folder, files, how))


def plan_quantization(
    source: Checkpoint,
    library_folder: Path,
    method: QuantizationMethod,
    name: str | None = None,
    calibration: Calibration | None = None,
) -> QuantizationPlan:
    """Plan a checkpoint made from `source` in `library_folder`, called `name` (default: from source and method).

    If a calibration is needed and none is given, the checkpoint's own settings and the shipped prompts are used. Raises
    CheckpointError if the source or the name is unusable.
    """
    _check_not_quantized(source, method)
    parts = part_sizes(source.folder)
    if method.needs_calibration and source.kind is not CheckpointKind.BASE:
        raise CheckpointError(
            f"{source.name} cannot be quantized with this method.",
            why=f"Samples for {method} are drawn from words, and {source.name} is made for "
            f"{_PURPOSE_BY_KIND[source.kind]}.",
            next_step="Use int8 or int4, which need no samples.",
        )
    if not method.needs_calibration:
        calibration = None
    elif calibration is None:
        calibration = Calibration.for_checkpoint(source, read_prompts())
    return QuantizationPlan(
        source=source,
        method=method,
        calibration=calibration,
        name=validate_name(name, library_folder)
        if name is not None
        else find_free_name(f"{source.folder.name}-{method}", library_folder),
        library_folder=library_folder,
        parts=parts,
        forecast=estimate_quantization(method, parts, calibration),
    )


_PURPOSE_BY_KIND = {
    CheckpointKind.BASE: "drawing",
    CheckpointKind.REFINER: "finishing pictures",
    CheckpointKind.INPAINT: "filling masks",
}


def part_sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """Return (bytes, weights) of each part in `folder`, the UNet last: it takes longest, and fast parts go first."""
    parts: dict[str, tuple[int, int]] = {}
    for part in sorted(OPENVINO_PARTS, key=lambda name: name == Part.UNET):
        graph = folder / part / GRAPH
        if graph.is_file():
            size = graph.with_suffix(".bin").stat().st_size
            parts[part] = (size, size // _BYTES.get(read_weight_precision(graph), 1))
    return parts


def _check_not_quantized(source: Checkpoint, method: QuantizationMethod) -> None:
    """Raise CheckpointError if a part that `method` would quantize is quantized already."""
    for part in OPENVINO_PARTS:
        graph = source.folder / part / GRAPH
        if not graph.is_file() or method.part_method(part) is PartMethod.UNCHANGED:
            continue
        held = read_weight_precision(graph)
        if not held.is_unquantized:
            raise CheckpointError(
                f"{source.name} cannot be quantized: its {part.replace('_', ' ')} is {held} already.",
                why="What was rounded away is not in it any more, and rounding again would lose more.",
                next_step="Quantize the one it was made from, in fp16 or fp32; import that once more if it is gone.",
            )
