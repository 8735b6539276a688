"""Every workflow, with every scheduler and argument, draws what diffusers in torch draws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sdxl_desktop.core.request import GenerationMode
from sdxl_desktop.core.schedulers import NON_EDM_SCHEDULERS, SchedulerName
from tests.engine.parity import case_table
from tests.engine.parity.cases import TOLERANCE, ParityCase, ParityWorkflow
from tests.engine.parity.our_engine import OurEngine
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.parity.tolerances import (
    comparable_image,
    composite,
    composited_tolerance,
    has_composited_result_only,
    max_difference,
)
from tests.engine.parity.torch_reference import TorchReference

CASES = list(case_table.cases())


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * case.slow) for case in CASES]
)
def test_it_draws_what_diffusers_draws(
    case: ParityCase, tiny_checkpoints: TinyCheckpoints, reference: TorchReference, ours: OurEngine
) -> None:
    request = case.build(tiny_checkpoints)
    expected = reference.generate(request)
    drawing = ours.generate_all(request)[0]
    tolerance = composited_tolerance() if has_composited_result_only(request) else TOLERANCE
    assert max_difference(comparable_image(request, drawing), expected) <= tolerance
    if request.mode is GenerationMode.INPAINT and not has_composited_result_only(request):
        assert (
            max_difference(drawing.pixels.astype(np.float32) / np.float32(255), composite(request, expected))
            <= composited_tolerance()
        )


def test_the_table_leaves_nothing_out() -> None:
    """Every workflow is there, and with every scheduler where there is a choice; no row hides another."""
    drawn_with: dict[ParityWorkflow, set[SchedulerName]] = {workflow: set() for workflow in ParityWorkflow}
    for case in CASES:
        drawn_with[case.workflow].add(case.scheduler)
    assert all(drawn_with[workflow] == set(NON_EDM_SCHEDULERS) for workflow in case_table.WITH_EVERY_SCHEDULER)
    assert all(drawn_with.values())
    assert max(Counter(case.name for case in CASES).values()) == 1
