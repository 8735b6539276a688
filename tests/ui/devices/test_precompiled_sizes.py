"""Where each size needs its own compilation, the frame and the runs prefer a compiled size."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import FIXED_SHAPES_VARIABLE, Device
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import Execution, GenerationRequest, Sampling
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.engine.compile_cache import CompileCache
from sdxl_desktop.engine.device_times import DeviceTimings, PartTiming
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.session.document.frame import FramePolicy, frame_for
from sdxl_desktop.ui.devices.device_formatting import format_devices
from sdxl_desktop.ui.devices.precompiled_sizes import PrecompiledSizes
from tests.ui.conftest import MakeWindow, wait_until_idle
from tests.ui.devices.conftest import Keep

PICTURE = Raster.from_pixels(np.zeros((64, 64, 3), np.uint8), "black.png")


def request(folder: Path, size: Size) -> GenerationRequest:
    return GenerationRequest(
        checkpoint=folder, sampling=Sampling(size=size), edit=EditParameters(picture=PICTURE, strength=1.0)
    )


def test_the_frame_prefers_a_compiled_size_and_the_run_draws_it(
    keep: Keep, store: CompileCache, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep("unet", "128x120")
    keep("vae_decoder", "128x136")
    monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "CPU")
    ready, asked = PrecompiledSizes(store.folder), Size(128, 128)
    policy = ready.with_compiled_sizes(FramePolicy(requested_size=asked, only_masked=8), checkpoint, Execution())
    assert policy is not None
    assert policy.compiled_sizes == (Size(128, 120),), "the UNet decides"
    frame = frame_for(policy, Size(512, 512), Rect(100, 100, 64, 64))
    assert frame.drawing_size == Size(128, 120)


def test_where_every_size_is_served_nothing_is_preferred(
    keep: Keep, store: CompileCache, checkpoint: Checkpoint
) -> None:
    keep("unet", "128x120")
    ready = PrecompiledSizes(store.folder)
    policy = ready.with_compiled_sizes(
        FramePolicy(requested_size=Size(128, 128), only_masked=8), checkpoint, Execution()
    )
    assert policy is not None
    assert policy.compiled_sizes == ()


def test_what_is_new_is_known_after_a_run(
    keep: Keep, store: CompileCache, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "CPU")
    ready = PrecompiledSizes(store.folder)
    assert ready.sizes_for(checkpoint.folder, Execution()) == ()
    keep("unet", "64x64, 2 chunks")
    keep("unet", "96x64", device="GPU")
    ready.clear_cache()
    assert ready.sizes_for(checkpoint.folder, Execution()) == (Size(64, 64),)
    assert ready.sizes_for(checkpoint.folder, Execution(precision="f16")) == ()
    assert ready.sizes_for(checkpoint.folder.parent, Execution()) == ()


def test_a_comparison_draws_at_the_size_that_the_frame_says_too(
    keep: Keep, shipped: Path, make_window: MakeWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(shipped / "wide" / "vae_decoder", shipped / "wide" / "vae_encoder")
    keep("unet", "128x120")
    monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "CPU")
    engine = FakeEngine()
    window = make_window(engine, settings=Settings(preferences=Preferences(device="CPU")))
    window.parameters_panel.select_checkpoint("wide")
    window.document.set_picture(np.zeros((512, 512, 3), np.uint8), "black.png")
    mask = np.zeros((512, 512), np.uint8)
    mask[200:264, 200:264] = 255
    window.document.set_mask(mask)
    with qtbot.waitSignal(window.import_controller.edit_source_changed):
        pass
    value = window.parameters_panel.value()
    window.parameters_panel.set_value(replace(value, edit=replace(value.edit, only_masked=True)))
    window.controller.planner.refresh()
    window.controller.generate()
    wait_until_idle(qtbot, window)
    window.controller.compare()
    wait_until_idle(qtbot, window)
    assert [asked.sampling.size for asked in engine.requests] == [Size(128, 120)] * 3


def test_the_window_says_where_it_will_run() -> None:
    devices = (Device("CPU", "A processor"), Device("GPU", "A card"))
    rows = (PartTiming(part="unet", device="CPU", milliseconds=1.0),)
    table = DeviceTimings(checkpoint="c", size="64x64", precision="auto", rows=rows)
    assert format_devices(Execution(device="CPU"), devices, None) == "CPU · A processor"
    assert format_devices(Execution(device="GPU", vae_device="CPU"), devices, None) == "GPU · A card; VAE: CPU"
    assert format_devices(Execution(device="AUTO"), devices, None) == "GPU · A card"
    assert format_devices(Execution(device="AUTO"), devices, table) == "CPU · A processor; text: GPU; VAE: GPU"
    assert format_devices(Execution(device="NPU"), devices, None) == "NPU (not found)"
    assert format_devices(Execution(device="AUTO"), (), None) == "Automatic"
