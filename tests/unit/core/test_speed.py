"""The presets define which steps are computed, and a picture's record holds its preset."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.request import GenerationRequest, Sampling
from sdxl_desktop.core.speed import SpeedPreset, StepCaching
from sdxl_desktop.metadata.picture_files import PictureRecord, decode_record, encode_record

SAVING = [speed for speed in SpeedPreset if speed is not SpeedPreset.EXACT]


def test_nothing_is_saved_unless_it_is_asked_for() -> None:
    assert Sampling().speed is SpeedPreset.EXACT
    assert SpeedPreset.EXACT.plan.step_caching is None


def test_every_nth_step_is_computed() -> None:
    assert StepCaching(interval=3, min_full_steps=1).full_steps(9) == (1, 4, 7)
    assert StepCaching(interval=3, min_full_steps=1).full_steps(10) == (1, 3, 6, 8)
    assert StepCaching(interval=1).full_steps(5) == (1, 2, 3, 4, 5)


def test_a_bent_schedule_is_dense_at_both_ends() -> None:
    full = StepCaching(interval=3, edge_bias=0.8).full_steps(60)
    gaps = [after - before for before, after in zip(full, (*full[1:], 61), strict=True)]
    middle = max(gaps)
    assert len(full) == 20
    assert gaps[0] < middle > gaps[-1]
    assert max(gaps[8:12]) == middle


@pytest.mark.parametrize("speed", SAVING)
def test_the_schedule_of_every_preset_fits_every_number_of_steps(speed: SpeedPreset) -> None:
    caching = speed.plan.step_caching
    assert caching is not None
    for steps in range(1, 151):
        full = caching.full_steps(steps)
        assert full[0] == 1
        assert list(full) == sorted(set(full))
        assert full[-1] <= steps
        assert len(full) == min(steps, max(math.ceil(steps / caching.interval), caching.min_full_steps))


def test_fast_computes_less_than_balanced() -> None:
    balanced, fast = (speed.plan.step_caching for speed in (SpeedPreset.BALANCED, SpeedPreset.FAST))
    assert balanced is not None
    assert fast is not None
    assert len(fast.full_steps(30)) < len(balanced.full_steps(30)) < 30


@pytest.mark.parametrize(("speed", "most"), [(SpeedPreset.BALANCED, 0.45), (SpeedPreset.FAST, 0.28)])
def test_a_full_size_picture_takes_its_share_of_the_time(speed: SpeedPreset, most: float) -> None:
    """SDXL at 256 x 256 in full steps' time: a shallow step takes 0.05, encoding and decoding 1.6."""
    caching = speed.plan.step_caching
    assert caching is not None
    steps, shallow, around = 30, 0.05, 1.6
    full = len(caching.full_steps(steps))
    assert (full + (steps - full) * shallow + around) / (steps + around) <= most


def test_few_step_checkpoints_are_left_alone() -> None:
    for speed in SAVING:
        assert speed.plan.step_caching is not None
        assert speed.plan.step_caching.full_steps(4) == (1, 2, 3, 4)


@pytest.mark.parametrize("broken", [{"interval": 0.5}, {"interval": 2, "edge_bias": 1.0}, {"interval": 2, "depth": 0}])
def test_a_caching_that_is_none_is_refused(broken: dict[str, float]) -> None:
    with pytest.raises(RequestError):
        StepCaching(**broken)  # type: ignore[arg-type]


def test_a_speed_is_read_as_it_is_written() -> None:
    assert SpeedPreset.parse(" Balanced ") is SpeedPreset.BALANCED
    with pytest.raises(RequestError, match="exact, balanced, fast"):
        SpeedPreset.parse("warp")


def test_every_speed_tells_a_user_what_it_does() -> None:
    assert len({speed.help for speed in SpeedPreset}) == len({speed.label for speed in SpeedPreset}) == len(SpeedPreset)


def test_a_record_keeps_the_speed_and_an_old_one_reads_as_exact() -> None:
    request = GenerationRequest(checkpoint=Path("starter"), sampling=Sampling(speed=SpeedPreset.FAST))
    text = encode_record(PictureRecord(version="1", seed=0, request=request))
    assert decode_record(text).request.sampling.speed is SpeedPreset.FAST
    old = json.loads(text)
    del old["request"]["sampling"]["speed"]
    assert decode_record(json.dumps(old)).request.sampling.speed is SpeedPreset.EXACT
