"""Every preference is declared once, with all that is needed to show it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.settings import Preferences, preference_info

NAMES = [field.name for field in fields(Preferences)]


@pytest.mark.parametrize("name", NAMES)
def test_a_preference_has_a_label_and_help(name: str) -> None:
    info = preference_info(name)
    assert info.label
    assert info.help.endswith(".")


@pytest.mark.parametrize("name", [n for n in NAMES if preference_info(n).editor not in ("device", "backdrop")])
def test_the_choices_offered_are_the_choices_allowed(name: str) -> None:
    allowed = get_args(get_type_hints(Preferences)[name])
    offered = tuple(value for value, _ in preference_info(name).choices)
    assert offered == allowed


@pytest.mark.parametrize(
    "values", [{"theme": "pink"}, {"threads": -1}, {"precision": "f8"}, {"picture_format": "bmp"}], ids=str
)
def test_an_impossible_preference_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        Preferences(**values)


def test_each_part_may_have_a_device_of_its_own() -> None:
    chosen = Preferences(device="GPU", text_device="CPU", vae_device="NPU").execution
    assert [chosen.device_for(part) for part in ("text_encoder_2", "unet", "vae_encoder")] == ["CPU", "GPU", "NPU"]
    assert preference_info("vae_device").choices[0] == ("", "Same as above")


def test_what_decides_where_it_runs_reaches_the_request() -> None:
    execution = Preferences(device="GPU", threads=3, precision="f32", preview=False).execution
    assert (execution.device, execution.threads, execution.precision, execution.preview) == ("GPU", 3, "f32", False)
