"""A UNet that was begun before the engine was there is the one that the run uses, and never one more."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.additions import Additions, EmbeddingUse, LoraUse
from sdxl_desktop.core.events import Failed
from sdxl_desktop.core.latents import KeptLatents, Start
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.compiled_store import CompiledStore
from sdxl_desktop.engine.openvino import ahead, devices, parts
from sdxl_desktop.engine.openvino.engine import OpenVinoEngine
from sdxl_desktop.engine.process import host
from tests.engine.conftest import draw

EXACT = Execution(precision="f32", threads=1)


@pytest.fixture
def paths(used_home: AppPaths) -> AppPaths:
    return used_home


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
    "speed", [Speed.EXACT, pytest.param(Speed.BALANCED, marks=pytest.mark.slow), Speed.FAST], ids=list(Speed)
)
def test_what_was_begun_is_what_is_drawn_with(
    speed: Speed, paths: AppPaths, tiny: Path, request_for: Any, engine: Any, unets: list[Any]
) -> None:
    request = request_for(speed=speed, steps=6)
    expected = draw(engine, request).picture.pixels
    unets.clear()
    compiler = parts.compiler_for(paths)
    ahead.begin(compiler, paths, tiny / "ov", EXACT, speed)
    made = OpenVinoEngine(paths, compiler=compiler)
    assert (draw(made, request).picture.pixels == expected).all()
    whole = [model for model in unets if any("sample" in port.get_names() for port in model.inputs)]
    assert len(whole) == (1 if speed is Speed.EXACT else 2), "the whole one once, and the shallow one"
    made.close()


def test_nothing_is_begun_that_the_first_run_will_not_ask_for() -> None:
    """LoRAs change the UNet, and latents that are finished need none: it would only take time and memory."""
    plain = GenerationRequest(checkpoint=Path("x"))
    made = plain.sampling
    final = np.zeros((4, 64, 64), np.float32)
    latents = KeptLatents(final=final, seed=made.seed, steps=made.steps, scheduler=made.scheduler)
    assert host.wants_plain_unet(plain)
    assert host.wants_plain_unet(replace(plain, additions=Additions(embeddings=(EmbeddingUse(Path("e"), "<e>"),))))
    assert not host.wants_plain_unet(replace(plain, additions=Additions(loras=(LoraUse(Path("l")),))))
    assert not host.wants_plain_unet(replace(plain, start=Start(latents)))


def test_what_was_begun_for_another_is_let_go(paths: AppPaths, tiny: Path, request_for: Any) -> None:
    compiler = parts.compiler_for(paths)
    ahead.begin(compiler, paths, tiny / "ov", Execution(precision="bf16"), Speed.EXACT)
    made = OpenVinoEngine(paths, compiler=compiler)
    draw(made, request_for())
    made.close()
    deadline = time.monotonic() + 20
    while any(entry.in_use for entry in CompiledStore(paths.compiled).entries()):
        assert time.monotonic() < deadline, "nobody uses it any more"
        time.sleep(0.05)


def test_what_cannot_be_begun_is_told_by_the_run(paths: AppPaths, tiny: Path, request_for: Any, tmp_path: Path) -> None:
    compiler = parts.compiler_for(paths)
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny / "ov", damaged)
    (damaged / "unet" / "openvino_model.xml").write_text("<net>")
    ahead.begin(compiler, paths, tmp_path / "nothing", EXACT, Speed.EXACT)
    ahead.begin(compiler, paths, tiny / "ov", Execution(device="GPU.7"), Speed.EXACT)
    ahead.begin(compiler, paths, damaged, EXACT, Speed.EXACT)
    made = OpenVinoEngine(paths, compiler=compiler)
    told = draw(made, request_for(checkpoint=damaged))
    assert isinstance(told.last, Failed)
    assert "damaged, or cut short" in told.last.error.what
    made.close()
