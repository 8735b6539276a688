"""What is made of checkpoints that are there: by which methods, what can be compared, and how that is drawn."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.request import Execution
from sdxl_desktop.library.convert.build_folder import RECORD_FILE
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.library.quantize.quantization_plan import QuantizationPlan
from sdxl_desktop.library.scan import Library, read_checkpoint
from sdxl_desktop.session.checkpoint_jobs import (
    ComparisonJobSpec,
    QuantizationJobSpec,
    comparison_candidates,
    comparison_request,
    plan_quantization_job,
    quantization_plans,
)

PARTS = ("text_encoder", "text_encoder_2", "unet", "vae_decoder")
ROUNDED = '<data element_type="u8" size="4096"/>'


def make(folder: Path, *, made_from: str = "", refiner: bool = False) -> Path:
    """A folder that reads as a checkpoint, with graphs of fp32 weights."""
    for part in PARTS[1 if refiner else 0 :]:
        (folder / part).mkdir(parents=True)
        (folder / part / "openvino_model.xml").write_text("not a network")
        (folder / part / "openvino_model.bin").write_bytes(bytes(4000))
    index = {"_class_name": "StableDiffusionXLPipeline", **({"text_encoder": [None, None]} if refiner else {})}
    for name, content in (
        ("model_index.json", index),
        ("unet/config.json", {"block_out_channels": [8], "sample_size": 8}),
        ("vae_decoder/config.json", {"block_out_channels": [8, 8, 8, 8]}),
        ("scheduler/scheduler_config.json", {"_class_name": "EulerDiscreteScheduler"}),
        ("checkpoint.json", {"steps": 6, "guidance_scale": 2.5}),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    if made_from:
        (folder / RECORD_FILE).write_text(json.dumps({"source": made_from, "quantization": {"method": "int8"}}))
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "shipped").mkdir()
    make(tmp_path / "own" / "mine")
    return Library(tmp_path / "shipped", tmp_path / "own")


def test_every_method_has_its_plan_with_a_name_that_is_free(library: Library) -> None:
    make(library.user_folder / "mine-int8", made_from="mine")
    found = quantization_plans(library.user_folder / "mine", library)
    plans = [answer for answer in found.values() if isinstance(answer, QuantizationPlan)]
    assert [answer.name for answer in plans] == ["mine-int8-2", "mine-int4", "mine-hybrid", "mine-full"]


def test_methods_that_cannot_be_used_say_why_and_the_others_stay(library: Library) -> None:
    found = quantization_plans(make(library.user_folder / "finisher", refiner=True), library)
    assert [isinstance(found[method], QuantizationPlan) for method in QuantizationMethod] == [True, True, False, False]
    assert "drawn from words" in getattr(found[QuantizationMethod.HYBRID], "why", "")


def test_what_is_rounded_already_cannot_be_made_smaller(library: Library) -> None:
    for part in PARTS:
        (library.user_folder / "mine" / part / "openvino_model.xml").write_text(ROUNDED)
    with pytest.raises(CheckpointError, match="int8 already"):
        quantization_plans(library.user_folder / "mine", library)


def test_the_same_note_continues_in_the_same_place_and_another_does_not(library: Library) -> None:
    note = QuantizationJobSpec(
        source=str(library.user_folder / "mine"), method=QuantizationMethod.HYBRID, name="small", samples=7
    )
    again = plan_quantization_job(note, library)
    assert plan_quantization_job(note, library).build_folder.folder == again.build_folder.folder
    assert (again.name, again.calibration.samples if again.calibration else 0) == ("small", 7)
    other = QuantizationJobSpec(source=note.source, method=QuantizationMethod.HYBRID, name="small", samples=8)
    assert plan_quantization_job(other, library).build_folder.folder != again.build_folder.folder


def test_a_note_learns_from_its_own_prompts(library: Library, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a fox\na heart\n")
    note = QuantizationJobSpec(
        source=str(library.user_folder / "mine"),
        method=QuantizationMethod.FULL,
        name="small",
        prompts=str(tmp_path / "words.txt"),
    )
    calibration = plan_quantization_job(note, library).calibration
    assert calibration is not None
    assert calibration.prompts == ("a fox", "a heart")


def test_what_it_was_made_from_comes_first(library: Library) -> None:
    make(library.user_folder / "a-first")
    made = make(library.user_folder / "mine-int8", made_from="mine")
    found = comparison_candidates(made, library)
    assert [other.name for other in found.others] == ["mine", "a-first"]
    assert found.source is not None
    assert found.source.name == "mine"


def test_else_the_newest_that_was_made_of_it(library: Library) -> None:
    make(library.user_folder / "a-first")
    for age, name in ((100, "mine-int4"), (50, "mine-int8")):
        folder = make(library.user_folder / name, made_from="mine")
        os.utime(folder, (1e9 - age, 1e9 - age))
    found = comparison_candidates(library.user_folder / "mine", library)
    assert [other.name for other in found.others] == ["mine-int8", "a-first", "mine-int4"]
    assert found.source is None


def test_a_refiner_is_nothing_to_compare_with(library: Library) -> None:
    make(library.user_folder / "finisher", refiner=True)
    assert comparison_candidates(library.user_folder / "mine", library).others == ()


def test_a_comparison_draws_exactly_as_the_first_recommends(library: Library) -> None:
    first = read_checkpoint(library.user_folder / "mine")
    note = ComparisonJobSpec(
        first=first.folder,
        second=first.folder,
        report_folder=library.user_folder,
        seeds=3,
        execution=Execution(device="GPU.1"),
    )
    request = comparison_request(first, note)
    sampling = request.sampling
    assert (sampling.steps, sampling.guidance_scale, sampling.seeds) == (6, 2.5, (0, 1, 2))
    assert str(sampling.speed) == "exact"
    assert (request.execution.device, request.output.watermark) == ("GPU.1", False)
