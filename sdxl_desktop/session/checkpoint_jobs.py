"""Jobs on installed checkpoints: quantizing one or comparing two, and their specs."""

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
"""Enough variety to compare by, and generated in a few minutes."""


class QuantizationJobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Make `name` from the checkpoint in the folder `source` by `method`. `prompts` is a text file, "" for the shipped
    ones; it and `samples` apply only to methods that need calibration."""

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
    """Generate `seeds` pictures for each of `prompts` shipped prompts with the checkpoints in two folders, and write
    the report to a new folder in `report_folder`. Both use the settings the first recommends, on the devices of
    `execution`."""

    first: Path
    second: Path
    report_folder: Path
    prompts: int = COMPARISON_PROMPTS
    seeds: int = 1
    execution: Execution = Execution()

    @property
    def name(self) -> str:
        """The job's name; no checkpoint can have it, since ↔ is not allowed in a name."""
        return f"{self.first.name} ↔ {self.second.name}"

    @property
    def title(self) -> str:
        return f"{self.first.name} and {self.second.name}"


JobSpec = ImportJobSpec | QuantizationJobSpec | ComparisonJobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationResult:
    """The new checkpoint, its size on disk in `bytes`, and that of its source."""

    checkpoint: Checkpoint
    bytes: int
    bytes_before: int


JobOutcome = QuantizationResult | CheckpointComparison


def plan_quantization_job(spec: QuantizationJobSpec, library: Library, *, name: str | None = None) -> QuantizationPlan:
    """Return the plan for `spec` based on the current files; the same spec resumes an earlier run.

    `name` overrides that of the spec. Raises CheckpointError and RequestError.
    """
    source, method = read_checkpoint(Path(spec.source)), spec.method
    calibration = None
    if method.needs_calibration:
        prompts = read_prompts(Path(spec.prompts) if spec.prompts else None)
        calibration = Calibration.for_checkpoint(source, prompts, samples=spec.samples)
    return plan_quantization(source, library.user_folder, method, name or spec.name, calibration)


def unused_name(wanted: str, library_folder: Path, taken: Collection[str] = ()) -> str:
    """Return `wanted`, with a number if a folder in `library_folder` or a pending job (`taken`) has that name."""
    candidates = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(2)))
    return next(name for name in candidates if name not in taken and not (library_folder / name).exists())


def comparison_request(first: Checkpoint, spec: ComparisonJobSpec) -> GenerationRequest:
    """Return the request for both checkpoints: exact, without a watermark, from seed 0, as `first` recommends."""
    return GenerationRequest(
        checkpoint=first.folder,
        sampling=recommended_sampling(first, Sampling(count=spec.seeds)),
        output=OutputOptions(watermark=False),
        execution=spec.execution,
    )


@dataclass(frozen=True, slots=True)
class ComparisonCandidates:
    """The `others` that a checkpoint can be compared with, the likeliest first. `source` is the one that it was made
    from, if available."""

    others: tuple[Checkpoint, ...]
    source: Checkpoint | None = None


def comparison_candidates(folder: Path, library: Library) -> ComparisonCandidates:
    """Return comparison candidates for the checkpoint in `folder`: its source first, else the newest made from it."""
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
    """Return the name of the checkpoint that this one was quantized from, or ""."""
    record = read_import_record(folder)
    return str(record.get("source") or "") if "quantization" in record else ""


def _age(checkpoint: Checkpoint) -> float:
    """A sort key that puts the newest first."""
    return -checkpoint.folder.stat().st_mtime


def quantization_plans(folder: Path, library: Library) -> dict[QuantizationMethod, QuantizationPlan | CheckpointError]:
    """Return each method's plan for the checkpoint in `folder` with the default samples, or why it cannot be used.

    Raises CheckpointError if no method can be used.
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
