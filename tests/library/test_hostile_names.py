"""Modules, classes and paths that untrusted files name are never imported, run or followed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.events import RunFailed
from sdxl_desktop.core.paths import AppPaths, resources_folder
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.engine_protocol import Engine
from sdxl_desktop.library.convert.import_plan import plan_import
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.import_record import verify_checkpoint
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.library.quantize.quantization_plan import plan_quantization
from sdxl_desktop.library.scan import read_checkpoint
from tests.engine.conftest import engine, engine_home, generate  # noqa: F401
from tests.library.conftest import convert_here
from tests.library.test_quantize import calibrated, quantize_here
from tests.unit.library.hub.fake_hub import FakeHub, Repository

STARTER = resources_folder() / "checkpoints" / "starter"
PIPELINE = {"_class_name": ["pwn", "Pwn"], "_diffusers_version": "0.37.1"}
CODE = """
import pathlib
pathlib.Path({marker!r}).write_text("code of the checkpoint ran")
from diffusers import DiffusionPipeline
class Pwn(DiffusionPipeline):
    def __init__(self, *args, **kwargs): super().__init__()
"""
NAMES: dict[str, Any] = {
    "auto_map": {"AutoTokenizer": ["pwn.Pwn", "pwn.Pwn"], "AutoModel": "pwn.Pwn", "AutoConfig": "pwn.Pwn"},
    "custom_pipelines": {"pwn": {}},
    "custom_pipeline": "pwn",
    "trust_remote_code": True,
    "attn_implementation": "pwn/pwn",
    "_attn_implementation": "pwn/pwn",
    "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True, "modules_to_not_convert": ["pwn"]},
    "_name_or_path": "pwn/pwn",
    "name_or_path": "/etc/passwd",
    "vocab_file": "/etc/passwd",
    "tokenizer_file": "/etc/passwd",
    "gguf_file": "/etc/passwd",
    "chat_template": "{{ ''.__class__.__mro__ }}",
    "feature_extractor": ["diffusers", "DiffusionPipeline"],
    "image_encoder": ["pwn", "Pwn"],
    "safety_checker": ["pwn", "Pwn"],
    "extensions": ["/tmp/pwn.so"],
}
IN_INDEX = {part: ["pwn", "Pwn"] for part in ("scheduler", "tokenizer", "tokenizer_2", "unet", "vae", "text_encoder_2")}


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Where planted code would leave a file; the test fails when it is there in the end."""
    file = tmp_path / "it-ran"
    yield file
    assert not file.exists()
    assert not [name for name in sys.modules if name.split(".")[-1].startswith("pwn")]


def planted(source: Path, folder: Path, marker: Path) -> Path:
    """A copy of `source` in which every description names what is not ours, and every folder has the code for it."""
    shutil.copytree(source, folder)
    for name in ("feature_extractor", "image_encoder", "safety_checker"):
        (folder / name).mkdir(exist_ok=True)
    for description in folder.rglob("*.json"):
        content = json.loads(description.read_text(encoding="utf-8"))
        if description.name in ("vocab.json", "checkpoint.json", "preview.json", "tokenizer.json"):
            continue
        more = IN_INDEX if description.name == "model_index.json" else {}
        extra = {} if description.name == "scheduler_config.json" else NAMES  # a scheduler's are refused: see below
        description.write_text(json.dumps({**content, **extra, **more}), encoding="utf-8")
    for place in [folder, *(place for place in folder.rglob("*") if place.is_dir())]:
        (place / "pwn.py").write_text(CODE.format(marker=str(marker)))
        (place / "tokenization_pwn.py").write_text(CODE.format(marker=str(marker)))
        if not (place / "model_index.json").exists():
            (place / "model_index.json").write_text(json.dumps(PIPELINE))
    return folder


def asked(folder: Path, additions: Additions | None = None) -> GenerationRequest:
    size = read_checkpoint(folder).recommended.size
    return GenerationRequest(
        checkpoint=folder,
        prompts=Prompts(prompt="a red heart"),
        sampling=Sampling(size=size, steps=1, seed=3),
        additions=additions or Additions(),
        execution=Execution(device="CPU"),
    )


