"""A UNet that was begun before the engine was there is the one that the run uses, and never one more."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.events import RunFailed
from sdxl_desktop.core.latents import ResumePoint, SavedLatents
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.compile_cache import CompileCache
from sdxl_desktop.engine.openvino import devices, part_compiler, precompile
from sdxl_desktop.engine.openvino.engine import OpenVinoEngine
from sdxl_desktop.engine.process import engine_host
from tests.engine.conftest import generate

EXACT = Execution(precision="f32", threads=1)


@pytest.fixture
def paths(precompiled_home: AppPaths) -> AppPaths:
    return precompiled_home


@pytest.fixture
def unets(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The graphs with a timestep that are compiled from now on."""
    seen: list[Any] = []
    core = devices.core

    class Watching:
        def __getattr__(self, name: str) -> Any:
            return getattr(core, name)

        def compile_model(self, model: Any, *given: Any) -> Any:
            if any("timestep" in port.get_names() for port in model.inputs):
                seen.append(model)
            return core.compile_model(model, *given)

    monkeypatch.setattr(devices, "core", Watching())
    return seen


@pytest.mark.parametrize(
    "speed",
    [SpeedPreset.EXACT, pytest.param(SpeedPreset.BALANCED, marks=pytest.mark.slow), SpeedPreset.FAST],
    ids=list(SpeedPreset),
)
def test_what_was_started_is_what_is_drawn_with(
    speed: SpeedPreset, paths: AppPaths, tiny_checkpoint: Path, request_for: Any, engine: Any, unets: list[Any]
) -> None:
    request = request_for(speed=speed, steps=6)
    expected = generate(engine, request).picture.pixels
    unets.clear()
    compiler = part_compiler.create_compiler(paths)
    precompile.precompile_unet(compiler, paths, tiny_checkpoint / "ov", EXACT, speed)
    made = OpenVinoEngine(paths, compiler=compiler)
    assert (generate(made, request).picture.pixels == expected).all()
    whole = [model for model in unets if any("sample" in port.get_names() for port in model.inputs)]
    assert len(whole) == (1 if speed is SpeedPreset.EXACT else 2), "the whole one once, and the shallow one"
    made.close()


def test_nothing_is_started_that_the_first_run_will_not_ask_for() -> None:
    """LoRAs change the UNet, and latents that are finished need none: it would only take time and memory."""
    plain = GenerationRequest(checkpoint=Path("x"))
    made = plain.sampling
    final = np.zeros((4, 64, 64), np.float32)
    latents = SavedLatents(final=final, seed=made.seed, steps=made.steps, scheduler=made.scheduler)
    assert engine_host.uses_unmodified_unet(plain)
    assert engine_host.uses_unmodified_unet(
        replace(plain, additions=Additions(embeddings=(EmbeddingReference(Path("e"), "<e>"),)))
    )
    assert not engine_host.uses_unmodified_unet(replace(plain, additions=Additions(loras=(LoraReference(Path("l")),))))
    assert not engine_host.uses_unmodified_unet(replace(plain, start=ResumePoint(latents)))


def test_what_was_started_for_another_is_let_go(paths: AppPaths, tiny_checkpoint: Path, request_for: Any) -> None:
    compiler = part_compiler.create_compiler(paths)
    precompile.precompile_unet(compiler, paths, tiny_checkpoint / "ov", Execution(precision="bf16"), SpeedPreset.EXACT)
    made = OpenVinoEngine(paths, compiler=compiler)
    generate(made, request_for())
    made.close()
    deadline = time.monotonic() + 20
    while any(entry.in_use for entry in CompileCache(paths.compiled).entries()):
        assert time.monotonic() < deadline, "nobody uses it any more"
        time.sleep(0.05)


def test_what_cannot_be_started_is_reported_by_the_run(
    paths: AppPaths, tiny_checkpoint: Path, request_for: Any, tmp_path: Path
) -> None:
    compiler = part_compiler.create_compiler(paths)
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_checkpoint / "ov", damaged)
    (damaged / "unet" / "openvino_model.xml").write_text("<net>")
    precompile.precompile_unet(compiler, paths, tmp_path / "nothing", EXACT, SpeedPreset.EXACT)
    precompile.precompile_unet(compiler, paths, tiny_checkpoint / "ov", Execution(device="GPU.7"), SpeedPreset.EXACT)
    precompile.precompile_unet(compiler, paths, damaged, EXACT, SpeedPreset.EXACT)
    made = OpenVinoEngine(paths, compiler=compiler)
    recorded = generate(made, request_for(checkpoint=damaged))
    assert isinstance(recorded.last, RunFailed)
    assert "damaged, or cut short" in recorded.last.error.what
    made.close()
