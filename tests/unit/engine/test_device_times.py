"""What was measured decides which device is the best; Automatic follows it, and without it takes a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.engine.device_times import (
    TEXT_ENCODERS_GROUP,
    UNET_GROUP,
    VAE_GROUP,
    DeviceTimings,
    PartTiming,
    automatic_device,
    best_devices,
    preferences_with_devices,
    read_timings,
    write_timings,
)


def table(**times: dict[str, float | None]) -> DeviceTimings:
    """By part and device; None where the device refused."""
    rows = [
        PartTiming(part=part, device=device, milliseconds=took, first_seconds=1.0, problem="" if took else "No.")
        for part, devices in times.items()
        for device, took in devices.items()
    ]
    return DeviceTimings(checkpoint="c", size="64x64", precision="auto", rows=tuple(rows))


MEASURED = table(
    text_encoder={"CPU": 5, "GPU": 6, "NPU": 1},
    text_encoder_2={"CPU": 5, "GPU": 6, "NPU": 20},
    unet={"CPU": 500, "GPU": 50, "NPU": None},
    vae_encoder={"CPU": 9, "GPU": 3, "NPU": 1},
    vae_decoder={"CPU": 10, "GPU": 30, "NPU": None},
)


def test_parts_that_go_together_are_judged_together() -> None:
    assert best_devices(MEASURED) == {TEXT_ENCODERS_GROUP: "CPU", UNET_GROUP: "GPU", VAE_GROUP: "CPU"}
    assert MEASURED.milliseconds(TEXT_ENCODERS_GROUP, "NPU") == 21
    assert MEASURED.milliseconds(VAE_GROUP, "NPU") is None, "it refused the decoder, whatever it did with the encoder"


def test_a_refiner_has_one_text_encoder() -> None:
    assert table(text_encoder_2={"CPU": 5, "GPU": 4}).fastest_device(TEXT_ENCODERS_GROUP) == "GPU"


@pytest.mark.parametrize(
    ("available", "measured", "unet", "text"),
    [
        (["CPU", "GPU", "NPU"], MEASURED, "GPU", "CPU"),
        (["CPU", "NPU"], MEASURED, "CPU", "CPU"),
        (["CPU", "GPU.1", "GPU.0"], None, "GPU.0", "GPU.0"),
        (["CPU", "NPU"], None, "CPU", "CPU"),
        (["CPU", "GPU.7"], MEASURED, "CPU", "CPU"),
    ],
)
def test_automatic(available: list[str], measured: DeviceTimings | None, unet: str, text: str) -> None:
    assert automatic_device("unet", available, measured) == unet
    assert automatic_device("text_encoder_2", available, measured) == text


def test_the_best_become_preferences_with_words_only_where_parts_differ() -> None:
    before = Preferences(device="NPU", text_device="NPU", unet_device="NPU", vae_device="NPU", threads=3)
    after = preferences_with_devices(before, best_devices(MEASURED))
    assert (after.device, after.text_device, after.unet_device, after.vae_device) == ("GPU", "CPU", "", "CPU")
    assert after.threads == 3
    same = preferences_with_devices(before, {TEXT_ENCODERS_GROUP: "CPU", UNET_GROUP: "CPU", VAE_GROUP: "CPU"})
    assert (same.device, same.text_device, same.unet_device, same.vae_device) == ("CPU", "", "", "")
    assert preferences_with_devices(before, {}).device == "NPU", "nothing ran anywhere"


def test_it_is_kept_and_rubbish_is_nothing(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "times.json"
    assert read_timings(file) is None
    write_timings(file, MEASURED)
    assert read_timings(file) == MEASURED
    file.write_text("[]")
    assert read_timings(file) is None
    write_timings(tmp_path / "cache" / "times.json" / "below a file", MEASURED)  # costs only the memory of it
