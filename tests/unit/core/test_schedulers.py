"""Schedulers are found by every usual spelling; a checkpoint's config is only looked up, never executed."""

from __future__ import annotations

from typing import Any

import pytest

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.schedulers import (
    SchedulerName,
    changed_config,
    nearest_scheduler,
    scheduler_from_config,
    unavailable_scheduler,
    validated_config,
)


@pytest.mark.parametrize("name", SchedulerName)
def test_a_scheduler_is_found_by_value_and_by_label(name: SchedulerName) -> None:
    for written in (name.value, name.label, name.label.upper(), name.value.replace("-", "_")):
        assert SchedulerName.parse(written) is name


@pytest.mark.parametrize("name", SchedulerName)
def test_a_scheduler_is_explained(name: SchedulerName) -> None:
    assert name.explanation.endswith(".")


def test_no_two_schedulers_share_a_label() -> None:
    assert len({name.label for name in SchedulerName}) == len(SchedulerName)


def test_an_unknown_scheduler_is_refused_by_naming_all() -> None:
    with pytest.raises(RequestError) as caught:
        SchedulerName.parse("fastest")
    for name in SchedulerName:
        assert name.value in str(caught.value)


SDXL = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


@pytest.mark.parametrize("name", SchedulerName)
def test_a_checkpoint_made_for_a_scheduler_gets_that_very_one(name: SchedulerName) -> None:
    config = validated_config({**SDXL, "_class_name": name.class_name, **name.options})
    assert scheduler_from_config(config) is name
    assert unavailable_scheduler(config) == ""


