"""Keeps deep features of a UNet's full calls and answers from them; proves beforehand that it may."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import torch

from sdxl_desktop.engine.openvino.interruptible_request import InterruptibleInferRequest
from sdxl_desktop.engine.openvino.step_caching.graph_cut import DEEP_FEATURE
from sdxl_desktop.engine.openvino.unet_call import POSITIVE, FeatureBlend, UNetInputs

Floats = npt.NDArray[np.float32]

TOLERANCE = 5e-3
"""Of the largest prediction: devices that compute in 16 bits may fuse the two graphs differently; in 32 bits they are
equal."""
_TOKENS = 77
_TEST_SIDE = 8
"""Latents that the test is done on where the graph leaves it free; a UNet of SDXL's kind halves them up to three
times."""
_TEST_TIMESTEP = 500.0


class FeatureCache:
    """The requests of the full and the shallow graph, and the deep features that go from one to the other.

    One for each picture and stage, so that nothing is carried from one to the next.
    """

    def __init__(self, full: InterruptibleInferRequest, shallow: InterruptibleInferRequest) -> None:
        self._full, self._shallow = full, shallow
        self._shallow_inputs = {port.get_any_name() for port in shallow.compiled.inputs} - {DEEP_FEATURE}
        self._features: dict[int, tuple[tuple[str, ...], Floats]] = {}

    def store(self, call: int, rows: tuple[str, ...], required: Collection[int]) -> None:
        """Take the deep feature, [B, C, h, w], that the full graph has just computed for `rows` of call number `call`,
        and let those go that are not `required` any more."""
        assert self._full.last_outputs is not None
        self._features[call] = rows, np.asarray(self._full.last_outputs[DEEP_FEATURE])
        self._features = {kept: value for kept, value in self._features.items() if kept in required}

    def predict(self, inputs: UNetInputs, feature_weights: FeatureBlend) -> torch.Tensor:
        """The prediction float32 [B, C, h, w] from kept features, blended; `inputs` are the full graph's. The calls
        whose features are used had all rows of `inputs`."""
        given = {name: value for name, value in inputs.items() if name in self._shallow_inputs}
        return torch.from_numpy(
            self._shallow({**given, DEEP_FEATURE: self._combine_features(feature_weights, inputs.rows)})[0]
        )

    def _combine_features(self, feature_weights: FeatureBlend, rows: tuple[str, ...]) -> Floats:
        (call, weight), *others = feature_weights
        feature = self._feature(call, rows)
        if not others and weight == 1:
            return feature
        mixed = feature * np.float32(weight)
        for call, weight in others:
            mixed += self._feature(call, rows) * np.float32(weight)
        return mixed

    def _feature(self, call: int, rows: tuple[str, ...]) -> Floats:
        kept, feature = self._features[call]
        return feature if kept == rows else feature[[kept.index(row) for row in rows]]


def graphs_agree(full: InterruptibleInferRequest, shallow: InterruptibleInferRequest) -> bool:
    """Whether the shallow graph, given the full one's deep feature, predicts what the full one does."""
    rows = (POSITIVE,)
    inputs = UNetInputs(rows, _test_inputs(full))
    expected = np.array(full(inputs)[0])
    cache = FeatureCache(full, shallow)
    cache.store(0, rows, (0,))
    got = cache.predict(inputs, ((0, 1.0),)).numpy()
    if expected.shape != got.shape or not np.isfinite(expected).all():
        return False
    return bool(np.abs(expected - got).max() <= TOLERANCE * np.abs(expected).max())


def _test_inputs(request: InterruptibleInferRequest) -> dict[str, Floats]:
    """Random inputs of the smallest shapes that the graph takes."""
    random = np.random.default_rng(0)
    inputs = {}
    for port in request.compiled.inputs:
        name, shape = port.get_any_name(), port.get_partial_shape()
        free = {"sample": (1, 1, _TEST_SIDE, _TEST_SIDE), "encoder_hidden_states": (1, _TOKENS, 1)}.get(name, ())
        sides = [
            side.get_length() if side.is_static else (free[axis] if axis < len(free) else 1)
            for axis, side in enumerate(shape)
        ]
        values = random.standard_normal(sides) if name != "timestep" else np.full(sides, _TEST_TIMESTEP)
        inputs[name] = values.astype(np.float32)
    return inputs
