"""The canvas looks as in the stored snapshots: overlay, frame, brush cursor and expansion, at two display scales."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.raster import UInt8Array
from tests.ui.painting.snapshot_scenes import ALTERED_SCENES, SCENES

SNAPSHOTS = Path(__file__).parent / "snapshots"
SCALES = ("1", "2")

NEAR = 12
"""Levels of a channel by which a pixel may differ: processors round antialiasing differently."""
FEW = 0.0005
"""The fraction of pixels that may differ by more."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All scenes, drawn now at both scales."""
    folder = tmp_path_factory.mktemp("scenes")
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.ui.painting.snapshot_scenes", str(folder)],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "QT_SCALE_FACTOR": scale, "SDXL_DESKTOP_HOME": str(folder)},
            stderr=subprocess.PIPE,
        )
        for scale in SCALES
    ]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    return folder


def pixels(file: Path) -> UInt8Array:
    with Image.open(file) as image:
        return np.array(image.convert("RGB"))


def different(one: UInt8Array, other: UInt8Array) -> float:
    """Return the fraction of pixels in which any channel differs by more than NEAR."""
    assert one.shape == other.shape
    return float((np.abs(one.astype(int) - other).max(axis=2) > NEAR).mean())


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", SCENES)
def test_the_canvas_looks_as_it_should(drawn: Path, name: str, scale: str) -> None:
    wanted = pixels(SNAPSHOTS / f"{name}@{scale}x.png")
    assert wanted.shape == (240 * int(scale), 320 * int(scale), 3)
    share = different(pixels(drawn / f"{name}@{scale}x.png"), wanted)
    assert share <= FEW, f"{share:.2%} of the pixels differ; see {drawn} and tests.ui.painting.snapshot_scenes"


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ALTERED_SCENES)
def test_the_comparison_sees_what_is_altered(drawn: Path, name: str, scale: str) -> None:
    wanted = pixels(SNAPSHOTS / f"{name.split('+')[0]}@{scale}x.png")
    share = different(pixels(drawn / f"{name}@{scale}x.png"), wanted)
    assert share > 4 * FEW, f"only {share:.3%} of the pixels differ"
