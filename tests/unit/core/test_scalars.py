"""A value of a request is declared once; its limits and its place in reports follow from that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import sdxl_desktop
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride, PredictionType
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import Execution, MicroConditioning, OutputOptions, Prompts, Sampling
from sdxl_desktop.core.scalars import NumberRow, check_limits, report_values, same, scalar, scalars

PARTS = (
    Prompts,
    Sampling,
    NoiseScheduleOverride,
    MicroConditioning,
    EditParameters,
    RefinerParameters,
    OutputOptions,
    Execution,
)


@dataclass(frozen=True, kw_only=True)
class Guided:
    """A part of a request, such as one that comes later."""

    drift: float = scalar(
        0.25, "The drift", (-2.0, 3.0), row=NumberRow("Drift", "Drift", "How far.", 1, 0.5, 2), key="far"
    )
    hops: int | None = scalar(None, "The hops", (1, 4))
    hidden: int = 0

    def __post_init__(self) -> None:
        check_limits(self)


@dataclass(frozen=True, kw_only=True)
class Nesting:
    inner: Guided = Guided()
    size: Size = scalar(Size(8, 16))
    way: PredictionType = scalar(PredictionType.SAMPLE)


@pytest.mark.parametrize(
    "values", [{"drift": -2.01}, {"drift": 3.5}, {"drift": float("nan")}, {"hops": 0}, {"hops": 5}]
)
def test_what_lies_outside_its_limits_is_refused_by_name(values: dict[str, float]) -> None:
    with pytest.raises(RequestError, match=r"The (drift|hops)"):
        Guided(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"drift": -2}, {"drift": 3}, {"hops": 1}, {"hops": 4}, {"hops": None}])
def test_the_limits_themselves_are_allowed(values: dict[str, float]) -> None:
    Guided(**values)  # type: ignore[arg-type]


def test_reports_have_every_declared_value_and_nothing_else() -> None:
    reported = report_values(Nesting(inner=Guided(drift=1.5)))
    assert reported == {"far": 1.5, "hops": None, "size": "8x16", "way": "sample"}


def test_a_value_of_the_settings_can_have_the_declaration_of_the_requests() -> None:
    @dataclass
    class Kept:
        drift: float = same(Guided, "drift", 1.0)

    assert Kept().drift == 1.0
    assert scalars(Kept)["drift"] is scalars(Guided)["drift"]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_what_is_declared_can_be_used(part: type) -> None:
    """A range of its own has what an error calls it by, and every row says what it offers."""
    for name, declared in scalars(part).items():
        assert declared.limits is None or declared.what, name
        if declared.row is not None:
            low, high = declared.range
            assert low < declared.row.slider_high <= high, name
            assert declared.row.help, name


def test_a_scalar_of_a_request_stands_in_few_places() -> None:
    """Its declaration, what the engine does with it, its row in a panel, and the drafts that go without it. The command
    line, the reports, the records, the settings and the limits derive. Readers of other programs' records are not
    counted."""
    package = Path(sdxl_desktop.__file__).parent
    places = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if "guidance_rescale" in file.read_text(encoding="utf-8") and "foreign" not in file.as_posix()
    }
    assert places == {
        "core/sampling.py",
        "engine/openvino/extensions/guidance_rescale.py",
        "engine/openvino/stage_plan.py",
        "ui/panels/advanced_panel.py",
        "session/drafts.py",
    }
