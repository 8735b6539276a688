"""The values of one UNet call: when it is made, what the batch holds, its inputs by name, and what is predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sdxl_desktop.engine.openvino.stage_schedule import StageSchedule

POSITIVE = "positive"
"""The row of a batch that is conditioned on the prompt; every call has it."""
NEGATIVE = "negative"
"""The row that is conditioned on the negative prompt, of calls with classifier-free guidance."""

FeatureBlend = tuple[tuple[int, float], ...]
"""Earlier calls by number, and the weight of the deep feature that each of them computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetCall:
    """Call `number`, from 0, of the `calls` of a stage. It belongs to the stage's step `step`, counted from 1, at
    `timestep` and the noise level σ `noise_level` (`StageSchedule.sigmas`).

    `rows` name the rows of its batch in order. With a `blend` only the shallow part of the UNet is computed, with a
    deep feature made of earlier calls'; `required_features` are the calls up to this one whose features are needed
    after it.
    """

    number: int
    calls: int
    step: int
    timestep: float
    noise_level: float
    rows: tuple[str, ...] = (POSITIVE,)
    blend: FeatureBlend = ()
    required_features: frozenset[int] = frozenset()

    @property
    def is_full(self) -> bool:
        """Whether the whole UNet is computed."""
        return not self.blend

    @property
    def kind(self) -> CallKind:
        return CallKind(self.is_full, len(self.rows))

    def is_within(self, start: float, end: float) -> bool:
        """Whether all of the call lies between these shares, in [0, 1], of the stage's calls: diffusers'
        `control_guidance_start` and `control_guidance_end`."""
        return self.number / self.calls >= start and (self.number + 1) / self.calls <= end


@dataclass(frozen=True, slots=True)
class CallKind:
    """What UNet calls that take the same time have in common: whether they are full, and how many rows they have."""

    full: bool
    rows: int

    @property
    def weight(self) -> float:
        """About the share of a full guided call's time; for estimates before anything was measured."""
        return (1.0 if self.full else 0.1) * self.rows / 2


def calls_of(schedule: StageSchedule) -> tuple[UNetCall, ...]:
    """A full call with the positive row alone for each timestep that `schedule` visits."""
    timesteps, levels = schedule.timesteps.tolist(), schedule.sigmas
    return tuple(
        UNetCall(
            number=number,
            calls=len(timesteps),
            step=schedule.step_after(number),
            timestep=float(timestep),
            noise_level=float(levels[number]),
        )
        for number, timestep in enumerate(timesteps)
    )


class UNetInputs(dict[str, Any]):
    """The inputs of one UNet call by the names of its graph's: "sample" float32 [B, C, h, w], "timestep", a number, and
    tensors [B, …], one row for each of `rows`.

    What is handed over must not be written to: to change an input is to put another tensor in its place.
    """

    def __init__(self, rows: tuple[str, ...], inputs: Mapping[str, Any]) -> None:
        super().__init__(inputs)
        self.rows = rows

    def add(self, name: str, residual: torch.Tensor) -> None:
        """Add `residual` to the input `name`, or to nothing where it is not there yet: residuals of several networks
        for one place of the UNet come together as their sum."""
        self[name] = self[name] + residual if name in self else residual


class Prediction:
    """What the UNet answered: `rows`, float32 [1, C, h, w] each, and what they are `combined` to, None where nothing
    combines them."""

    __slots__ = ("combined", "rows")

    def __init__(self, rows: Sequence[str], outputs: torch.Tensor) -> None:
        """`outputs` float32 [B, C, h, w]."""
        self.rows = {row: outputs[at : at + 1] for at, row in enumerate(rows)} if len(rows) > 1 else {rows[0]: outputs}
        self.combined: torch.Tensor | None = None

    @property
    def result(self) -> torch.Tensor:
        """The prediction float32 [1, C, h, w] that the scheduler is given."""
        return self.rows[POSITIVE] if self.combined is None else self.combined
