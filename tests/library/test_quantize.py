"""Every method makes a whole checkpoint that draws nearly the same, here and with plain optimum-intel."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.engine.engine_protocol import Engine
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.import_record import verify_checkpoint
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.quantization_errors import QuantizationCancelledError
from sdxl_desktop.library.quantize.quantization_job import QuantizationPhase, QuantizationProgress
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.library.quantize.quantization_plan import QuantizationPlan, plan_quantization
from sdxl_desktop.library.quantize.run_quantization import discard_quantization, quantization_job, run_quantization
from sdxl_desktop.library.quantize.weight_precision import WeightPrecision, read_weight_precision
from sdxl_desktop.library.scan import Library, read_checkpoint
from tests.engine.conftest import engine, engine_home  # noqa: F401
from tests.in_process_jobs import run_job_in_process
from tests.library.conftest import MEMORY_LIMIT
from tests.library.test_import import SIZE, Bring, picture

Make = Callable[[QuantizationMethod], Path]
_events_by_method: dict[QuantizationMethod, list[Any]] = {}


def calibrated(source: Checkpoint, **settings: Any) -> Calibration:
    return Calibration.for_checkpoint(
        source, ("a red cat", "a dog"), **{"samples": 4, "steps": 3, "size": SIZE, **settings}
    )


def quantize_here(plan: QuantizationPlan) -> list[Any]:
    """Quantize in this process, which has imported torch already; returns all events."""
    from sdxl_desktop.library.quantize.quantization_worker import HOST

    events: list[Any] = []
    run_job_in_process(HOST, quantization_job(plan, MEMORY_LIMIT), events.append)
    plan.build_folder.move_to(plan.destination)
    return events


@pytest.fixture(scope="session")
def made(imported: Bring, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The checkpoint that each method makes of the small one in float32, made once for all tests."""
    home = tmp_path_factory.mktemp("quantized")

    def make(method: QuantizationMethod) -> Path:
        if not (home / method).exists():
            source = read_checkpoint(imported("torch", WeightFormat.FP32))
            plan = plan_quantization(source, home, method, method.value, calibrated(source))
            _events_by_method[method] = quantize_here(plan)
        return home / method

    return make


def psnr(one: Any, other: Any) -> float:
    return float(10 * np.log10(255**2 / np.square(one - other).mean()))


@pytest.mark.parametrize(
    ("method", "held", "least"),
    [
        (QuantizationMethod.INT8, WeightPrecision.INT8, 30),
        (QuantizationMethod.INT4, WeightPrecision.INT4, 20),
        (
            QuantizationMethod.HYBRID,
            WeightPrecision.QUANTIZED,
            22,
        ),  # 24.3 on processors without VNNI, whose 8-bit products saturate
        pytest.param(QuantizationMethod.FULL, WeightPrecision.QUANTIZED, 12, marks=pytest.mark.slow),
    ],
)
def test_it_is_smaller_whole_and_draws_nearly_the_same(
    method: QuantizationMethod,
    held: WeightPrecision,
    least: float,
    made: Make,
    imported: Bring,
    engine: Engine,  # noqa: F811
) -> None:
    source, folder = imported("torch", WeightFormat.FP32), made(method)
    assert verify_checkpoint(folder).problems == ()
    assert read_weight_precision(folder / "unet" / "openvino_model.xml") is held
    sizes = [(place / "unet" / "openvino_model.bin").stat().st_size for place in (source, folder)]
    assert sizes[1] < 0.4 * sizes[0]
    found = psnr(picture(engine, folder), picture(engine, source))
    assert least < found < 99, f"{found:.1f} dB"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("method", [QuantizationMethod.INT4, QuantizationMethod.HYBRID])
def test_plain_optimum_intel_draws_the_same_with_it(method: QuantizationMethod, made: Make, engine: Engine) -> None:  # noqa: F811
    import torch
    from optimum.intel import OVStableDiffusionXLPipeline

    exactly = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0", "CACHE_DIR": ""}
    pipe = OVStableDiffusionXLPipeline.from_pretrained(str(made(method)), export=False, ov_config=exactly)
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        "a red cat",
        negative_prompt="rats",
        width=SIZE.width,
        height=SIZE.height,
        num_inference_steps=3,
        generator=torch.Generator().manual_seed(7),
        output_type="np",
    ).images[0]
    assert np.abs(picture(engine, made(method)) - np.round(theirs * 255)).max() <= 1


def test_the_source_is_only_read_and_the_record_says_how_it_was_made(made: Make, imported: Bring) -> None:
    folder = made(QuantizationMethod.HYBRID)
    source = imported("torch", WeightFormat.FP32)
    assert verify_checkpoint(source).problems == ()
    record = json.loads((folder / "import.json").read_text(encoding="utf-8"))
    assert (record["weights"], record["source"]) == ("hybrid", source.name)
    about = record["quantization"]
    assert about["parts"]["vae_decoder"] == "kept as it is"
    assert (folder / "vae_decoder" / "openvino_model.bin").read_bytes() == (
        source / "vae_decoder" / "openvino_model.bin"
    ).read_bytes()
    assert about["nncf"]
    assert {key: about["calibration"][key] for key in ("samples", "steps", "pictures", "size")} == {
        "samples": 4,
        "steps": 3,
        "pictures": 2,
        "size": "128x96",
    }
    assert len(about["calibration"]["prompts_hash"]) == 16
    found = read_checkpoint(folder)
    assert "4 samples from 2 pictures at 3 steps" in found.description
    assert found.title.endswith("(hybrid)")