def test_an_openvino_folder_is_chosen_drawn_verified_and_copied(
    tmp_path: Path,
    marker: Path,
    engine: Engine,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = planted(STARTER, tmp_path / "evil", marker)
    monkeypatch.chdir(folder)
    read_checkpoint(folder)
    engine.warm_up(folder, Execution(device="CPU"), SpeedPreset.EXACT, lambda event: None, Flag())
    assert generate(engine, asked(folder)).finished.pictures
    assert verify_checkpoint(folder).problems == ()
    home = tmp_path / "home"
    plan = plan_import(folder, home, "copied")
    convert_here(plan, None)
    assert generate(engine, asked(plan.destination)).finished.pictures
    assert not [file for file in plan.destination.rglob("*") if "pwn" in file.name]


@pytest.mark.parametrize(
    "method", [QuantizationMethod.INT8, pytest.param(QuantizationMethod.HYBRID, marks=pytest.mark.slow)]
)
def test_an_openvino_folder_is_quantized(
    method: QuantizationMethod, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = read_checkpoint(planted(STARTER, tmp_path / "evil", marker))
    monkeypatch.chdir(source.folder)
    calibration = None if method is QuantizationMethod.INT8 else calibrated(source, samples=1, steps=1, size=None)
    plan = plan_quantization(source, tmp_path / "home", method, method.value, calibration)
    quantize_here(plan)
    assert verify_checkpoint(plan.destination).problems == ()


def test_an_openvino_folder_is_drawn_with_to_calibrate(
    tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By optimum-intel's pipeline, which reads the descriptions on its own."""
    from sdxl_desktop.library.quantize.sample_recording import record_samples

    source = read_checkpoint(planted(STARTER, tmp_path / "evil", marker))
    monkeypatch.chdir(source.folder)
    calibration = calibrated(source, samples=1, steps=1, size=None)
    assert record_samples(source.folder, calibration, tmp_path / "samples", lambda count: None)


@pytest.mark.slow
def test_two_folders_are_compared_measured_prepared_and_downloaded_from_the_command_line(
    home: Path, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in processes of their own, whose working folder holds the planted modules too."""
    one, two = (planted(STARTER, tmp_path / name, marker) for name in ("one", "two"))
    hub = FakeHub(
        {"person/evil": Repository({str(f.relative_to(one)): f.read_bytes() for f in one.rglob("*") if f.is_file()})}
    )
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    quick = ("--steps", "1", "--size", "64x64")
    try:
        for arguments in (
            ("checkpoints", "compare", str(one), str(two), *quick, "-o", str(tmp_path / "sheets")),
            ("bench", "--checkpoint", str(one), *quick),
            ("bench", "--checkpoint", str(one), "--devices", "--size", "64x64"),
            ("cache", "prepare", str(one)),
            ("checkpoints", "download", "person/evil"),
            ("generate", "a red heart", "--checkpoint", str(one), *quick, "-o", str(tmp_path / "heart.png")),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "sdxl_desktop", *arguments],
                cwd=one,
                env={**os.environ, "PYTHONSAFEPATH": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (arguments, done.stderr[-2000:])
            assert not marker.exists(), arguments
    finally:
        hub.close()
    brought = AppPaths.from_environment().checkpoints
    assert read_checkpoint(next(place for place in brought.iterdir() if place.is_dir())).name
    assert not [file for file in brought.rglob("*") if "pwn" in file.name], "nothing that draws needs it"


@pytest.mark.slow
def test_a_diffusers_folder_and_its_vae_are_converted(
    small_checkpoint: Path,
    tmp_path: Path,
    marker: Path,
    engine: Engine,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = planted(small_checkpoint / "torch", tmp_path / "evil", marker)
    monkeypatch.chdir(folder)
    plan = plan_import(folder, tmp_path / "home", "converted")
    convert_here(plan, WeightFormat.FP16)
    assert generate(engine, asked(plan.destination, Additions(vae=folder / "vae"))).finished.pictures
    configs = [json.loads(file.read_text()) for file in plan.destination.rglob("*.json") if file.name != "import.json"]
    for name in ("auto_map", "attn_implementation", "_attn_implementation", "quantization_config", "_name_or_path"):
        assert not [config for config in configs if name in config]


@pytest.mark.parametrize("kind", ["DiffusionPipeline", "pwn.Pwn", ["pwn", "Pwn"], "AutoModel", "/tmp/pwn.py", None])
def test_a_scheduler_that_is_none_is_refused_by_a_sentence(
    kind: Any,
    tmp_path: Path,
    marker: Path,
    engine: Engine,  # noqa: F811
) -> None:
    folder = planted(STARTER, tmp_path / "evil", marker)
    request = asked(folder)
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "_class_name": kind}))
    with pytest.raises(CheckpointError, match="scheduler"):
        read_checkpoint(folder)
    last = generate(engine, request).last
    assert isinstance(last, RunFailed)
    assert "scheduler" in str(last.error)
