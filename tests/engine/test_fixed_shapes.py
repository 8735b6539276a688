"""Devices that want fixed shapes draw what others draw. No such device is at hand: the processor is treated as one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.device import STATIC_SHAPES
from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest, Output, Prompts
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.compiled_entries import compiled_sizes
from sdxl_desktop.engine.protocol import Engine
from tests.engine.conftest import Told, draw
from tests.engine.parity.cases import BUILDERS, Workflow
from tests.engine.parity.family import TinyFamily

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def static_paths(tmp_path_factory: pytest.TempPathFactory) -> AppPaths:
    root = tmp_path_factory.mktemp("static home")
    return AppPaths(
        data=root / "data", cache=root, settings_file=root / "s.json", pictures=root / "p", logs=root / "logs"
    )


@pytest.fixture(scope="module")
def static_engine(static_paths: AppPaths) -> Iterator[Engine]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.engine.openvino.engine import OpenVinoEngine

        made = OpenVinoEngine(static_paths)
    yield made
    made.close()


@pytest.fixture
def as_npu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATIC_SHAPES, "cpu")


def both(
    engine: Engine, static_engine: Engine, asked: GenerationRequest, patch: pytest.MonkeyPatch
) -> tuple[Told, Told]:
    asked = replace(asked, output=Output(watermark=False, keep_latents="final"))
    patch.delenv(STATIC_SHAPES, raising=False)
    dynamic = draw(engine, asked)
    patch.setenv(STATIC_SHAPES, "cpu")
    return dynamic, draw(static_engine, asked)


def apart(one: Told, other: Told) -> float:
    """The largest difference of the final latents, as a share of the largest of them."""
    assert one.picture.latents is not None
    assert other.picture.latents is not None
    first, second = one.picture.latents.final, other.picture.latents.final
    return float(np.abs(first - second).max() / np.abs(first).max())


def pixels_apart(one: Told, other: Told) -> int:
    return int(np.abs(one.picture.pixels.astype(int) - other.picture.pixels).max())


@pytest.mark.parametrize(
    "workflow",
    [
        Workflow.TEXT,
        pytest.param(Workflow.FEW_STEP, marks=pytest.mark.slow),
        Workflow.IMAGE,
        pytest.param(Workflow.INPAINT, marks=pytest.mark.slow),
        pytest.param(Workflow.INPAINT_9, marks=pytest.mark.slow),
        Workflow.ENSEMBLE,
        pytest.param(Workflow.RETOUCH, marks=pytest.mark.slow),
    ],
)
def test_every_workflow_draws_the_same(
    workflow: Workflow, engine: Engine, static_engine: Engine, family: TinyFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamic, static = both(engine, static_engine, BUILDERS[workflow](family), monkeypatch)
    assert apart(dynamic, static) <= TOLERANCE
    assert pixels_apart(dynamic, static) <= 1


@pytest.mark.parametrize("speed", [Speed.FAST, pytest.param(Speed.BALANCED, marks=pytest.mark.slow)])
def test_step_caching_draws_the_same(
    speed: Speed, engine: Engine, static_engine: Engine, family: TinyFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = BUILDERS[Workflow.TEXT](family, steps=12)
    asked = replace(asked, sampling=replace(asked.sampling, speed=speed))
    dynamic, static = both(engine, static_engine, asked, monkeypatch)
    assert apart(dynamic, static) <= TOLERANCE
    assert dynamic.picture.notes == static.picture.notes == ()
    kept = Output(watermark=False, keep_latents="final")
    exact = draw(static_engine, replace(asked, sampling=replace(asked.sampling, speed=Speed.EXACT), output=kept))
    assert apart(exact, static) > TOLERANCE  # else nothing was saved


@pytest.mark.parametrize("options", [{"guidance_scale": 1.0}, {"prompts": Prompts(prompt="a red cat " * 40)}])
def test_any_batch_and_any_length_of_prompt(
    options: dict[str, Any], engine: Engine, static_engine: Engine, family: TinyFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamic, static = both(engine, static_engine, BUILDERS[Workflow.TEXT](family, **options), monkeypatch)
    assert apart(dynamic, static) <= TOLERANCE


@pytest.mark.usefixtures("as_npu")
def test_a_size_is_compiled_once_and_then_known(
    static_engine: Engine, static_paths: AppPaths, family: TinyFamily
) -> None:
    asked = BUILDERS[Workflow.TEXT](family, size=Size(64, 96))
    first, again = draw(static_engine, asked), draw(static_engine, asked)
    assert compiled(first) == {"unet", "vae_decoder"}
    assert compiled(again) == set()
    known = compiled_sizes(static_paths.compiled, asked.checkpoint, asked.execution)
    assert Size(64, 96) in known
    assert Size(64, 104) not in known


@pytest.mark.usefixtures("as_npu")
def test_what_a_part_ran_on_is_told(static_engine: Engine, family: TinyFamily) -> None:
    finished = draw(static_engine, BUILDERS[Workflow.TEXT](family)).finished
    assert set(finished.devices.values()) == {"CPU"}
    assert {"unet", "vae_decoder"} <= set(finished.devices)


def test_parts_that_take_every_size_have_no_sizes(
    engine: Engine, engine_home: AppPaths, family: TinyFamily, tmp_path: Path
) -> None:
    asked = BUILDERS[Workflow.TEXT](family)
    draw(engine, asked)
    assert compiled_sizes(engine_home.compiled, asked.checkpoint, asked.execution) == ()
    assert compiled_sizes(tmp_path / "nothing", asked.checkpoint, asked.execution) == ()


def compiled(told: Told) -> set[str]:
    return {progress.detail for progress in told.of(Progress) if progress.phase is Phase.COMPILING}
