"""The sampling that a single file declares, in markers, metadata or its name, becomes its scheduler and settings."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.schedulers import SchedulerName, scheduler_from_config, validated_config
from sdxl_desktop.formats.families import Family
from sdxl_desktop.library.detect.identify import identify
from tests.unit.library.fake_safetensors import original_shapes

Marks = dict[str, tuple[list[int], list[float]]]


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """A single file of SDXL base, hollow but for `marks`: shape and numbers by name."""
    base = original_shapes(Family.BASE)

    def write(name: str = "mine", marks: Marks | None = None, metadata: dict[str, str] | None = None) -> Path:
        entries: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
        body, at = b"", 0
        for mark, (shape, numbers) in (marks or {}).items():
            raw = struct.pack(f"<{len(numbers)}f", *numbers)
            entries[mark] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(raw)]}
            body, at = body + raw, at + len(raw)
        for key, sides in base.items():
            size = math.prod(sides) * 2
            entries[key] = {"dtype": "F16", "shape": list(sides), "data_offsets": [at, at + size]}
            at += size
        head = json.dumps(entries).encode()
        path = tmp_path / f"{name}.safetensors"
        with path.open("wb") as stream:
            stream.write(struct.pack("<Q", len(head)) + head + body)
            stream.truncate(8 + len(head) + at)
        return path

    return write


EMPTY: tuple[list[int], list[float]] = ([0], [])


@pytest.mark.parametrize(
    ("marks", "metadata", "prediction", "zero", "spacing"),
    [
        ({}, {}, "epsilon", False, "leading"),
        ({"v_pred": EMPTY}, {}, "v_prediction", False, "leading"),
        ({"v_pred": EMPTY, "ztsnr": EMPTY}, {}, "v_prediction", True, "trailing"),
        ({}, {"modelspec.prediction_type": "v"}, "v_prediction", False, "leading"),
        ({}, {"modelspec.prediction_type": "Epsilon"}, "epsilon", False, "leading"),
        ({}, {"ss_v_parameterization": "True", "ss_zero_terminal_snr": "True"}, "v_prediction", True, "trailing"),
        ({"v_pred": EMPTY}, {"modelspec.prediction_type": "epsilon"}, "v_prediction", False, "leading"),
    ],
)
def test_marks_and_metadata_are_heeded(
    marks: Marks, metadata: dict[str, str], prediction: str, zero: bool, spacing: str, file: Any
) -> None:
    config = validated_config(identify(file(marks=marks, metadata=metadata)).scheduler_config)
    message = (config["prediction_type"], bool(config.get("rescale_betas_zero_snr")), config["timestep_spacing"])
    assert message == (prediction, zero, spacing)


def test_a_prediction_that_nobody_knows_is_reported(file: Any) -> None:
    found = identify(file(metadata={"modelspec.prediction_type": "flow"}))
    assert "'flow'" in found.checkpoint_json["description"]


def test_edm_marks_are_drawn_with_edms_noise(file: Any) -> None:
    mean, deviation = [-1.5, 2.0, -1.25, 2.5], [8.5, 6.0, 6.5, 5.25]
    found = identify(file(marks={"edm_mean": ([1, 4, 1, 1], mean), "edm_std": ([1, 4, 1, 1], deviation)}))
    assert scheduler_from_config(validated_config(found.scheduler_config)) is SchedulerName.EDM_DPMPP_2M
    vae = next(part for part in found.parts if part.name == "vae").config
    assert (vae["latents_mean"], vae["latents_std"], vae["scaling_factor"]) == (mean, deviation, 0.5)


def test_edm_v_prediction_has_the_levels_that_the_file_says(file: Any) -> None:
    found = identify(file(marks={"edm_vpred.sigma_max": ([], [100.0]), "edm_vpred.sigma_min": ([1], [0.0625])}))
    config = validated_config(found.scheduler_config)
    assert scheduler_from_config(config) is SchedulerName.EDM_EULER
    assert (config["prediction_type"], config["sigma_max"], config["sigma_min"]) == ("v_prediction", 100.0, 0.0625)


@pytest.mark.parametrize(
    "marks",
    [
        {"edm_mean": ([4], [0.0] * 4), "edm_std": ([4], [1.0, 0.0, 1.0, 1.0])},
        {"edm_mean": ([4], [math.nan] * 4), "edm_std": ([4], [1.0] * 4)},
        {"edm_mean": ([4], [0.0] * 4), "edm_std": ([2], [1.0] * 2)},
        {"edm_vpred.sigma_max": ([], [0.0])},
        {"edm_vpred.sigma_min": ([], [200.0])},
    ],
)
def test_edm_marks_that_make_no_sense_are_refused_by_name(marks: Marks, file: Any) -> None:
    with pytest.raises(CheckpointError, match=r"mine\.safetensors.*EDM"):
        identify(file(marks=marks))


@pytest.mark.parametrize(
    ("name", "scheduler", "steps", "spacing"),
    [
        ("sd_xl_turbo_1.0_fp16", SchedulerName.EULER_ANCESTRAL, 4, "trailing"),
        ("dreamerXL_v21TurboDPMSDE", SchedulerName.EULER_ANCESTRAL, 4, "trailing"),
        ("sdxl_lightning_8step", SchedulerName.EULER, 8, "trailing"),
        ("Hyper-SDXL-2steps", SchedulerName.DDIM, 2, "trailing"),
        ("bigModel-DMD2-v3", SchedulerName.LCM, 4, "leading"),
    ],
)
def test_few_step_files_are_known_by_name(
    name: str, scheduler: SchedulerName, steps: int, spacing: str, file: Any
) -> None:
    found = identify(file(name))
    config = validated_config(found.scheduler_config)
    assert (scheduler_from_config(config), config["timestep_spacing"]) == (scheduler, spacing)
    assert found.checkpoint_json == {"steps": steps, "guidance_scale": 1.0}


@pytest.mark.parametrize("name", ["hyperrealism_v3", "turboland", "thunderlightnings", "enlightening", "30steps"])
def test_other_names_mean_nothing(name: str, file: Any) -> None:
    assert not identify(file(name)).checkpoint_json


def test_metadata_names_it_too(file: Any) -> None:
    found = identify(file(metadata={"modelspec.title": "My XL Lightning 2-step"}))
    assert found.checkpoint_json["steps"] == 2
