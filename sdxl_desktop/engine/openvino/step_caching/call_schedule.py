"""Decides which UNet calls of a stage are computed in full and which reuse cached deep features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sdxl_desktop.core.speed import StepCaching
from sdxl_desktop.engine.openvino.unet_call import FeatureBlend, UNetCall

MAX_EXTRAPOLATION = 2.0
"""Maximum extrapolation beyond two deep features, as a multiple of the distance between them."""


def call_schedule(calls: Sequence[UNetCall], caching: StepCaching) -> tuple[UNetCall, ...]:
    """Return the `calls` of a stage with the blend of each, and the features required after it.

    A step is computed either in full or not: second-order schedulers make two calls per step and mix both predictions.
    A call can use the feature of an earlier one that had all of its rows; without one it is computed in full.
    """
    full_steps = set(caching.full_steps(calls[-1].step))
    planned: list[UNetCall] = []
    for call in calls:
        blend = () if call.step in full_steps else _blend(planned, call, extrapolate=caching.extrapolate)
        planned.append(replace(call, blend=blend))
    return tuple(replace(call, required_features=required_features(planned, call.number + 1)) for call in planned)


def _blend(planned: Sequence[UNetCall], call: UNetCall, *, extrapolate: bool) -> FeatureBlend:
    """Return the blend of earlier calls' features for `call`; empty if no feature can be used.

    With `extrapolate`, features are extrapolated linearly from the last features of the last two full steps, up to a
    limit (Liu et al., "From Reusing to Forecasting: Accelerating Diffusion Models with TaylorSeers", arXiv 2503.06923,
    first order).
    """
    full = [earlier for earlier in reversed(planned) if earlier.is_full]
    if not full or not _has_rows(full[0], call):
        return ()
    last = full[0]
    further = last.timestep - call.timestep
    if extrapolate and further:
        for earlier in full[1:]:
            apart = earlier.timestep - last.timestep
            if earlier.step != last.step and apart and _has_rows(earlier, call):
                share = min(further / apart, MAX_EXTRAPOLATION)
                return (last.number, 1 + share), (earlier.number, -share)
    return ((last.number, 1.0),)


def _has_rows(earlier: UNetCall, call: UNetCall) -> bool:
    return set(call.rows) <= set(earlier.rows)


def required_features(calls: Sequence[UNetCall], first: int) -> frozenset[int]:
    """Return the calls before `first` whose deep features are needed by `first` and later calls."""
    return frozenset(number for call in calls[first:] for number, _ in call.blend if number < first)
