"""Axes of a grid: values and ranges as people type them, in any locale."""

from __future__ import annotations

import pytest

from sdxl_desktop.session.request_grid import grid_parameters, parse_axis


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("steps=10, 20 ,30", ("10", "20", "30")),
        ("steps=10-30:10", ("10", "20", "30")),
        ("steps=10..30:10", ("10", "20", "30")),
        ("Steps = 10-30 (+10)", ("10", "20", "30")),
        ("steps=30-10:10", ("30", "20", "10")),
        ("steps=1-4", ("1", "2", "3", "4")),
        ("guidance=1-2 [3]", ("1", "1.5", "2")),
        ("guidance=0,5; 0,7", ("0,5", "0,7")),
        ("guidance=0.1-0.3:0.1", ("0.1", "0.2", "0.3")),
        ("--guidance-rescale=0,0.5", ("0", "0.5")),
        ("seed=4294967290-4294967295:5", ("4294967290", "4294967295")),
        ("scheduler=euler, dpm++ 2m", ("euler", "dpm++ 2m")),
        ("prompt=a cat, red; a dog", ("a cat, red", "a dog")),
        ("lora_weight=-1..1:1", ("-1", "0", "1")),
    ],
)
def test_values_and_ranges(text: str, values: tuple[str, ...]) -> None:
    assert parse_axis(text).values == values


def test_every_parameter_has_a_label() -> None:
    names = [one.name for one in grid_parameters()]
    assert len(set(names)) == len(names)
    assert {"steps", "guidance", "scheduler", "seed", "lora_weight", "checkpoint", "handoff", "aesthetic_score"} <= set(
        names
    )
    assert all(one.label for one in grid_parameters())
