"""The sampling that a checkpoint declares is applied as in diffusers: prediction type, zero SNR, spacing, EDM."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.events import Preview
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride, PredictionType, TimestepSpacing
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.schedulers import EDM_SCHEDULERS, SchedulerName
from sdxl_desktop.core.speed import SpeedPreset
from tests.engine.conftest import generate
from tests.engine.parity.cases import BUILDERS, TOLERANCE, ParityWorkflow, image_edit, inpaint_edit, refine_parameters
from tests.engine.parity.our_engine import OurEngine
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.parity.tolerances import max_difference
from tests.engine.parity.torch_reference import TorchPipelines, TorchReference

V = {"prediction_type": "v_prediction"}
ZERO = {**V, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
PLAYGROUND = {"_class_name": "EDMDPMSolverMultistepScheduler", "sigma_data": 0.5, "sigma_max": 80.0}
COSXL = {
    "_class_name": "EDMEulerScheduler",
    "sigma_data": 1.0,
    "sigma_max": 120.0,
    "sigma_schedule": "exponential",
    **V,
}


class _OtherConfig:
    """The pipelines of the same weights, with another scheduler_config."""

    def __init__(self, pipelines: TorchPipelines, weights: Path, config: dict[str, Any]) -> None:
        self._pipelines, self._weights, self._config = pipelines, weights, config

    def pipeline(self, kind: Any, ov_folder: Path, vae: Path | None = None) -> Any:
        return self._pipelines.pipeline(kind, self._weights, vae)

    def scheduler_config(self, ov_folder: Path) -> Any:
        return self._config


@pytest.fixture
def with_config(tiny_checkpoints: TinyCheckpoints, tmp_path: Path) -> Any:
    """A request for a checkpoint whose scheduler has `config`."""

    def make(
        config: dict[str, Any], workflow: ParityWorkflow = ParityWorkflow.TEXT, **options: Any
    ) -> GenerationRequest:
        request = BUILDERS[workflow](tiny_checkpoints, **options)
        folder = tmp_path / "ov"
        shutil.copytree(request.checkpoint, folder)
        message = {"_class_name": "EulerDiscreteScheduler", **config}
        (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(message), "utf-8")
        return replace(request, checkpoint=folder)

    return make


@pytest.mark.parametrize(
    ("config", "options"),
    [
        pytest.param(V, {}, id="v-prediction, Euler"),
        pytest.param(
            V,
            {"scheduler": SchedulerName.DPMPP_3M_SDE_KARRAS},
            id="v-prediction, 3M SDE Karras",
            marks=pytest.mark.slow,
        ),
        pytest.param({"prediction_type": "sample"}, {}, id="sample, Euler"),
        pytest.param(
            {"prediction_type": "sample"},
            {"scheduler": SchedulerName.UNIPC},
            id="sample, UniPC",
            marks=pytest.mark.slow,
        ),
        pytest.param({"timestep_spacing": "trailing"}, {"scheduler": SchedulerName.DDIM}, id="trailing, DDIM"),
        pytest.param({"timestep_spacing": "linspace"}, {}, id="linspace, Euler"),
        pytest.param(ZERO, {}, id="zero terminal SNR, Euler"),
        pytest.param(ZERO, {"scheduler": SchedulerName.DDIM}, id="zero terminal SNR, DDIM"),
        pytest.param(ZERO, {"scheduler": SchedulerName.DPMPP_2M}, id="zero terminal SNR, DPM++ 2M"),
        *(pytest.param(PLAYGROUND, {"scheduler": name}, id=f"Playground, {name.label}") for name in EDM_SCHEDULERS),
        *(pytest.param(COSXL, {"scheduler": name}, id=f"CosXL, {name.label}") for name in EDM_SCHEDULERS[:2]),
        pytest.param(
            PLAYGROUND,
            {"scheduler": SchedulerName.EDM_EULER, "workflow": ParityWorkflow.IMAGE, "edit": image_edit(0.6)},
            id="Playground, image-to-image",
        ),
        pytest.param(
            PLAYGROUND,
            {"scheduler": SchedulerName.EDM_DPMPP_2M, "workflow": ParityWorkflow.INPAINT, "edit": inpaint_edit(0.6)},
            id="Playground, inpainting",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_it_draws_what_diffusers_draws(
    config: dict[str, Any],
    options: dict[str, Any],
    with_config: Any,
    tiny_checkpoints: TinyCheckpoints,
    reference: TorchReference,
    ours: OurEngine,
) -> None:
    request = with_config(config, **options)
    theirs = TorchReference()
    weights = BUILDERS[options.get("workflow", ParityWorkflow.TEXT)](tiny_checkpoints).checkpoint
    theirs.pipelines = _OtherConfig(reference.pipelines, weights, config)  # type: ignore[assignment]
    assert max_difference(ours.generate(request), theirs.generate(request)) <= TOLERANCE


@pytest.mark.parametrize(
    ("override", "config"),
    [
        (NoiseScheduleOverride(prediction_type=PredictionType.V_PREDICTION), V),
        (NoiseScheduleOverride(timestep_spacing=TimestepSpacing.TRAILING), {"timestep_spacing": "trailing"}),
        (
            NoiseScheduleOverride(
                prediction_type=PredictionType.V_PREDICTION,
                zero_terminal_snr=True,
                timestep_spacing=TimestepSpacing.TRAILING,
            ),
            ZERO,
        ),
    ],
    ids=["prediction", "spacing", "all three"],
)
def test_what_is_asked_draws_as_if_the_checkpoint_declared_it(
    override: NoiseScheduleOverride,
    config: dict[str, Any],
    with_config: Any,
    tiny_checkpoints: TinyCheckpoints,
    ours: OurEngine,
) -> None:
    plain = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints)
    asked = replace(plain, sampling=replace(plain.sampling, noise=override))
    assert np.array_equal(ours.generate(asked), ours.generate(with_config(config)))
    assert max_difference(ours.generate(asked), ours.generate(plain)) > TOLERANCE


@pytest.mark.parametrize(
    ("config", "scheduler", "able"),
    [
        ({"prediction_type": "sample"}, SchedulerName.EULER_ANCESTRAL, "Euler"),
        pytest.param({"prediction_type": "sample"}, SchedulerName.PNDM, "UniPC", marks=pytest.mark.slow),
        pytest.param({"prediction_type": "sample"}, SchedulerName.DPMPP_SDE, "DPM++ 2M", marks=pytest.mark.slow),
        ({"rescale_betas_zero_snr": True}, SchedulerName.LMS, "DDIM"),
        (PLAYGROUND, SchedulerName.EULER, "EDM DPM++ 2M"),
        ({}, SchedulerName.EDM_EULER, "Euler Karras"),
    ],
)
def test_a_scheduler_that_cannot_is_refused_by_naming_those_that_can(
    config: dict[str, Any], scheduler: SchedulerName, able: str, with_config: Any, ours: OurEngine
) -> None:
    request = with_config(config, scheduler=scheduler)
    shutil.rmtree(request.checkpoint / "unet")  # before anything is loaded
    with pytest.raises(RequestError) as caught:
        ours.generate(request)
    assert scheduler.label in caught.value.what
    named = (caught.value.next_step or "").removeprefix("Choose one of: ").rstrip(".").split(", ")
    assert able in named
    assert scheduler.label not in named


@pytest.mark.parametrize(
    "scheduler",
    [
        SchedulerName.DDIM,
        pytest.param(SchedulerName.DPMPP_2M, marks=pytest.mark.slow),
        pytest.param(SchedulerName.UNIPC, marks=pytest.mark.slow),
    ],
)
def test_more_steps_than_there_are_timesteps_are_refused_with_the_largest_number(
    scheduler: SchedulerName, with_config: Any, ours: OurEngine
) -> None:
    request = with_config({}, scheduler=scheduler, steps=1000)
    shutil.rmtree(request.checkpoint / "unet")
    with pytest.raises(RequestError, match=r"Use 99\d steps or fewer"):
        ours.generate(request)


@pytest.mark.parametrize("name", EDM_SCHEDULERS)
def test_edm_goes_with_previews_caching_and_soft_masks(name: SchedulerName, with_config: Any, engine: Any) -> None:
    soft = replace(inpaint_edit(1.0), soft=True)
    request = with_config(
        PLAYGROUND, ParityWorkflow.INPAINT, scheduler=name, edit=soft, speed=SpeedPreset.FAST, steps=8
    )
    recorded = generate(engine, replace(request, execution=replace(request.execution, preview=True)))
    assert len(recorded.of_type(Preview)) == 8
    assert recorded.picture.pixels.std() > 0


def test_edm_does_not_hand_over_in_the_middle(
    with_config: Any, tiny_checkpoints: TinyCheckpoints, ours: OurEngine
) -> None:
    request = with_config(PLAYGROUND, scheduler=SchedulerName.EDM_EULER)
    with pytest.raises(RequestError, match=r"img2img|cannot draw"):
        ours.generate(replace(request, refine=refine_parameters(tiny_checkpoints, RefinerMode.ENSEMBLE)))
