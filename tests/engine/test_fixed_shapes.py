"""Devices that need fixed shapes draw the same pictures; the tests treat the CPU as such a device."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.device import FIXED_SHAPES_VARIABLE
from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest, OutputOptions, Prompts
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.compile_cache_entries import compiled_image_sizes
from sdxl_desktop.engine.engine_protocol import Engine
from tests.engine.conftest import RecordedEvents, generate
from tests.engine.parity.cases import BUILDERS, ParityWorkflow
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints

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
    monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "cpu")


def both(
    engine: Engine, static_engine: Engine, asked: GenerationRequest, patch: pytest.MonkeyPatch
) -> tuple[RecordedEvents, RecordedEvents]:
    asked = replace(asked, output=OutputOptions(watermark=False, keep_latents="final"))
    patch.delenv(FIXED_SHAPES_VARIABLE, raising=False)
    dynamic = generate(engine, asked)
    patch.setenv(FIXED_SHAPES_VARIABLE, "cpu")
    return dynamic, generate(static_engine, asked)


def max_difference(one: RecordedEvents, other: RecordedEvents) -> float:
    """The largest difference of the final latents, as a share of the largest of them."""
    assert one.picture.latents is not None
    assert other.picture.latents is not None
    first, second = one.picture.latents.final, other.picture.latents.final
    return float(np.abs(first - second).max() / np.abs(first).max())


def max_pixel_difference(one: RecordedEvents, other: RecordedEvents) -> int:
    return int(np.abs(one.picture.pixels.astype(int) - other.picture.pixels).max())


@pytest.mark.parametrize(
    "workflow",
    [
        ParityWorkflow.TEXT,
        pytest.param(ParityWorkflow.FEW_STEP, marks=pytest.mark.slow),
        ParityWorkflow.IMAGE,
        pytest.param(ParityWorkflow.INPAINT, marks=pytest.mark.slow),
        pytest.param(ParityWorkflow.INPAINT_9, marks=pytest.mark.slow),
        ParityWorkflow.ENSEMBLE,
        pytest.param(ParityWorkflow.RETOUCH, marks=pytest.mark.slow),
    ],
)
def test_every_workflow_draws_the_same(
    workflow: ParityWorkflow,
    engine: Engine,
    static_engine: Engine,
    tiny_checkpoints: TinyCheckpoints,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dynamic, static = both(engine, static_engine, BUILDERS[workflow](tiny_checkpoints), monkeypatch)
    assert max_difference(dynamic, static) <= TOLERANCE
    assert max_pixel_difference(dynamic, static) <= 1


@pytest.mark.parametrize("speed", [SpeedPreset.FAST, pytest.param(SpeedPreset.BALANCED, marks=pytest.mark.slow)])
def test_step_caching_draws_the_same(
    speed: SpeedPreset,
    engine: Engine,
    static_engine: Engine,
    tiny_checkpoints: TinyCheckpoints,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=12)
    asked = replace(asked, sampling=replace(asked.sampling, speed=speed))
    dynamic, static = both(engine, static_engine, asked, monkeypatch)
    assert max_difference(dynamic, static) <= TOLERANCE
    assert dynamic.picture.notes == static.picture.notes == ()
    kept = OutputOptions(watermark=False, keep_latents="final")
    exact = generate(
        static_engine, replace(asked, sampling=replace(asked.sampling, speed=SpeedPreset.EXACT), output=kept)
    )
    assert max_difference(exact, static) > TOLERANCE  # else nothing was saved


@pytest.mark.parametrize("options", [{"guidance_scale": 1.0}, {"prompts": Prompts(prompt="a red cat " * 40)}])
def test_any_batch_and_any_length_of_prompt(
    options: dict[str, Any],
    engine: Engine,
    static_engine: Engine,
    tiny_checkpoints: TinyCheckpoints,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dynamic, static = both(
        engine, static_engine, BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, **options), monkeypatch
    )
    assert max_difference(dynamic, static) <= TOLERANCE


@pytest.mark.usefixtures("as_npu")
def test_a_size_is_compiled_once_and_then_known(
    static_engine: Engine, static_paths: AppPaths, tiny_checkpoints: TinyCheckpoints
) -> None:
    asked = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, size=Size(64, 96))
    first, again = generate(static_engine, asked), generate(static_engine, asked)
    assert compiled(first) == {"unet", "vae_decoder"}
    assert compiled(again) == set()
    known = compiled_image_sizes(static_paths.compiled, asked.checkpoint, asked.execution)
    assert Size(64, 96) in known
    assert Size(64, 104) not in known


@pytest.mark.usefixtures("as_npu")
def test_what_a_part_ran_on_is_reported(static_engine: Engine, tiny_checkpoints: TinyCheckpoints) -> None:
    finished = generate(static_engine, BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints)).finished
    assert set(finished.devices.values()) == {"CPU"}
    assert {"unet", "vae_decoder"} <= set(finished.devices)


def test_parts_that_take_every_size_have_no_sizes(
    engine: Engine, engine_home: AppPaths, tiny_checkpoints: TinyCheckpoints, tmp_path: Path
) -> None:
    asked = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints)
    generate(engine, asked)
    assert compiled_image_sizes(engine_home.compiled, asked.checkpoint, asked.execution) == ()
    assert compiled_image_sizes(tmp_path / "nothing", asked.checkpoint, asked.execution) == ()


def compiled(recorded: RecordedEvents) -> set[str]:
    return {progress.detail for progress in recorded.of_type(Progress) if progress.phase is Phase.COMPILING}
