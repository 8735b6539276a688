"""What a checkpoint leaves out is SDXL's own value, so every scheduler draws what Euler draws of it."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.core.request import Execution, GenerationRequest, OutputOptions, Prompts, Sampling
from sdxl_desktop.core.schedulers import NON_EDM_SCHEDULERS, SDXL_SCHEDULER_CONFIG, SchedulerName
from sdxl_desktop.engine.openvino import scheduler_factory
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from tests.engine.conftest import generate

STARTER_FOLDER = resources_folder() / "checkpoints" / "starter"
OWN_NOISE = (
    *(SchedulerName.EULER_ANCESTRAL, SchedulerName.DPM2_ANCESTRAL, SchedulerName.DPM2_ANCESTRAL_KARRAS),
    *(SchedulerName.DPMPP_SDE, SchedulerName.DPMPP_SDE_KARRAS, SchedulerName.LCM, SchedulerName.TCD),
    *(SchedulerName.DPMPP_2M_SDE, SchedulerName.DPMPP_2M_SDE_KARRAS),
    *(SchedulerName.DPMPP_3M_SDE, SchedulerName.DPMPP_3M_SDE_KARRAS),
)
"""Their pictures are others, of the same subject."""
SLOWLY = (SchedulerName.LMS, SchedulerName.LMS_KARRAS, SchedulerName.PNDM, SchedulerName.DPM2_ANCESTRAL)
"""They come near to Euler's with many steps alone."""


@pytest.fixture(scope="module")
def drawn(engine: Any) -> Any:
    @cache
    def by(name: SchedulerName, steps: int) -> Any:
        request = GenerationRequest(
            checkpoint=STARTER_FOLDER,
            prompts=Prompts(prompt="a red heart on a blue background"),
            sampling=Sampling(size=Size(128, 128), steps=steps, seed=5, scheduler=name),
            output=OutputOptions(watermark=False),
            execution=Execution(precision="f32", preview=False),
        )
        return generate(engine, request).picture.pixels.astype(float)

    return by


IN_EVERY_RUN = (SchedulerName.DDIM, SchedulerName.EULER_ANCESTRAL, SchedulerName.LCM)
"""Those whose class would clip latents, and of the others one that draws noise."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in IN_EVERY_RUN else [pytest.mark.slow]) for name in NON_EDM_SCHEDULERS],
)
def test_every_scheduler_draws_the_starters_picture(name: SchedulerName, drawn: Any) -> None:
    assert not json.loads((STARTER_FOLDER / "scheduler" / "scheduler_config.json").read_text("utf-8")).get(
        "clip_sample"
    )
    steps = 30 if name in SLOWLY else 10
    off = float(np.sqrt(((drawn(name, steps) - drawn(SchedulerName.EULER, steps)) ** 2).mean()))
    assert off < (55 if name in OWN_NOISE or name in SLOWLY else 35)


@pytest.mark.parametrize("left", [[], ["prediction_type"], None], ids=["nothing", "all but one", "all"])
@pytest.mark.parametrize("name", NON_EDM_SCHEDULERS)
def test_a_schedule_that_is_left_out_is_sdxls(name: SchedulerName, left: list[str] | None) -> None:
    message = {key: value for key, value in SDXL_SCHEDULER_CONFIG.items() if left is not None and key not in left}
    config = scheduler_factory.complete_config({"_class_name": "EulerDiscreteScheduler", **message})
    made = scheduler_factory.create_scheduler(name, config, seed=0, steps=8)
    there = dict(made.config)
    assert {key: there[key] for key in SDXL_SCHEDULER_CONFIG if key in there} == {
        key: SDXL_SCHEDULER_CONFIG[key] for key in SDXL_SCHEDULER_CONFIG if key in there
    }


def test_null_is_as_if_left_out() -> None:
    config = scheduler_factory.complete_config({"_class_name": "DDIMScheduler", **dict.fromkeys(SDXL_SCHEDULER_CONFIG)})
    assert {key: config[key] for key in SDXL_SCHEDULER_CONFIG} == dict(SDXL_SCHEDULER_CONFIG)


@pytest.mark.parametrize("left", [{}, {"scaling_factor": None}])
def test_a_scaling_factor_that_is_left_out_is_sdxls(
    left: dict[str, Any], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = Path(shutil.copytree(tiny_checkpoint / "ov", tmp_path / "ov"))
    for part in ("vae_decoder", "vae_encoder"):
        file = checkpoint / part / "config.json"
        config = json.loads(file.read_text("utf-8"))
        config.pop("scaling_factor")
        file.write_text(json.dumps({**config, **left}), "utf-8")
    pipe = LoadedCheckpoint.load(checkpoint).pipe
    assert pipe.vae_encoder is not None
    assert pipe.vae.config.scaling_factor == pipe.vae_encoder.config.scaling_factor == 0.13025
