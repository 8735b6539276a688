"""Runs every case with every pipeline and measures the difference from diffusers in torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from tests.engine.parity import case_table
from tests.engine.parity.cases import COMPOSITE_TOLERANCE, TOLERANCE, ParityCase
from tests.engine.parity.diffusers_calls import Floats
from tests.engine.parity.our_engine import OurEngine
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.parity.tolerances import comparable_image, has_composited_result_only, max_difference
from tests.engine.parity.torch_reference import TorchReference
from tools.parity.genai import GenAI, NotSupportedByLibrary
from tools.parity.optimum_intel import OptimumIntel

OUR_NAME = "SDXL Desktop"
_ROUNDING = 1e-6


class ParityPipeline(Protocol):
    """A pipeline that generates requests, to be measured."""

    def generate(self, request: GenerationRequest) -> Floats:
        """Return float32 [H, W, 3] in [0, 1]."""
        ...


@dataclass(frozen=True)
class ParityOutcome:
    """The largest `difference`, and whether it counts as equal (`is_equal`); or why there is none: `unsupported_reason`
    of the library, or its `error`."""

    difference: float | None = None
    is_equal: bool = False
    unsupported_reason: str = ""
    error: str = ""


@dataclass(frozen=True)
class ParityRow:
    """One case, and the outcomes by pipeline name."""

    case: ParityCase
    outcomes: dict[str, ParityOutcome] = field(default_factory=dict)


class OurEnginePipeline:
    """Our engine, with the same results as diffusers: finished pictures if diffusers returns nothing else."""

    def __init__(self, cache: Path) -> None:
        from sdxl_desktop.engine.openvino.engine import OpenVinoEngine

        paths = AppPaths(
            data=cache / "data",
            cache=cache / "cache",
            settings_file=cache / "settings.json",
            pictures=cache / "pictures",
            logs=cache / "logs",
        )
        self._ours = OurEngine(OpenVinoEngine(paths))

    def generate(self, request: GenerationRequest) -> Floats:
        """See `ParityPipeline.generate`."""
        return comparable_image(request, self._ours.generate_all(request)[0])


def installed_pipelines(cache: Path) -> dict[str, ParityPipeline | None]:
    """Return the measured pipelines by name; None for those that are not installed."""
    drawers: dict[str, ParityPipeline | None] = {OUR_NAME: OurEnginePipeline(cache), OptimumIntel.name: OptimumIntel()}
    try:
        drawers[GenAI.name] = GenAI()
    except ImportError:
        drawers[GenAI.name] = None
    return drawers


def cases() -> list[ParityCase]:
    """Return the cases without the dense grid."""
    return [case for case in case_table.cases() if not case.detail.startswith(case_table.DENSE_GRID)]


def measure_rows(
    family: TinyCheckpoints,
    pipelines: dict[str, ParityPipeline | None],
    on_row: Callable[[ParityRow], None],
    name_filter: str = "",
) -> Iterator[ParityRow]:
    """Yield the measured rows whose names contain `name_filter`; `on_row` is called with each."""
    reference = TorchReference()
    for case in cases():
        if name_filter not in case.name:
            continue
        request = case.build(family)
        expected = reference.generate(request)
        tolerance = COMPOSITE_TOLERANCE + _ROUNDING if has_composited_result_only(request) else TOLERANCE
        row = ParityRow(
            case,
            {
                name: ParityOutcome(unsupported_reason="not installed")
                if drawer is None
                else measure_case(drawer, request, expected, tolerance)
                for name, drawer in pipelines.items()
            },
        )
        on_row(row)
        yield row


def measure_case(
    pipeline: ParityPipeline, request: GenerationRequest, expected: Floats, tolerance: float
) -> ParityOutcome:
    """Return the difference of `pipeline` from `expected`; a library's own failure is also an outcome."""
    try:
        off = max_difference(pipeline.generate(request), expected)
        return ParityOutcome(off, off <= max(tolerance, getattr(pipeline, "coarseness", 0.0)))
    except NotSupportedByLibrary as lack:
        return ParityOutcome(unsupported_reason=str(lack))
    except (RuntimeError, ValueError, TypeError, AssertionError, NotImplementedError) as problem:
        return ParityOutcome(error=_one_line(str(problem)) or type(problem).__name__)


def _one_line(message: str) -> str:
    """Return the message on one line, without paths of the library's build."""
    without = re.sub(r"(Check '.*?' failed )?at \S+:\d+:?", "", message)
    return " ".join(without.split())[:160]
