"""Draws every case with everyone and says how far each is from diffusers in torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from tests.engine.parity import table
from tests.engine.parity.cases import COMPOSITE_TOLERANCE, TOLERANCE, Case
from tests.engine.parity.diffusers_calls import Floats
from tests.engine.parity.family import TinyFamily
from tests.engine.parity.measure import comparable, difference, only_finished
from tests.engine.parity.ours import Ours
from tests.engine.parity.torch_reference import TorchReference
from tools.parity.genai import GenAI, NotOffered
from tools.parity.optimum_intel import OptimumIntel

OURS = "SDXL Desktop"
_ROUNDING = 1e-6


class Drawer(Protocol):
    """Something that draws requests, to be measured."""

    def draw(self, request: GenerationRequest) -> Floats:
        """float32 [H, W, 3] in [0, 1]."""
        ...


@dataclass(frozen=True)
class Outcome:
    """A largest `difference`, and whether that counts as `equal`; or why there is none: `missing` in the library, or
    its `error`."""

    difference: float | None = None
    equal: bool = False
    missing: str = ""
    error: str = ""


@dataclass(frozen=True)
class Row:
    """One case, and what everyone's outcome was, by name."""

    case: Case
    outcomes: dict[str, Outcome] = field(default_factory=dict)


class OursFinished:
    """Our engine, giving what diffusers gives: finished pictures where that gives nothing else."""

    def __init__(self, cache: Path) -> None:
        from sdxl_desktop.engine.openvino.engine import OpenVinoEngine

        paths = AppPaths(
            data=cache / "data",
            cache=cache / "cache",
            settings_file=cache / "settings.json",
            pictures=cache / "pictures",
            logs=cache / "logs",
        )
        self._ours = Ours(OpenVinoEngine(paths))

    def draw(self, request: GenerationRequest) -> Floats:
        """See `Drawer.draw`."""
        return comparable(request, self._ours.drawings(request)[0])


def installed(cache: Path) -> dict[str, Drawer | None]:
    """Everyone who is measured, by name; None for those that are not installed."""
    drawers: dict[str, Drawer | None] = {OURS: OursFinished(cache), OptimumIntel.name: OptimumIntel()}
    try:
        drawers[GenAI.name] = GenAI()
    except ImportError:
        drawers[GenAI.name] = None
    return drawers


def cases() -> list[Case]:
    """The table without the dense grid."""
    return [case for case in table.cases() if not case.detail.startswith(table.DENSE)]


def rows(
    family: TinyFamily, drawers: dict[str, Drawer | None], told: Callable[[Row], None], wanted: str = ""
) -> Iterator[Row]:
    """The measured rows whose names contain `wanted`; `told` hears of each."""
    reference = TorchReference()
    for case in cases():
        if wanted not in case.name:
            continue
        request = case.build(family)
        expected = reference.draw(request)
        tolerance = COMPOSITE_TOLERANCE + _ROUNDING if only_finished(request) else TOLERANCE
        row = Row(
            case,
            {
                name: Outcome(missing="not installed")
                if drawer is None
                else measured(drawer, request, expected, tolerance)
                for name, drawer in drawers.items()
            },
        )
        told(row)
        yield row


def measured(drawer: Drawer, request: GenerationRequest, expected: Floats, tolerance: float) -> Outcome:
    """How far `drawer` is from `expected`; a library's own failure is an answer, too."""
    try:
        off = difference(drawer.draw(request), expected)
        return Outcome(off, off <= max(tolerance, getattr(drawer, "coarseness", 0.0)))
    except NotOffered as lack:
        return Outcome(missing=str(lack))
    except (RuntimeError, ValueError, TypeError, AssertionError, NotImplementedError) as problem:
        return Outcome(error=_plain(str(problem)) or type(problem).__name__)


def _plain(message: str) -> str:
    """The message in one line, without the places in which its library was built."""
    without = re.sub(r"(Check '.*?' failed )?at \S+:\d+:?", "", message)
    return " ".join(without.split())[:160]
