"""A run of several pictures equals as many single runs; a variation interpolates between two seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdxl_desktop.core.schedulers import SchedulerName
from tests.engine.parity.cases import BUILDERS, TOLERANCE, ParityWorkflow
from tests.engine.parity.our_engine import OurEngine
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.parity.tolerances import (
    comparable_image,
    composited_tolerance,
    has_composited_result_only,
    max_difference,
)
from tests.engine.parity.torch_reference import TorchReference

WORKFLOWS = [
    ParityWorkflow.TEXT,
    pytest.param(ParityWorkflow.IMAGE, marks=pytest.mark.slow),
    pytest.param(ParityWorkflow.INPAINT_9, marks=pytest.mark.slow),
    ParityWorkflow.ENSEMBLE,
    pytest.param(ParityWorkflow.ONLY_MASKED, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_three_pictures_are_three_runs(
    workflow: ParityWorkflow, tiny_checkpoints: TinyCheckpoints, reference: TorchReference, ours: OurEngine
) -> None:
    """Bit for bit, and each is diffusers' picture of its seed."""
    request = BUILDERS[workflow](tiny_checkpoints, scheduler=SchedulerName.EULER_ANCESTRAL, count=3)
    together = ours.generate_all(request)
    assert len(together) == 3
    tolerance = composited_tolerance() if has_composited_result_only(request) else TOLERANCE
    for seed, drawing in zip(request.sampling.seeds, together, strict=True):
        alone = replace(request, sampling=replace(request.sampling, seed=seed, count=1))
        assert np.array_equal(ours.generate_all(alone)[0].pixels, drawing.pixels)
        assert max_difference(comparable_image(request, drawing), reference.generate(alone)) <= tolerance
    assert max_difference(together[0].floats, together[1].floats) > TOLERANCE


def test_a_variation_of_all_is_the_other_seed_and_of_nothing_the_own(
    tiny_checkpoints: TinyCheckpoints, ours: OurEngine
) -> None:
    build = BUILDERS[ParityWorkflow.TEXT]
    own, other = ours.generate(build(tiny_checkpoints)), ours.generate(build(tiny_checkpoints, seed=11))
    nothing = ours.generate(build(tiny_checkpoints, variation_seed=11, variation_strength=0.0))
    everything = ours.generate(build(tiny_checkpoints, variation_seed=11, variation_strength=1.0))
    between = ours.generate(build(tiny_checkpoints, variation_seed=11, variation_strength=0.5))
    assert np.array_equal(nothing, own)
    assert max_difference(everything, other) <= TOLERANCE
    assert min(max_difference(between, own), max_difference(between, other)) > TOLERANCE
