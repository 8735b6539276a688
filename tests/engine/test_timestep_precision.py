"""Timesteps and sizes reach the UNet as they are, also where a processor computes in 16 bits."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.engine.openvino import devices, timestep_precision
from sdxl_desktop.engine.openvino.part_compiler import patch_unet
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints, topology_params
from tests.engine.tiny_sdxl import Topology

UNET = resources_folder() / "checkpoints" / "starter" / "unet" / "openvino_model.xml"
SIZES = (1365, 1000, 37, 21, 1365, 1000)
IN_16_BITS = "BF16" in devices.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def read(path: Any = UNET, *, exact: bool) -> ov.Model:
    model = devices.core.read_model(path)
    if exact:
        patch_unet(model)
    return model


def infer(compiled: Any, timestep: float, sizes: Any = None) -> Any:
    """The prediction of a UNet for the same noise and prompt."""
    given = {}
    for port in compiled.inputs:
        name, shape = port.get_any_name(), port.get_partial_shape()
        last = shape[len(shape) - 1].get_length() if len(shape) and shape[len(shape) - 1].is_static else 1
        sides = {
            "sample": (2, 4, 16, 16),
            "encoder_hidden_states": (2, 77, last),
            "timestep": (),
        }.get(name, (2, last))
        values: Any = np.random.default_rng(len(name)).standard_normal(sides)
        if name == "timestep":
            values = np.asarray(timestep)
        if name == "time_ids":
            values = np.asarray([(sizes or (1024,) * 6)[:last]] * 2)
        given[name] = values.astype(port.get_element_type().to_dtype())
    return compiled(given)[0].copy()


def compiled(model: ov.Model, precision: Any) -> Any:
    return devices.core.compile_model(
        model, "CPU", devices.compile_properties("CPU", precision=precision, threads=0, cache="")
    )


def test_in_32_bits_nothing_changes() -> None:
    plain = compiled(read(exact=False), "f32")
    mended = compiled(read(exact=True), "f32")
    for timestep in (951, 500, 1):
        assert np.abs(infer(plain, timestep, SIZES) - infer(mended, timestep, SIZES)).max() < 2e-5  # 1.01e-5 with AVX2


@pytest.mark.skipif(not IN_16_BITS, reason="this processor has no bf16")
def test_in_16_bits_the_unet_is_much_nearer_to_32() -> None:
    right, plain, mended = (
        compiled(read(exact=exact), precision) for exact, precision in ((False, "f32"), (False, "bf16"), (True, "bf16"))
    )

    def off(other: Any, timestep: float, sizes: Any = None) -> float:
        return float(np.abs(infer(other, timestep, sizes) - infer(right, timestep, sizes)).mean())

    timesteps = (951, 851, 751, 651, 551)
    assert sum(off(mended, t) for t in timesteps) < 0.6 * sum(off(plain, t) for t in timesteps)
    assert off(mended, 500, SIZES) < 0.5 * off(plain, 500, SIZES)


@pytest.mark.skipif(not IN_16_BITS, reason="this processor has no bf16")
def test_neighbouring_timesteps_are_told_apart_in_16_bits() -> None:
    """In 8 bits 949, 950 and 951 would be 948, 952 and 952."""
    mended = compiled(read(exact=True), "bf16")
    message = [infer(mended, timestep) for timestep in (949, 950, 951, 951.5)]
    assert all((one != other).any() for one, other in pairwise(message))


@pytest.mark.parametrize("topology", topology_params())
def test_every_topology_has_its_angles_found(topology: Topology, tiny_checkpoints: TinyCheckpoints) -> None:
    model = devices.core.read_model(tiny_checkpoints.ov(topology) / "unet" / "openvino_model.xml")
    waves = sum(node.get_type_name() in ("Sin", "Cos") for node in model.get_ops())
    patch_unet(model)
    exact = [node for node in model.get_ordered_ops() if node.get_friendly_name() == "angles"]
    assert waves == 4
    assert len(exact) == 2


def test_what_is_not_understood_is_left_alone() -> None:
    value, factor = ops.parameter([2], name="value"), ops.parameter([2], name="factor")
    model = ov.Model([ops.sin(ops.multiply(value, factor))], [value, factor], "other")
    timestep_precision.compute_timestep_embeddings_in_f32(model, devices.core)
    assert [node.get_type_name() for node in model.get_ordered_ops()].count("Sin") == 1
    assert not any(node.get_friendly_name() == "angles" for node in model.get_ops())
