"""A request is born valid: every impossible value raises at construction, naming the value and the way out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import (
    MAX_SEED,
    Execution,
    GenerationRequest,
    MicroConditioning,
    Sampling,
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": Size(100, 64)}, "96 or 104"),
        ({"size": Size(64, 4)}, "Use 8"),
        ({"size": Size(8200, 64)}, "8192"),
        ({"steps": 0}, "number of steps is 0"),
        ({"steps": 1001}, "1000"),
        ({"guidance_scale": -0.1}, "guidance scale"),
        ({"guidance_scale": float("nan")}, "guidance scale"),
        ({"guidance_scale": float("inf")}, "guidance scale"),
        ({"guidance_rescale": 1.5}, "guidance rescale"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"count": 0}, "number of pictures"),
        ({"count": 65}, "64"),
    ],
)
def test_an_impossible_sampling_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        Sampling(**values)
    assert caught.value.next_step, "a refusal says what to do"


@pytest.mark.parametrize(
    "values",
    [
        {"size": Size(8, 8)},
        {"size": Size(8192, 8192)},
        {"steps": 1},
        {"guidance_scale": 0.0},
        {"guidance_rescale": 1.0},
        {"seed": MAX_SEED},
        {"count": 64},
    ],
)
def test_the_limits_themselves_are_allowed(values: dict[str, Any]) -> None:
    Sampling(**values)


def test_every_picture_has_its_own_seed_and_seeds_wrap() -> None:
    assert Sampling(seed=7, count=3).seeds == (7, 8, 9)
    assert Sampling(seed=MAX_SEED, count=2).seeds == (MAX_SEED, 0)


def test_a_request_cannot_be_changed() -> None:
    request = GenerationRequest(checkpoint=Path("x"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.checkpoint = Path("y")  # type: ignore[misc]


def test_equal_requests_are_equal() -> None:
    assert GenerationRequest(checkpoint=Path("x")) == GenerationRequest(checkpoint=Path("x"))
    assert GenerationRequest(checkpoint=Path("x")) != GenerationRequest(checkpoint=Path("x"), sampling=Sampling(seed=1))


@pytest.mark.parametrize("values", [{"device": " "}, {"threads": -1}, {"threads": 2000}, {"precision": "f64"}], ids=str)
def test_an_impossible_execution_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        Execution(**values)
    assert caught.value.next_step


SIZE = Size(640, 512)


def test_micro_conditioning_defaults_to_the_picture_itself() -> None:
    own = (SIZE, Point(0, 0), SIZE)
    assert MicroConditioning().positive_time_ids(SIZE) == own
    assert MicroConditioning().negative_time_ids(SIZE) == own


def test_without_a_negative_both_halves_are_conditioned_alike() -> None:
    given = MicroConditioning(original_size=Size(4096, 4096), crop_top_left=Point(5, 6), target_size=Size(1024, 512))
    assert (
        given.negative_time_ids(SIZE)
        == given.positive_time_ids(SIZE)
        == (Size(4096, 4096), Point(5, 6), Size(1024, 512))
    )


def test_a_refiners_negative_crop_is_none_unless_it_is_given() -> None:
    given = MicroConditioning(crop_top_left=Point(5, 6))
    assert given.negative_time_ids(SIZE, refiner=True)[1] == Point(0, 0)
    given = MicroConditioning(crop_top_left=Point(5, 6), negative_crop_top_left=Point(7, 8))
    assert given.negative_time_ids(SIZE, refiner=True)[1] == Point(7, 8)


def test_one_negative_frees_the_negative_crop() -> None:
    given = MicroConditioning(
        original_size=Size(4096, 4096), crop_top_left=Point(5, 6), negative_original_size=Size(64, 64)
    )
    assert given.negative_time_ids(SIZE) == (Size(64, 64), Point(0, 0), SIZE)
