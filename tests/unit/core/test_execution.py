"""Each part runs on the device named for it, and records from before parts had devices read as they were meant."""

from __future__ import annotations

import pytest

from sdxl_desktop.core.device import FIXED_SHAPES_VARIABLE, device_type, needs_fixed_shapes
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.request import Execution
from sdxl_desktop.metadata.picture_files import PictureRecord, decode_record, encode_record

PARTS = ("text_encoder", "text_encoder_2", "unet", "unet_shallow", "vae_encoder", "vae_decoder")


def test_without_a_word_on_the_parts_all_run_on_the_one_device() -> None:
    assert {Execution(device="GPU.1").device_for(part) for part in PARTS} == {"GPU.1"}
    assert Execution(device="GPU.1").devices == ("GPU.1",)


def test_a_part_runs_on_its_own_device() -> None:
    execution = Execution(device="CPU", text_device="NPU", unet_device="GPU.0", vae_device="GPU.1")
    assert [execution.device_for(part) for part in PARTS] == ["NPU", "NPU", "GPU.0", "GPU.0", "GPU.1", "GPU.1"]
    assert execution.devices == ("NPU", "GPU.0", "GPU.1")


def test_a_record_keeps_the_devices_and_an_old_one_has_one_for_all() -> None:
    execution = '{"device": "CPU", "vae_device": "NPU"}'
    new = f'{{"version": "1", "seed": 3, "request": {{"checkpoint": "/c", "execution": {execution}}}}}'
    old = '{"version": "1", "seed": 3, "request": {"checkpoint": "/c", "execution": {"device": "GPU"}}}'
    record: PictureRecord = decode_record(new)
    assert record.request.execution.device_for("vae_decoder") == "NPU"
    assert decode_record(encode_record(record)) == record
    assert {decode_record(old).request.execution.device_for(part) for part in PARTS} == {"GPU"}


def test_npus_want_fixed_shapes_and_others_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FIXED_SHAPES_VARIABLE, raising=False)
    assert [needs_fixed_shapes(device) for device in ("NPU", "NPU.3720", "CPU", "GPU.0")] == [True, True, False, False]
    monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "cpu, GPU")
    assert [needs_fixed_shapes(device) for device in ("NPU", "CPU", "GPU.0", "OTHER")] == [True, True, True, False]
    assert device_type("GPU.1") == "GPU"


def test_graphics_and_npus_may_have_a_precision_of_their_own() -> None:
    execution = Execution(precision="f32", gpu_precision="f16")
    assert [execution.precision_on(device) for device in ("CPU", "GPU", "GPU.1", "NPU")] == ["f32", "f16", "f16", "f32"]
    with pytest.raises(RequestError, match="precision"):
        Execution(npu_precision="f8")  # type: ignore[arg-type]
