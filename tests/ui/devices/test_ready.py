"""Where each size is compiled by itself, the frame takes one that is compiled, and so does what is drawn."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import STATIC_SHAPES, Device
from sdxl_desktop.core.edit import Edit
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import Execution, GenerationRequest, Sampling
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.engine.compiled_store import CompiledStore
from sdxl_desktop.engine.device_times import DeviceTable, PartOnDevice
from sdxl_desktop.engine.fake import FakeEngine
from sdxl_desktop.session.document.frame import FramePolicy, frame_for
from sdxl_desktop.ui.devices.ready import ReadySizes
from sdxl_desktop.ui.devices.words import devices_words
from tests.ui.conftest import MakeWindow, wait_until_idle
from tests.ui.devices.conftest import Keep

PICTURE = Raster.of(np.zeros((64, 64, 3), np.uint8), "black.png")


def request(folder: Path, size: Size) -> GenerationRequest:
    return GenerationRequest(checkpoint=folder, sampling=Sampling(size=size), edit=Edit(picture=PICTURE, strength=1.0))


def test_the_frame_prefers_a_compiled_size_and_the_run_draws_it(
    keep: Keep, store: CompiledStore, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep("unet", "128x120")
    keep("vae_decoder", "128x136")
    monkeypatch.setenv(STATIC_SHAPES, "CPU")
    ready, asked = ReadySizes(store.folder), Size(128, 128)
    policy = ready.preferred(FramePolicy(asked=asked, only_masked=8), checkpoint, Execution())
    assert policy is not None
    assert policy.compiled == (Size(128, 120),), "the UNet decides"
    frame = frame_for(policy, Size(512, 512), Rect(100, 100, 64, 64))
    assert frame.drawn == Size(128, 120)


def test_where_every_size_is_served_nothing_is_preferred(
    keep: Keep, store: CompiledStore, checkpoint: Checkpoint
) -> None:
    keep("unet", "128x120")
    ready = ReadySizes(store.folder)
    policy = ready.preferred(FramePolicy(asked=Size(128, 128), only_masked=8), checkpoint, Execution())
    assert policy is not None
    assert policy.compiled == ()


def test_what_is_new_is_known_after_a_run(
    keep: Keep, store: CompiledStore, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATIC_SHAPES, "CPU")
    ready = ReadySizes(store.folder)
    assert ready.known(checkpoint.folder, Execution()) == ()
    keep("unet", "64x64, 2 chunks")
    keep("unet", "96x64", device="GPU")
    ready.forget()
    assert ready.known(checkpoint.folder, Execution()) == (Size(64, 64),)
    assert ready.known(checkpoint.folder, Execution(precision="f16")) == ()
    assert ready.known(checkpoint.folder.parent, Execution()) == ()


def test_a_comparison_draws_at_the_size_that_the_frame_says_too(
    keep: Keep, shipped: Path, make_window: MakeWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(shipped / "wide" / "vae_decoder", shipped / "wide" / "vae_encoder")
    keep("unet", "128x120")
    monkeypatch.setenv(STATIC_SHAPES, "CPU")
    engine = FakeEngine()
    window = make_window(engine, settings=Settings(preferences=Preferences(device="CPU")))
    window.desk.choose_checkpoint("wide")
    window.document.set_picture(np.zeros((512, 512, 3), np.uint8), "black.png")
    mask = np.zeros((512, 512), np.uint8)
    mask[200:264, 200:264] = 255
    window.document.set_mask(mask)
    with qtbot.waitSignal(window.editor.ground_changed):
        pass
    value = window.desk.value()
    window.desk.set_value(replace(value, edit=replace(value.edit, only_masked=True)))
    window.verbs.plan.show()
    window.verbs.generate()
    wait_until_idle(qtbot, window)
    window.verbs.compare()
    wait_until_idle(qtbot, window)
    assert [asked.sampling.size for asked in engine.requests] == [Size(128, 120)] * 3


def test_the_window_says_where_it_will_run() -> None:
    devices = (Device("CPU", "A processor"), Device("GPU", "A card"))
    rows = (PartOnDevice(part="unet", device="CPU", milliseconds=1.0),)
    table = DeviceTable(checkpoint="c", size="64x64", precision="auto", rows=rows)
    assert devices_words(Execution(device="CPU"), devices, None) == "CPU · A processor"
    assert devices_words(Execution(device="GPU", vae_device="CPU"), devices, None) == "GPU · A card; VAE: CPU"
    assert devices_words(Execution(device="AUTO"), devices, None) == "GPU · A card"
    assert devices_words(Execution(device="AUTO"), devices, table) == "CPU · A processor; text: GPU; VAE: GPU"
    assert devices_words(Execution(device="NPU"), devices, None) == "NPU (not found)"
    assert devices_words(Execution(device="AUTO"), (), None) == "Automatic"
