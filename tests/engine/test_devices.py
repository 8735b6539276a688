"""The properties set on each kind of device, as the plugins document them; the tests need no GPU or NPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from sdxl_desktop.core.errors import DeviceError
from sdxl_desktop.core.request import Execution
from sdxl_desktop.engine.device_times import DeviceTimings, PartTiming
from sdxl_desktop.engine.openvino import devices

CAPABILITIES = {"CPU": ["FP32", "INT8"], "GPU.0": ["FP32", "FP16", "INT8"], "GPU.1": ["FP32"], "NPU": ["FP16", "INT8"]}


@dataclass(frozen=True)
class FakeCore:
    """A computer with everything."""

    available_devices: tuple[str, ...] = tuple(CAPABILITIES)

    def get_property(self, device: str, name: str) -> Any:
        return {
            "OPTIMIZATION_CAPABILITIES": CAPABILITIES[device],
            "FULL_DEVICE_NAME": device.lower(),
            "SUPPORTED_PROPERTIES": {"PERFORMANCE_HINT": "RW", "INFERENCE_PRECISION_HINT": "RW"},
        }[name]


@pytest.fixture
def every_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "core", FakeCore())


def graph(*, scaled: bool) -> ov.Model:
    given = ops.parameter([1], np.float32)
    model = ov.Model([ops.relu(given)], [given], "vae")
    if scaled:
        model.set_rt_info("8.0", ["runtime_options", "ACTIVATIONS_SCALE_FACTOR"])
    return model


def test_a_cpu_gets_threads_and_a_gpu_large_allocations() -> None:
    cpu = devices.desired_properties("CPU", precision="f32", threads=3, cache="/c")
    gpu = devices.desired_properties("GPU", precision="f16", threads=3, cache="/c")
    npu = devices.desired_properties("NPU", precision="auto", threads=3, cache="/c")
    everywhere = {"PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": "/c"}
    exact = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, "INFERENCE_NUM_THREADS": 3}
    assert cpu == everywhere | exact
    assert gpu == everywhere | {"INFERENCE_PRECISION_HINT": "f16", "GPU_ENABLE_LARGE_ALLOCATIONS": True}
    assert npu == everywhere


def test_what_a_device_does_not_list_never_reaches_it() -> None:
    wanted = devices.desired_properties("GPU", precision="f32", threads=0, cache="/c")
    recorded = devices.filter_supported(wanted, {"PERFORMANCE_HINT", "SOMETHING_ELSE"})
    assert recorded == {"PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": "/c"}


def test_the_real_processor_accepts_its_properties() -> None:
    recorded = devices.compile_properties("CPU", precision="f32", threads=1, cache="")
    model = graph(scaled=False)
    compiled = devices.core.compile_model(model, "CPU", recorded)
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1


@pytest.mark.usefixtures("every_device")
@pytest.mark.parametrize(
    ("device", "asked", "scaled", "expected"),
    [
        ("GPU.0", "auto", False, "f32"),
        ("GPU.0", "f16", False, "f32"),
        ("GPU.0", "auto", True, "auto"),
        ("GPU.0", "f16", True, "f16"),
        ("GPU.0", "f32", True, "f32"),
        ("CPU", "auto", False, "auto"),
        ("CPU", "bf16", False, "bf16"),
    ],
)
def test_a_vae_on_a_gpu_is_kept_from_overflowing(device: str, asked: Any, scaled: bool, expected: str) -> None:
    assert (
        devices.supported_precision(
            device, "vae_decoder", asked, lambda: devices.has_activation_scale(graph(scaled=scaled))
        )
        == expected
    )


@pytest.mark.usefixtures("every_device")
@pytest.mark.parametrize(
    ("device", "asked", "expected"),
    [("GPU.0", "f16", "f16"), ("GPU.1", "f16", "auto"), ("NPU", "f32", "auto"), ("NPU", "f16", "f16")],
)
def test_a_precision_that_a_device_lacks_is_left_to_it(device: str, asked: Any, expected: str) -> None:
    def not_asked() -> bool:
        raise AssertionError("a graph has no say in it")

    assert devices.supported_precision(device, "unet", asked, not_asked) == expected


@pytest.mark.usefixtures("every_device")
def test_every_part_gets_its_device_by_openvinos_name() -> None:
    execution = devices.resolve_devices(Execution(device="gpu.1", text_device="npu", threads=2))
    assert (execution.text_device, execution.unet_device, execution.vae_device) == ("NPU", "GPU.1", "GPU.1")
    assert execution.threads == 2
    assert devices.resolve_devices(execution) == execution
    with pytest.raises(DeviceError, match="'TPU'"):
        devices.resolve_devices(Execution(vae_device="TPU"))


@pytest.mark.usefixtures("every_device")
def test_automatic_is_the_measured_best_for_each_part_and_else_a_gpu() -> None:
    rows = [("unet", "CPU", 9.0), ("unet", "NPU", 1.0), ("vae_decoder", "CPU", 1.0), ("vae_decoder", "NPU", 2.0)]
    table = DeviceTimings(
        checkpoint="c",
        size="64x64",
        precision="auto",
        rows=tuple(PartTiming(part=part, device=device, milliseconds=took) for part, device, took in rows),
    )
    found = devices.resolve_devices(Execution(device="auto"), table)
    assert (found.text_device, found.unet_device, found.vae_device) == ("GPU.0", "NPU", "CPU")
    assert devices.resolve_devices(Execution(device="AUTO", vae_device="cpu")).devices == ("GPU.0", "CPU")


def test_automatic_on_a_computer_with_a_processor_only() -> None:
    if tuple(devices.core.available_devices) != ("CPU",):
        pytest.skip("there is more here")
    assert devices.resolve_devices(Execution(device="AUTO")).devices == ("CPU",)
