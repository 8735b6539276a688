"""Decides how the UNet is asked at every call of a stage: in full or with kept deep features, guided or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdxl_desktop.core.speed import GuidanceInterval, StepCaching
from sdxl_desktop.engine.openvino.schedule import Schedule

FURTHEST = 2.0
"""How many times the distance between two deep features a third is foretold beyond them."""

Blend = tuple[tuple[int, float], ...]
"""Earlier calls, and the weight of the deep feature that each of them computed."""


@dataclass(frozen=True, slots=True)
class Look:
    """One call of the UNet: it computes its deep feature, or, with a `blend`, makes it of earlier ones. `guided`: it is
    asked without the words, too."""

    guided: bool = True
    blend: Blend = ()

    @property
    def full(self) -> bool:
        return not self.blend

    @property
    def kind(self) -> Kind:
        return Kind(self.full, self.guided)


@dataclass(frozen=True, slots=True)
class Kind:
    """What looks that take the same time have in common."""

    full: bool
    guided: bool

    @property
    def weight(self) -> float:
        """About the share of a full guided look's time; for estimates before anything was measured."""
        return (1.0 if self.full else 0.1) * (1.0 if self.guided else 0.5)


def plan_looks(
    schedule: Schedule, *, guided: bool, caching: StepCaching | None, interval: GuidanceInterval | None
) -> tuple[Look, ...]:
    """The look of each call of `schedule`.

    Caching decides for whole steps: second-order schedulers ask several times in a step, and mix what they hear, so
    all their looks of a step are full or none is. Guidance follows the noise level of each look, as it does in the
    paper. A guided look needs both halves of a deep feature: after an unguided one it is full in any case.
    """
    when = [(schedule.step_after(call), float(timestep)) for call, timestep in enumerate(schedule.timesteps)]
    full_steps = None if caching is None else set(caching.full_steps(schedule.steps))
    looks: list[Look] = []
    for call, level in enumerate(schedule.noise_levels):
        wanted = guided and (interval is None or float(level) in interval)
        if full_steps is None or caching is None or when[call][0] in full_steps:
            looks.append(Look(wanted))
        else:
            looks.append(Look(wanted, _blend(looks, when, wanted, foretell=caching.foretell)))
    return tuple(looks)


def _blend(looks: Sequence[Look], when: Sequence[tuple[int, float]], guided: bool, *, foretell: bool) -> Blend:
    """Of which earlier calls' features the next call's is made; empty when there is none that it can use.

    `when` has each call's step and timestep. To `foretell`, the line through the last two full steps' last features is
    followed (Liu et al., "From Reusing to Forecasting: Accelerating Diffusion Models with TaylorSeers",
    arXiv 2503.06923, first order), though not far.
    """
    call = len(looks)
    last = next((other for other in reversed(range(call)) if looks[other].full), None)
    if last is None or (guided and not looks[last].guided):
        return ()
    step, timestep = when[last]
    further = timestep - when[call][1]
    if foretell and further:
        for other in reversed(range(last)):
            apart = when[other][1] - timestep
            if looks[other].full and when[other][0] != step and apart and (looks[other].guided or not guided):
                share = min(further / apart, FURTHEST)
                return (last, 1 + share), (other, -share)
    return ((last, 1.0),)


def reminders(looks: Sequence[Look], first: int) -> frozenset[int]:
    """The calls before `first` whose deep features it and later calls need."""
    return frozenset(call for look in looks[first:] for call, _ in look.blend if call < first)
