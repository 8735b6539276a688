"""A run of several pictures is as many single runs; a variation lies between two seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdxl_desktop.core.schedulers import SchedulerName
from tests.engine.parity.cases import BUILDERS, TOLERANCE, Workflow
from tests.engine.parity.family import TinyFamily
from tests.engine.parity.measure import comparable, difference, finished_tolerance, only_finished
from tests.engine.parity.ours import Ours
from tests.engine.parity.torch_reference import TorchReference

WORKFLOWS = [
    Workflow.TEXT,
    pytest.param(Workflow.IMAGE, marks=pytest.mark.slow),
    pytest.param(Workflow.INPAINT_9, marks=pytest.mark.slow),
    Workflow.ENSEMBLE,
    pytest.param(Workflow.ONLY_MASKED, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_three_pictures_are_three_runs(
    workflow: Workflow, family: TinyFamily, reference: TorchReference, ours: Ours
) -> None:
    """Bit for bit, and each is diffusers' picture of its seed."""
    request = BUILDERS[workflow](family, scheduler=SchedulerName.EULER_ANCESTRAL, count=3)
    together = ours.drawings(request)
    assert len(together) == 3
    tolerance = finished_tolerance() if only_finished(request) else TOLERANCE
    for seed, drawing in zip(request.sampling.seeds, together, strict=True):
        alone = replace(request, sampling=replace(request.sampling, seed=seed, count=1))
        assert np.array_equal(ours.drawings(alone)[0].pixels, drawing.pixels)
        assert difference(comparable(request, drawing), reference.draw(alone)) <= tolerance
    assert difference(together[0].floats, together[1].floats) > TOLERANCE


def test_a_variation_of_all_is_the_other_seed_and_of_nothing_the_own(family: TinyFamily, ours: Ours) -> None:
    build = BUILDERS[Workflow.TEXT]
    own, other = ours.draw(build(family)), ours.draw(build(family, seed=11))
    nothing = ours.draw(build(family, variation_seed=11, variation_strength=0.0))
    everything = ours.draw(build(family, variation_seed=11, variation_strength=1.0))
    between = ours.draw(build(family, variation_seed=11, variation_strength=0.5))
    assert np.array_equal(nothing, own)
    assert difference(everything, other) <= TOLERANCE
    assert min(difference(between, own), difference(between, other)) > TOLERANCE
