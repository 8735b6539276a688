"""Caches deep features of full UNet calls and predicts from them; checks beforehand that this is valid."""

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
"""Relative to the largest prediction: devices that compute in 16 bits may fuse the two graphs differently; in 32 bits
the results are equal."""
_TOKENS = 77
_TEST_SIDE = 8
"""Latent height and width of the test if the graph has dynamic shapes; SDXL UNets halve them up to three times."""
_TEST_TIMESTEP = 500.0


class FeatureCache:
    """The requests of the full and the shallow graph, and the deep features passed from one to the other.

    Each picture and stage has its own, so that no features are shared.
    """

    def __init__(self, full: InterruptibleInferRequest, shallow: InterruptibleInferRequest) -> None:
        self._full, self._shallow = full, shallow
        self._shallow_inputs = {port.get_any_name() for port in shallow.compiled.inputs} - {DEEP_FEATURE}
        self._features: dict[int, tuple[tuple[str, ...], Floats]] = {}

    def store(self, call: int, rows: tuple[str, ...], required: Collection[int]) -> None:
        """Store the deep feature, [B, C, h, w], that the full graph has just computed for `rows` of call number `call`,
        and drop those not in `required`."""
        assert self._full.last_outputs is not None
        self._features[call] = rows, np.asarray(self._full.last_outputs[DEEP_FEATURE])
        self._features = {kept: value for kept, value in self._features.items() if kept in required}

    def predict(self, inputs: UNetInputs, feature_weights: FeatureBlend) -> torch.Tensor:
        """Return the prediction float32 [B, C, h, w] from a blend of cached features; `inputs` are the full graph's.
        The calls whose features are used had all rows of `inputs`."""
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
    """Whether the shallow graph with the full one's deep feature gives the same prediction as the full graph."""
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
    """Return random inputs of the smallest shapes that the graph accepts."""
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
