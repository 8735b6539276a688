"""What is done with checkpoints that are there: a smaller one is made of one, or two are compared; notes of it."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.request import Execution, GenerationRequest, OutputOptions, Sampling
from sdxl_desktop.library.import_record import read_import_record
from sdxl_desktop.library.quantize.calibration import DEFAULT_SAMPLES, Calibration
from sdxl_desktop.library.quantize.calibration_prompts import read_prompts
from sdxl_desktop.library.quantize.comparison_result import CheckpointComparison
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.library.quantize.quantization_plan import QuantizationPlan, plan_quantization
from sdxl_desktop.library.scan import Library, read_checkpoint
from sdxl_desktop.session.few_step import recommended_sampling
from sdxl_desktop.session.library_state import ImportJobSpec

COMPARISON_PROMPTS = 4
"""Different enough from each other to tell by, and drawn in a few minutes."""


class QuantizationJobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Make `name` of the checkpoint in the folder `source` by `method`. `prompts` is a text file, "" for
    the shipped ones; it and `samples` mean something where the method learns from samples."""

    source: str
    method: QuantizationMethod
    name: str
    prompts: str = ""
    samples: int = DEFAULT_SAMPLES

    @property
    def title(self) -> str:
        return self.name

    @property
    def source_name(self) -> str:
        return Path(self.source).name


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonJobSpec:
    """Draw `prompts` of the shipped prompts, `seeds` pictures of each, with the checkpoints in two folders, and put the
    report into a new folder in `home`. Both draw as the first recommends, on the devices that `execution` names."""

    first: Path
    second: Path
    report_folder: Path
    prompts: int = COMPARISON_PROMPTS
    seeds: int = 1
    execution: Execution = Execution()

    @property
    def name(self) -> str:
        """Of the job; no checkpoint can have it, since ↔ is not allowed in a name."""
        return f"{self.first.name} ↔ {self.second.name}"

    @property
    def title(self) -> str:
        return f"{self.first.name} and {self.second.name}"


JobSpec = ImportJobSpec | QuantizationJobSpec | ComparisonJobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationResult:
    """The checkpoint that was made, its `bytes` on the disk, and those of what it was made from."""

    checkpoint: Checkpoint
    bytes: int
    bytes_before: int


JobOutcome = QuantizationResult | CheckpointComparison


def plan_quantization_job(spec: QuantizationJobSpec, library: Library, *, name: str | None = None) -> QuantizationPlan:
    """What `note` comes to, with what lies on the disk now; the same note goes on where an earlier run was.

    `name` for another than the note's. Raises CheckpointError and RequestError.
    """
    source, method = read_checkpoint(Path(spec.source)), spec.method
    calibration = None
    if method.needs_calibration:
        prompts = read_prompts(Path(spec.prompts) if spec.prompts else None)
        calibration = Calibration.for_checkpoint(source, prompts, samples=spec.samples)
    return plan_quantization(source, library.user_folder, method, name or spec.name, calibration)


def unused_name(wanted: str, library_folder: Path, taken: Collection[str] = ()) -> str:
    """`wanted`, with a number where a folder in `home` is called so already, or one that is coming (`taken`)."""
    candidates = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(2)))
    return next(name for name in candidates if name not in taken and not (library_folder / name).exists())


def comparison_request(first: Checkpoint, spec: ComparisonJobSpec) -> GenerationRequest:
    """How both checkpoints draw: exactly, without a watermark, from seed 0 on, as `first` recommends."""
    return GenerationRequest(
        checkpoint=first.folder,
        sampling=recommended_sampling(first, Sampling(count=spec.seeds)),
        output=OutputOptions(watermark=False),
        execution=spec.execution,
    )


@dataclass(frozen=True, slots=True)
class ComparisonCandidates:
    """The `others` that a checkpoint can be compared with, the likeliest first. `source` is the one of them that it was
    made from, where it is there."""

    others: tuple[Checkpoint, ...]
    source: Checkpoint | None = None


def comparison_candidates(folder: Path, library: Library) -> ComparisonCandidates:
    """What the checkpoint in `folder` can be compared with: what it was made from first, else the newest made of it."""
    others = [
        found
        for found in library.checkpoints()
        if found.kind is CheckpointKind.BASE and found.folder.resolve() != folder.resolve()
    ]
    source_name = _made_from(folder)
    source = next((found for found in others if found.name == source_name), None)
    made = [found for found in others if _made_from(found.folder) == folder.name]
    likely = [source] if source is not None else sorted(made, key=_age)[:1]
    return ComparisonCandidates((*likely, *(found for found in others if found not in likely)), source)


def _made_from(folder: Path) -> str:
    """The name of the checkpoint that this one was quantized from, "" where it was not."""
    record = read_import_record(folder)
    return str(record.get("source") or "") if "quantization" in record else ""


def _age(checkpoint: Checkpoint) -> float:
    """Sorts the newest first."""
    return -checkpoint.folder.stat().st_mtime


def quantization_plans(folder: Path, library: Library) -> dict[QuantizationMethod, QuantizationPlan | CheckpointError]:
    """What each method would make of the checkpoint in `folder` with the usual samples, or why it cannot be used.

    Raises CheckpointError where no method can.
    """
    source = read_checkpoint(folder)
    found: dict[QuantizationMethod, QuantizationPlan | CheckpointError] = {}
    for method in QuantizationMethod:
        try:
            found[method] = plan_quantization(source, library.user_folder, method)
        except CheckpointError as problem:
            found[method] = problem
    problems = [answer for answer in found.values() if isinstance(answer, CheckpointError)]
    if len(problems) == len(found):
        raise problems[0]
    return found
