"""The comparisons can fail: exchange two inputs of a workflow, and the picture is not the reference's any more."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest

from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.schedulers import PLAIN, SchedulerName
from tests.engine.every_scheduler import ESSENTIAL
from tests.engine.parity import table
from tests.engine.parity.cases import BUILDERS, TOLERANCE, Case, Workflow
from tests.engine.parity.diffusers_calls import Floats
from tests.engine.parity.family import TinyFamily
from tests.engine.parity.measure import comparable, difference, finished_tolerance, only_finished
from tests.engine.parity.ours import Ours
from tests.engine.parity.swaps import SWAPS

Expected = Callable[[Workflow], tuple[GenerationRequest, Floats]]
OF_OTHER_BLOCKS = (Workflow.BLOCKS_SSD_1B, Workflow.BLOCKS_VEGA, Workflow.FEW_STEP, Workflow.INPAINT_9)
ALL = [
    pytest.param(
        workflow,
        name,
        id=f"{workflow}: {name}",
        marks=[pytest.mark.slow] if number or workflow in OF_OTHER_BLOCKS else [],
    )
    for workflow, swaps in SWAPS.items()
    for number, name in enumerate(swaps)
]
"""Of each workflow of SDXL's own UNets one in every run, all of them with `-m slow`."""


@pytest.mark.parametrize(("workflow", "name"), ALL)
def test_an_exchanged_input_shows(workflow: Workflow, name: str, expected: Expected, ours: Ours) -> None:
    request, picture = expected(workflow)
    drawing = ours.drawings(SWAPS[workflow][name](request))[0]
    tolerance = finished_tolerance() if only_finished(request) else TOLERANCE
    assert difference(comparable(request, drawing), picture) > 2 * tolerance


ARGUMENTS = [
    case
    for case in table.cases()
    if case.workflow in (Workflow.TEXT, Workflow.REFINER) and case.detail in table.TELLING
]


@pytest.mark.parametrize("case", ARGUMENTS, ids=[case.name for case in ARGUMENTS])
def test_each_argument_changes_the_picture(case: Case, expected: Expected, family: TinyFamily, ours: Ours) -> None:
    """Else an argument that is dropped on the way would not be missed."""
    _, plain = expected(case.workflow)
    assert difference(ours.draw(case.build(family)), plain) > 2 * TOLERANCE


@pytest.mark.parametrize("names", [ESSENTIAL, pytest.param(PLAIN, marks=pytest.mark.slow)], ids=["essential", "all"])
def test_the_schedulers_differ_from_each_other(
    names: tuple[SchedulerName, ...], family: TinyFamily, ours: Ours
) -> None:
    pictures = [ours.draw(BUILDERS[Workflow.TEXT](family, scheduler=name)) for name in names]
    assert all(difference(one, other) > TOLERANCE for one, other in combinations(pictures, 2))


def test_every_workflow_has_its_swaps() -> None:
    assert set(SWAPS) == set(Workflow)
