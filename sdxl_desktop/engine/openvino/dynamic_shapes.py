"""Makes batch and size dynamic again in graphs exported with fixed shapes (optimum-intel's `reshape`).

Such a graph usually still computes its inner shapes from those of its inputs, so only the inputs need to be made
dynamic. This is tested on a copy: if sizes were constant-folded into the graph, it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openvino as ov

from sdxl_desktop.core.errors import CheckpointError

_BATCH_AXIS, _BATCH_AND_SIZE_AXES = (0,), (0, 2, 3)
_DYNAMIC_AXES: Mapping[str, tuple[int, ...]] = {
    "sample": _BATCH_AND_SIZE_AXES,
    "latent_sample": _BATCH_AND_SIZE_AXES,
    "timestep": _BATCH_AXIS,  # shared by all rows if scalar
    "encoder_hidden_states": _BATCH_AXIS,
    "text_embeds": _BATCH_AXIS,
    "time_ids": _BATCH_AXIS,
    "timestep_cond": _BATCH_AXIS,
    "input_ids": _BATCH_AXIS,
    "attention_mask": _BATCH_AXIS,
}
"""The dimensions of each input that vary between pictures; all are dynamic unless an export fixes them."""
_TRIAL_SHAPE = 2, 64, 128
"""Batch, height and width of the test: SDXL halves pixels at most eight times."""
_PIXELS = 8
"""Pixels per latent, for messages."""


def make_shapes_dynamic(model: ov.Model) -> None:
    """Make `model`, a part of a checkpoint, accept pictures of any size and batch; changes it.

    Raises CheckpointError, with the size it was made for, if that is impossible.
    """
    before = {port: port.get_partial_shape() for port in model.inputs}
    freed = {port: _dynamic_shape(port.get_any_name(), shape) for port, shape in before.items()}
    if all(freed[port] == shape for port, shape in before.items()):
        return
    size_text = _describe_fixed_size(before)
    try:
        model.reshape(freed)
        fits = _accepts_other_shape(model)
    except RuntimeError as problem:
        raise _fixed_shape_error(size_text) from problem
    if not fits:
        raise _fixed_shape_error(size_text)


def _dynamic_shape(name: str, shape: ov.PartialShape) -> ov.PartialShape:
    if shape.rank.is_dynamic:
        return shape
    free = _DYNAMIC_AXES.get(name, ())
    return ov.PartialShape([ov.Dimension(-1) if at in free else side for at, side in enumerate(shape)])


def _accepts_other_shape(model: ov.Model) -> bool:
    """Whether all outputs adapt to another batch and size."""
    batch, height, width = _TRIAL_SHAPE
    copy = model.clone()
    copy.reshape({port: _trial_shape(port.get_any_name(), port.get_partial_shape()) for port in copy.inputs})
    for port in copy.outputs:
        shape = port.get_partial_shape()
        if shape.rank.is_dynamic or shape.is_dynamic:
            continue
        sides = [side.get_length() for side in shape]
        if not sides or sides[0] != batch or (len(sides) == 4 and sides[2] * width != sides[3] * height):
            return False
    return True


def _trial_shape(name: str, shape: ov.PartialShape) -> ov.PartialShape:
    if shape.rank.is_dynamic:
        return shape
    free = _DYNAMIC_AXES.get(name, ())
    return ov.PartialShape(
        [ov.Dimension(_TRIAL_SHAPE[max(0, at - 1)]) if at in free else side for at, side in enumerate(shape)]
    )


def _describe_fixed_size(shapes: Mapping[Any, ov.PartialShape]) -> str:
    """Describe the fixed shapes of the inputs."""
    words = []
    for port, shape in shapes.items():
        name = port.get_any_name()
        sides = [] if shape.rank.is_dynamic else [side.get_length() if side.is_static else 0 for side in shape]
        if name in ("sample", "latent_sample") and len(sides) == 4:
            pixels = 1 if name == "sample" and sides[1] == 3 else _PIXELS  # the VAE encoder's input is in pixels
            if sides[2] and sides[3]:
                words.append(f"{sides[3] * pixels}×{sides[2] * pixels}")
        if name in _DYNAMIC_AXES and sides and sides[0] and not any(word.startswith("batch") for word in words):
            words.append(f"batch {sides[0]}")
    return ", ".join(words)


def _fixed_shape_error(size_text: str) -> CheckpointError:
    return CheckpointError(
        f"This checkpoint was exported with fixed shapes: {size_text}.",
        why="Numbers of that size are built into its graph, so that it cannot draw others.",
        next_step="Export it again without fixed shapes, or choose another checkpoint.",
    )
