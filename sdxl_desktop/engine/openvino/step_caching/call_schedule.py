"""Decides which UNet calls of a stage are computed in full and which with kept deep features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sdxl_desktop.core.speed import StepCaching
from sdxl_desktop.engine.openvino.unet_call import FeatureBlend, UNetCall

MAX_EXTRAPOLATION = 2.0
"""How many times the distance between two deep features a third is extrapolated beyond them."""


def call_schedule(calls: Sequence[UNetCall], caching: StepCaching) -> tuple[UNetCall, ...]:
    """`calls` of a stage with the blend of each, and with the features that are required after it.

    Whole steps are full or not: second-order schedulers call twice in a step and mix both answers. A call can use the
    feature of an earlier one that had all of its rows; where there is none it is full in any case.
    """
    full_steps = set(caching.full_steps(calls[-1].step))
    planned: list[UNetCall] = []
    for call in calls:
        blend = () if call.step in full_steps else _blend(planned, call, extrapolate=caching.extrapolate)
        planned.append(replace(call, blend=blend))
    return tuple(replace(call, required_features=required_features(planned, call.number + 1)) for call in planned)


def _blend(planned: Sequence[UNetCall], call: UNetCall, *, extrapolate: bool) -> FeatureBlend:
    """Of which earlier calls' features that of `call` is made; empty when there is none that it can use.

    To `extrapolate`, the line through the last two full steps' last features is followed (Liu et al., "From Reusing to
    Forecasting: Accelerating Diffusion Models with TaylorSeers", arXiv 2503.06923, first order), though not far.
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
    """The calls before `first` whose deep features it and later calls need."""
    return frozenset(number for call in calls[first:] for number, _ in call.blend if number < first)
