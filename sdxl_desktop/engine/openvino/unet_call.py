"""The data of one UNet call: its position, its batch rows, its inputs by name, and its prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sdxl_desktop.engine.openvino.stage_schedule import StageSchedule

POSITIVE = "positive"
"""The batch row conditioned on the prompt; every call has it."""
NEGATIVE = "negative"
"""The batch row conditioned on the negative prompt, in calls with classifier-free guidance."""

FeatureBlend = tuple[tuple[int, float], ...]
"""Earlier calls by number, and the weight of the deep feature of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetCall:
    """Call `number`, from 0, of the `calls` of a stage. It belongs to the stage's step `step`, counted from 1, at
    `timestep` and the noise level `sigma` (`StageSchedule.sigmas`).

    `rows` are the names of its batch rows in order. With a `blend`, only the shallow part of the UNet is computed,
    using a deep feature blended from earlier calls; `required_features` are the calls up to this one whose features are
    needed after it.
    """

    number: int
    calls: int
    step: int
    timestep: float
    sigma: float
    rows: tuple[str, ...] = (POSITIVE,)
    blend: FeatureBlend = ()
    required_features: frozenset[int] = frozenset()

    @property
    def is_full(self) -> bool:
        """Whether the full UNet is computed."""
        return not self.blend

    @property
    def kind(self) -> CallKind:
        return CallKind(self.is_full, len(self.rows))

    def is_within(self, start: float, end: float) -> bool:
        """Whether the call lies entirely between these fractions, in [0, 1], of the stage's calls: diffusers'
        `control_guidance_start` and `control_guidance_end`."""
        return self.number / self.calls >= start and (self.number + 1) / self.calls <= end


@dataclass(frozen=True, slots=True)
class CallKind:
    """The properties of a UNet call that determine its duration: whether it is full, and its number of rows."""

    full: bool
    rows: int

    @property
    def weight(self) -> float:
        """The approximate duration relative to a full guided call; for estimates before anything was measured."""
        return (1.0 if self.full else 0.1) * self.rows / 2


def full_calls(schedule: StageSchedule) -> tuple[UNetCall, ...]:
    """Return a full call with only the positive row for each timestep of `schedule`."""
    timesteps, levels = schedule.timesteps.tolist(), schedule.sigmas
    return tuple(
        UNetCall(
            number=number,
            calls=len(timesteps),
            step=schedule.step_after(number),
            timestep=float(timestep),
            sigma=float(levels[number]),
        )
        for number, timestep in enumerate(timesteps)
    )


class UNetInputs(dict[str, Any]):
    """The inputs of one UNet call by graph input name: "sample" float32 [B, C, h, w], "timestep", a number, and tensors
    [B, …], with one row for each of `rows`.

    Tensors must not be modified in place: to change an input, replace it with another tensor.
    """

    def __init__(self, rows: tuple[str, ...], inputs: Mapping[str, Any]) -> None:
        super().__init__(inputs)
        self.rows = rows

    def add(self, name: str, residual: torch.Tensor) -> None:
        """Add `residual` to the input `name`, or set it if missing: residuals of several networks for the same input
        are summed."""
        self[name] = self[name] + residual if name in self else residual


class Prediction:
    """The UNet's prediction: `rows`, float32 [1, C, h, w] each, and `combined`, None if nothing combines them."""

    __slots__ = ("combined", "rows")

    def __init__(self, rows: Sequence[str], outputs: torch.Tensor) -> None:
        """`outputs` float32 [B, C, h, w]."""
        self.rows = {row: outputs[at : at + 1] for at, row in enumerate(rows)} if len(rows) > 1 else {rows[0]: outputs}
        self.combined: torch.Tensor | None = None

    @property
    def result(self) -> torch.Tensor:
        """Return the prediction float32 [1, C, h, w] for the scheduler."""
        return self.rows[POSITIVE] if self.combined is None else self.combined
