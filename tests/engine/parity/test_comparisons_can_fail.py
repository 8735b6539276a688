"""The comparisons can fail: exchange two inputs of a workflow, and the picture is not the reference's any more."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest

from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.schedulers import NON_EDM_SCHEDULERS, SchedulerName
from tests.engine.parity import case_table
from tests.engine.parity.cases import BUILDERS, TOLERANCE, ParityCase, ParityWorkflow
from tests.engine.parity.diffusers_calls import Floats
from tests.engine.parity.input_swaps import SWAPS_BY_WORKFLOW
from tests.engine.parity.our_engine import OurEngine
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.parity.tolerances import (
    comparable_image,
    composited_tolerance,
    has_composited_result_only,
    max_difference,
)
from tests.engine.scheduler_cases import FAST_SUBSET

Expected = Callable[[ParityWorkflow], tuple[GenerationRequest, Floats]]
SWAPPED_IN_EVERY_RUN = (
    ParityWorkflow.TEXT,
    ParityWorkflow.IMAGE,
    ParityWorkflow.INPAINT,
    ParityWorkflow.ENSEMBLE,
    ParityWorkflow.REFINER,
)
ALL = [
    pytest.param(
        workflow,
        name,
        id=f"{workflow}: {name}",
        marks=[pytest.mark.slow] if number or workflow not in SWAPPED_IN_EVERY_RUN else [],
    )
    for workflow, swaps in SWAPS_BY_WORKFLOW.items()
    for number, name in enumerate(swaps)
]
"""One for each kind of input in every run, all of them with `-m slow`."""


@pytest.mark.parametrize(("workflow", "name"), ALL)
def test_an_exchanged_input_shows(workflow: ParityWorkflow, name: str, expected: Expected, ours: OurEngine) -> None:
    request, picture = expected(workflow)
    drawing = ours.generate_all(SWAPS_BY_WORKFLOW[workflow][name](request))[0]
    tolerance = composited_tolerance() if has_composited_result_only(request) else TOLERANCE
    assert max_difference(comparable_image(request, drawing), picture) > 2 * tolerance


ARGUMENTS = [
    case
    for case in case_table.cases()
    if case.workflow in (ParityWorkflow.TEXT, ParityWorkflow.REFINER) and case.detail in case_table.DISTINGUISHING
]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * case.slow) for case in ARGUMENTS]
)
def test_each_argument_changes_the_picture(
    case: ParityCase, expected: Expected, tiny_checkpoints: TinyCheckpoints, ours: OurEngine
) -> None:
    """Else an argument that is dropped on the way would not be missed."""
    _, plain = expected(case.workflow)
    assert max_difference(ours.generate(case.build(tiny_checkpoints)), plain) > 2 * TOLERANCE


SAME_STEPS = {SchedulerName.EULER_ANCESTRAL, SchedulerName.DDPM}
"""Both draw from the posterior of the same Gaussian (Song et al., arXiv 2011.13456, appendix E)."""


@pytest.mark.parametrize(
    "names", [FAST_SUBSET, pytest.param(NON_EDM_SCHEDULERS, marks=pytest.mark.slow)], ids=["essential", "all"]
)
def test_the_schedulers_differ_from_each_other(
    names: tuple[SchedulerName, ...], tiny_checkpoints: TinyCheckpoints, ours: OurEngine
) -> None:
    pictures = {name: ours.generate(BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, scheduler=name)) for name in names}
    alike = [
        {one, other}
        for one, other in combinations(names, 2)
        if max_difference(pictures[one], pictures[other]) <= TOLERANCE
    ]
    assert alike == [SAME_STEPS], "ancestral steps of Euler are those of DDPM"


def test_every_workflow_has_its_swaps() -> None:
    assert set(SWAPS_BY_WORKFLOW) == set(ParityWorkflow)
