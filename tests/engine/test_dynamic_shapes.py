"""An export with fixed shapes draws other sizes too, or reports the size that it was made for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino.passes import ConstantFolding, Manager

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.engine.openvino.dynamic_shapes import make_shapes_dynamic

FIXED = {"sample": {0: 2, 2: 12, 3: 16}, "latent_sample": {0: 1, 2: 12, 3: 16}}
PARTS = ("unet", "vae_decoder", "vae_encoder", "text_encoder", "text_encoder_2")
IN_EVERY_RUN = ("unet", "vae_decoder", "text_encoder_2")


def fixed(file: Path) -> ov.Model:
    """The part, reshaped as optimum-intel does it, written and read again."""
    model = ov.Core().read_model(file)
    shapes = {}
    for port in model.inputs:
        sides = [side.get_length() if side.is_static else 2 for side in port.get_partial_shape()]
        for at, side in FIXED.get(port.get_any_name(), {}).items():
            sides[at] = side if port.get_any_name() != "sample" or sides[1] != 3 or at == 0 else 8 * side
        if port.get_any_name() in ("input_ids", "encoder_hidden_states"):
            sides[1] = 77
        shapes[port] = sides
    model.reshape(shapes)
    return model


def answer(model: ov.Model) -> list[np.ndarray]:
    random, given = np.random.default_rng(4), {}
    for port in model.inputs:
        sides = [side.get_length() if side.is_static else 3 for side in port.get_partial_shape()]
        if port.get_any_name() in ("sample", "latent_sample"):
            sides[2:] = [16, 24]
        if port.get_any_name() in ("input_ids", "encoder_hidden_states"):
            sides[1] = 77
        kind = port.get_element_type().to_dtype()
        whole = np.issubdtype(kind, np.integer)
        given[port.get_any_name()] = (random.integers(1, 99, sides) if whole else random.normal(size=sides)).astype(
            kind
        )
    compiled: Any = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(value) for value in compiled(given).values()]


@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=[] if part in IN_EVERY_RUN else [pytest.mark.slow]) for part in PARTS]
)
def test_a_freed_part_computes_other_sizes_as_one_that_was_never_fixed(part: str, tiny_checkpoint: Path) -> None:
    file = tiny_checkpoint / "ov" / part / "openvino_model.xml"
    freed = fixed(file)
    make_shapes_dynamic(freed)
    for ours, theirs in zip(answer(freed), answer(ov.Core().read_model(file)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_part_that_is_free_is_left_as_it_is(tiny_checkpoint: Path) -> None:
    model = ov.Core().read_model(tiny_checkpoint / "ov" / "unet" / "openvino_model.xml")
    before = [str(port.get_partial_shape()) for port in model.inputs]
    make_shapes_dynamic(model)
    assert [str(port.get_partial_shape()) for port in model.inputs] == before


def test_numbers_of_one_size_in_the_graph_are_refused_by_that_size(tiny_checkpoint: Path) -> None:
    model = fixed(tiny_checkpoint / "ov" / "unet" / "openvino_model.xml")
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    with pytest.raises(CheckpointError, match="128×96, batch 2"):
        make_shapes_dynamic(model)