def test_progress_never_falls_and_counts_every_look(made: Make) -> None:
    made(QuantizationMethod.HYBRID)
    steps = [event for event in _events_by_method[QuantizationMethod.HYBRID] if isinstance(event, QuantizationProgress)]
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    drawn = [step for step in steps if step.phase is QuantizationPhase.RECORDING]
    assert drawn[-1].done == drawn[-1].total == 6, "two pictures of three steps"
    calibrating = [step for step in steps if step.phase is QuantizationPhase.CALIBRATING]
    assert calibrating[-1].done == calibrating[-1].total


def test_samples_are_what_the_unet_is_given_at_the_real_settings(imported: Bring, tmp_path: Path) -> None:
    from sdxl_desktop.library.quantize.sample_recording import read_sample, record_samples

    folder = imported("torch", WeightFormat.FP32)
    calibration = calibrated(read_checkpoint(folder), samples=3, steps=3, guidance_scale=4.0)
    files = record_samples(folder, calibration, tmp_path / "samples", lambda count: None)
    samples = [read_sample(file) for file in files]
    assert [sample["sample"].shape for sample in samples] == [(2, 4, 12, 16)] * 3, "guided: both halves"
    timesteps = [float(sample["timestep"].ravel()[0]) for sample in samples]
    assert timesteps == sorted(timesteps, reverse=True)
    assert len(set(timesteps)) == 3
    assert samples[0]["time_ids"].shape == (2, 6)
    seen: list[int] = []
    assert record_samples(folder, calibration, tmp_path / "samples", seen.append) == files
    assert sum(seen) == 3, "nothing is drawn twice"
    unguided = calibrated(read_checkpoint(folder), samples=2, steps=2, guidance_scale=1.0)
    files = record_samples(folder, unguided, tmp_path / "unguided", lambda count: None)
    assert read_sample(files[0])["sample"].shape[0] == 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_in_a_process_of_its_own_stopped_by_the_user_and_continued(imported: Bring, tmp_path: Path) -> None:
    source = read_checkpoint(imported("torch", WeightFormat.FP32))
    plan = plan_quantization(source, tmp_path / "library", QuantizationMethod.INT8)
    cancel = threading.Event()

    def stop_at_the_last_part(progress: QuantizationProgress) -> None:
        if progress.part == "unet":
            cancel.set()

    with pytest.raises(QuantizationCancelledError, match="go on"):
        run_quantization(plan, stop_at_the_last_part, cancel)
    assert Library(tmp_path / "none", plan.library_folder).checkpoints() == ()
    after: list[QuantizationProgress] = []
    checkpoint = run_quantization(plan, after.append)
    assert checkpoint.name == "torch-fp32-int8"
    assert not any(step.part == "text_encoder" and step.phase is QuantizationPhase.COMPRESSING for step in after), (
        "it was kept"
    )
    assert [entry.name for entry in plan.library_folder.iterdir()] == [checkpoint.name], "nothing is left lying about"


def test_what_takes_too_much_memory_is_stopped_with_a_reason(imported: Bring, tmp_path: Path) -> None:
    source = read_checkpoint(imported("torch", WeightFormat.FP32))
    plan = plan_quantization(source, tmp_path / "library", QuantizationMethod.INT4)
    with pytest.raises(SdxlDesktopError, match="too much memory"):
        run_quantization(plan, lambda progress: None, memory_limit=50 * 2**20)
    discard_quantization(plan)
    assert not plan.library_folder.is_dir() or list(plan.library_folder.iterdir()) == []


def test_a_checkpoint_that_runs_away_is_refused_before_it_is_calibrated(imported: Bring, tmp_path: Path) -> None:
    folder = shutil.copytree(imported("torch", WeightFormat.FP32), tmp_path / "broken")
    _spoil(folder / "unet")
    source = read_checkpoint(folder)
    plan = plan_quantization(
        source, tmp_path / "library", QuantizationMethod.HYBRID, None, calibrated(source, samples=1, steps=1)
    )
    with pytest.raises(SdxlDesktopError, match="not finite"):
        quantize_here(plan)


def _spoil(unet: Path) -> None:
    """Make the last convolution's bias, which every number that is drawn goes through, infinite."""
    graph = ov.Core().read_model(unet / "openvino_model.xml")
    added = graph.get_results()[0].input_value(0).get_node()
    bias = next(port.get_node() for port in added.input_values() if port.get_node().get_type_name() == "Constant")
    spoilt = ov.op.Constant(np.full(bias.get_output_shape(0), np.inf, np.float32))
    for used in bias.output(0).get_target_inputs():
        used.replace_source_output(spoilt.output(0))
    ov.save_model(graph, unet / "spoilt.xml", compress_to_fp16=False)
    del graph
    for kind in ("xml", "bin"):
        (unet / f"spoilt.{kind}").replace(unet / f"openvino_model.{kind}")
