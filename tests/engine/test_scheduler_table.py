"""The table of schedulers agrees with diffusers' classes."""

from __future__ import annotations

import inspect
from typing import Any

import diffusers
import pytest

from sdxl_desktop.core.schedulers import SDXL_SCHEDULER_CONFIG, SchedulerName, scheduler_from_config, validated_config
from sdxl_desktop.engine.openvino.scheduler_factory import create_scheduler

SETTINGS = (
    *("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_flow_sigmas", "use_lu_lambdas"),
    *("algorithm_type", "solver_order"),
)
OTHER_VALUES = {"algorithm_type": "sde-dpmsolver", "solver_order": 1}


def config_of(name: SchedulerName) -> dict[str, Any]:
    return {**({} if name.is_edm_scheduler else SDXL_SCHEDULER_CONFIG), **name.config}


@pytest.mark.parametrize("name", SchedulerName)
def test_what_diffusers_writes_of_a_scheduler_is_recognised_as_it(name: SchedulerName) -> None:
    written = dict(create_scheduler(name, validated_config(config_of(name)), seed=0, steps=4).config)
    assert scheduler_from_config(validated_config({**written, "_class_name": name.class_name})) is name


@pytest.mark.parametrize("name", SchedulerName)
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_makes_another_scheduler_exactly_where_its_class_has_it(name: SchedulerName, setting: str) -> None:
    config = config_of(name)
    config[setting] = OTHER_VALUES.get(setting, not config.get(setting, False))
    heeded = setting in inspect.signature(getattr(diffusers, name.class_name).__init__).parameters
    if name in (SchedulerName.UNIPC, SchedulerName.DEIS) and setting == "solver_order":
        heeded = False  # any order is the same scheduler, and the checkpoint's own is kept
    assert (scheduler_from_config(validated_config(config)) is name) is not heeded


@pytest.mark.parametrize("name", SchedulerName)
@pytest.mark.parametrize("own", [False, True], ids=["over another's config", "over its own class's defaults"])
def test_defaults_that_diffusers_notes_undo_no_variant(name: SchedulerName, own: bool) -> None:
    """A loaded scheduler's config notes which values its class filled in; those are not the checkpoint's word."""
    plain = SchedulerName.EDM_EULER if name.is_edm_scheduler else SchedulerName.EULER
    class_name = name.class_name if own else plain.class_name
    loaded = getattr(diffusers, class_name).from_config(validated_config({"_class_name": class_name})).config
    config = create_scheduler(name, loaded, seed=0, steps=4).config
    assert {key: config[key] for key in name.options} == dict(name.options)
