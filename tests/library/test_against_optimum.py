"""What is imported and quantized here draws what `optimum-cli export openvino` of the same checkpoint draws."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.library.quantize.quantization_plan import plan_quantization
from sdxl_desktop.library.scan import read_checkpoint
from tests.library.test_import import SIZE, Bring
from tests.library.test_quantize import quantize_here

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # two whole exports by another program
EXACTLY = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0", "CACHE_DIR": ""}


@pytest.fixture(scope="module")
def theirs(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder that optimum's own command makes of the small checkpoint, by weight format."""
    home = tmp_path_factory.mktemp("theirs")

    def export(weights: str) -> Path:
        folder = home / weights
        if not folder.exists():
            command = "from optimum.commands.optimum_cli import main; main()"
            options = ["export", "openvino", "--model", str(small_checkpoint / "torch"), "--task", "text-to-image"]
            subprocess.run(
                [sys.executable, "-c", command, *options, "--weight-format", weights, str(folder)],
                check=True,
                capture_output=True,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
            )
        return folder

    return export


def picture(folder: Path) -> Any:
    """float32 [H, W, 3] in [0, 1], drawn by optimum-intel from any folder."""
    import torch
    from optimum.intel import OVStableDiffusionXLPipeline

    pipe = OVStableDiffusionXLPipeline.from_pretrained(str(folder), export=False, ov_config=dict(EXACTLY))
    pipe.set_progress_bar_config(disable=True)
    return pipe(
        "a red cat",
        negative_prompt="rats",
        width=SIZE.width,
        height=SIZE.height,
        num_inference_steps=4,
        generator=torch.Generator().manual_seed(7),
        output_type="np",
    ).images[0]


def apart(one: Path, other: Path) -> float:
    first, second = picture(one), picture(other)
    assert first.std() > 0.02, "there is something in the picture"
    found = float(np.abs(first - second).max())
    print(f"largest difference of {one.name} and {other.name}: {found:.2e}")
    return found


def test_imported_in_float32(imported: Bring, theirs: Callable[[str], Path]) -> None:
    assert apart(imported("torch", WeightFormat.FP32), theirs("fp32")) <= 1e-5


def test_imported_in_8_bits(imported: Bring, theirs: Callable[[str], Path]) -> None:
    assert apart(imported("torch", WeightFormat.INT8), theirs("int8")) <= 1 / 255


def test_quantized_to_8_bits(imported: Bring, theirs: Callable[[str], Path], tmp_path: Path) -> None:
    source = read_checkpoint(imported("torch", WeightFormat.FP32))
    plan = plan_quantization(source, tmp_path, QuantizationMethod.INT8)
    quantize_here(plan)
    assert apart(plan.destination, theirs("int8")) <= 1 / 255


def test_8_bits_are_not_32(imported: Bring, theirs: Callable[[str], Path]) -> None:
    """The comparison can fail: rounding shows in it."""
    assert apart(imported("torch", WeightFormat.FP32), theirs("int8")) > 1 / 255
