"""Every workflow, with every scheduler and argument, draws what diffusers in torch draws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sdxl_desktop.core.request import Mode
from sdxl_desktop.core.schedulers import PLAIN, SchedulerName
from tests.engine.parity import table
from tests.engine.parity.cases import TOLERANCE, Case, Workflow
from tests.engine.parity.family import TinyFamily
from tests.engine.parity.measure import comparable, composite, difference, finished_tolerance, only_finished
from tests.engine.parity.ours import Ours
from tests.engine.parity.torch_reference import TorchReference

CASES = list(table.cases())


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * case.slow) for case in CASES]
)
def test_it_draws_what_diffusers_draws(case: Case, family: TinyFamily, reference: TorchReference, ours: Ours) -> None:
    request = case.build(family)
    expected = reference.draw(request)
    drawing = ours.drawings(request)[0]
    tolerance = finished_tolerance() if only_finished(request) else TOLERANCE
    assert difference(comparable(request, drawing), expected) <= tolerance
    if request.mode is Mode.INPAINT and not only_finished(request):
        assert (
            difference(drawing.pixels.astype(np.float32) / np.float32(255), composite(request, expected))
            <= finished_tolerance()
        )


def test_the_table_leaves_nothing_out() -> None:
    """Every workflow is there, and with every scheduler where there is a choice; no row hides another."""
    drawn_with: dict[Workflow, set[SchedulerName]] = {workflow: set() for workflow in Workflow}
    for case in CASES:
        drawn_with[case.workflow].add(case.scheduler)
    assert all(drawn_with[workflow] == set(PLAIN) for workflow in table.WITH_EVERY_SCHEDULER)
    assert all(drawn_with.values())
    assert max(Counter(case.name for case in CASES).values()) == 1