@pytest.mark.parametrize(
    ("config", "reported"),
    [
        ({"_class_name": "SASolverScheduler", "use_beta_sigmas": True}, "SASolverScheduler (use_beta_sigmas)"),
        (
            {"_class_name": "SASolverScheduler", "algorithm_type": "noise_prediction"},
            "SASolverScheduler (noise_prediction)",
        ),
        (
            {"_class_name": "DPMSolverSinglestepScheduler", "solver_order": 3},
            "DPMSolverSinglestepScheduler (solver_order 3)",
        ),
        (
            {"_class_name": "HeunDiscreteScheduler", "use_exponential_sigmas": True},
            "HeunDiscreteScheduler (use_exponential_sigmas)",
        ),
        (
            {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"},
            "DPMSolverMultistepScheduler (dpmsolver)",
        ),
        (
            {"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3},
            "DPMSolverMultistepScheduler (solver_order 3)",
        ),
        (
            {"_class_name": "DPMSolverMultistepScheduler", "use_lu_lambdas": True, "algorithm_type": "sde-dpmsolver++"},
            "DPMSolverMultistepScheduler (use_lu_lambdas, sde-dpmsolver++)",
        ),
        ({"_class_name": "PNDMScheduler", "skip_prk_steps": False}, "PNDMScheduler (skip_prk_steps False)"),
    ],
    ids=str,
)
def test_one_that_is_not_in_the_table_is_named_and_not_taken_for_another(config: dict[str, Any], reported: str) -> None:
    checked = validated_config({**SDXL, **config})
    assert scheduler_from_config(checked) is None
    assert unavailable_scheduler(checked) == reported


@pytest.mark.parametrize(
    ("config", "nearest"),
    [
        ({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "deis"}, SchedulerName.DPMPP_2M),
        (
            {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver", "use_karras_sigmas": True},
            SchedulerName.DPMPP_2M_KARRAS,
        ),
        (
            {
                "_class_name": "DPMSolverMultistepScheduler",
                "algorithm_type": "sde-dpmsolver++",
                "use_beta_sigmas": True,
            },
            SchedulerName.DPMPP_2M_SDE,
        ),
        ({"_class_name": "DPMSolverSDEScheduler", "use_exponential_sigmas": True}, SchedulerName.DPMPP_SDE),
        ({"_class_name": "HeunDiscreteScheduler", "use_karras_sigmas": True}, SchedulerName.HEUN),
        ({"_class_name": "UniPCMultistepScheduler", "use_karras_sigmas": True}, SchedulerName.UNIPC),
        ({"_class_name": "SASolverScheduler", "use_karras_sigmas": True}, SchedulerName.SA_SOLVER),
        (
            {
                "_class_name": "DPMSolverSinglestepScheduler",
                "algorithm_type": "sde-dpmsolver++",
                "use_karras_sigmas": True,
            },
            SchedulerName.DPMPP_2S_KARRAS,
        ),
    ],
    ids=str,
)
def test_the_nearest_of_the_same_class_takes_the_place_of_one_that_is_missing(
    config: dict[str, Any], nearest: SchedulerName
) -> None:
    assert nearest_scheduler(validated_config({**SDXL, **config})) is nearest


@pytest.mark.parametrize(
    "class_name",
    [
        "EulerAncestralDiscreteScheduler",
        "DDIMScheduler",
        "DDPMScheduler",
        "PNDMScheduler",
        "LCMScheduler",
        "TCDScheduler",
    ],
)
def test_settings_that_a_class_does_not_have_make_no_other_scheduler(class_name: str) -> None:
    """diffusers also writes the settings of the previous scheduler into a config."""
    config = {"_class_name": class_name, "use_karras_sigmas": True, "algorithm_type": "sde-dpmsolver++"}
    found = scheduler_from_config(validated_config({**SDXL, **config}))
    assert found is not None
    assert found.class_name == class_name


@pytest.mark.parametrize("name", SchedulerName)
@pytest.mark.parametrize("other", [SchedulerName.DPMPP_3M_SDE_KARRAS, SchedulerName.EULER_BETA, SchedulerName.UNIPC])
def test_another_scheduler_on_a_checkpoint_leaves_nothing_of_the_one_before(
    name: SchedulerName, other: SchedulerName
) -> None:
    before = {**SDXL, **other.config, "use_flow_sigmas": False, "timestep_spacing": "trailing", "beta_end": 0.014}
    config = changed_config(before, name.config)
    assert scheduler_from_config(validated_config(config)) is name
    assert (config["timestep_spacing"], config["beta_end"]) == ("trailing", 0.014)


def test_what_is_changed_without_another_scheduler_leaves_the_scheduler() -> None:
    before = {**SDXL, **SchedulerName.DPMPP_3M_SDE_KARRAS.config}
    config = validated_config(changed_config(before, {"prediction_type": "v_prediction"}))
    assert scheduler_from_config(config) is SchedulerName.DPMPP_3M_SDE_KARRAS
    assert config["prediction_type"] == "v_prediction"


@pytest.mark.parametrize(
    "kind",
    [
        *(None, "", 7, ["diffusers", "EulerDiscreteScheduler"], "DiffusionPipeline", "os.system", "AutoencoderKL"),
        *("CosineDPMSolverMultistepScheduler", "FlowMatchEulerDiscreteScheduler", "SchedulerMixin", "x" * 100_000),
    ],
    ids=lambda kind: str(kind)[:30],
)
def test_a_class_that_is_no_scheduler_of_sdxls_is_refused(kind: Any) -> None:
    with pytest.raises(CheckpointError) as caught:
        validated_config({**SDXL, "_class_name": kind})
    assert "scheduler" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "odd",
    [
        {"num_train_timesteps": 2 * 10**9},
        {"num_train_timesteps": 0},
        {"num_train_timesteps": True},
        {"num_train_timesteps": "1000"},
        {"solver_order": 10**8},
        {"predictor_order": 10**5},
        {"corrector_order": -1},
        {"trained_betas": [0.1] * 20_000},
        {"trained_betas": ["a"]},
        {"beta_end": {"a": 1}},
        {"steps_offset": 10**12},
        {"beta_schedule": "s" * 1000},
    ],
    ids=lambda odd: str(odd)[:40],
)
def test_numbers_that_would_take_all_memory_are_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        validated_config({**SDXL, "_class_name": "EulerDiscreteScheduler", **odd})


def test_what_diffusers_itself_writes_is_taken() -> None:
    written = {**SDXL, "_class_name": "DPMSolverMultistepScheduler", "_diffusers_version": "0.37.1", "sigma_max": None}
    config = validated_config({**written, "lambda_min_clipped": float("-inf"), "trained_betas": None})
    assert config["lambda_min_clipped"] == float("-inf")
    assert "_diffusers_version" not in config
