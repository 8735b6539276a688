"""How a checkpoint must be sampled: its prediction type and the noise levels it was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.scalars import ADVANCED, Option, scalar
from sdxl_desktop.core.schedulers import SDXL_SCHEDULER_CONFIG, is_edm
from sdxl_desktop.core.untrusted_text import display_text


class _LabelledEnum(StrEnum):
    @property
    def label(self) -> str:
        """The label for display."""
        return _LABELS[self.value]


class PredictionType(_LabelledEnum):
    """The UNet's prediction type; the values are diffusers'."""

    EPSILON = "epsilon"
    V_PREDICTION = "v_prediction"
    SAMPLE = "sample"

    @classmethod
    def parse(cls, text: str) -> PredictionType:
        """Parse a name in any spelling ("v", "v-prediction", "v_pred"); raises RequestError."""
        folded = text.strip().lower().replace("-", "_")
        folded = {"eps": "epsilon", "v": "v_prediction", "v_pred": "v_prediction", "x0": "sample"}.get(folded, folded)
        return _parse_enum(cls, folded, "prediction type", text)


class TimestepSpacing(_LabelledEnum):
    """The spacing of the training timesteps that are used (Lin et al., arXiv 2305.08891, table 2); the values are
    diffusers'."""

    LEADING = "leading"
    LINSPACE = "linspace"
    TRAILING = "trailing"

    @classmethod
    def parse(cls, text: str) -> TimestepSpacing:
        """Raises RequestError."""
        return _parse_enum(cls, text.strip().lower(), "timestep spacing", text)


_LABELS = {
    "epsilon": "noise (epsilon)",
    "v_prediction": "velocity (v-prediction)",
    "sample": "the picture (sample)",
    "leading": "leading",
    "linspace": "even (linspace)",
    "trailing": "trailing",
}


_Name = TypeVar("_Name", bound=_LabelledEnum)


def _parse_enum(kind: type[_Name], value: str, what: str, text: str) -> _Name:
    try:
        return kind(value)
    except ValueError:
        raise RequestError(
            f"There is no {what} called {display_text(text, 40)!r}.",
            next_step="Choose one of: " + ", ".join(one.value for one in kind) + ".",
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSchedule:
    """The training-related entries of a scheduler_config.json, in diffusers' terms; `edm` is true if noise and picture
    are scaled as in EDM, which has neither a spacing nor a terminal SNR."""

    prediction_type: str = str(SDXL_SCHEDULER_CONFIG["prediction_type"])
    zero_terminal_snr: bool = False
    timestep_spacing: str = str(SDXL_SCHEDULER_CONFIG["timestep_spacing"])
    edm: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NoiseSchedule:
        """Create from a validated config."""
        return cls(
            prediction_type=display_text(
                str(config.get("prediction_type", SDXL_SCHEDULER_CONFIG["prediction_type"])), 40
            ),
            zero_terminal_snr=bool(config.get("rescale_betas_zero_snr", False)),
            timestep_spacing=display_text(
                str(config.get("timestep_spacing", SDXL_SCHEDULER_CONFIG["timestep_spacing"])), 40
            ),
            edm=is_edm(str(config.get("_class_name", ""))),
        )

    @property
    def description(self) -> str:
        """One line for display, such as "v-prediction, zero terminal SNR, trailing timesteps"."""
        prediction = {"v_prediction": "v-prediction"}.get(self.prediction_type, f"{self.prediction_type} prediction")
        if self.edm:
            return f"{prediction}, EDM noise"
        zero = ", zero terminal SNR" if self.zero_terminal_snr else ""
        return f"{prediction}{zero}, {self.timestep_spacing} timesteps"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseScheduleOverride:
    """User overrides of a checkpoint's scheduler_config.json; None means the checkpoint's value."""

    prediction_type: PredictionType | None = scalar(
        None,
        option=Option(
            "--prediction-type",
            "NAME",
            "What the UNet predicts: epsilon, v_prediction or sample. Default: as the checkpoint says.",
            group=ADVANCED,
        ),
    )
    zero_terminal_snr: bool | None = scalar(
        None,
        option=Option(
            "--zero-snr/--no-zero-snr",
            None,
            "Sample with zero terminal SNR, or not. Default: as the checkpoint says.",
            "switch",
            group=ADVANCED,
        ),
    )
    timestep_spacing: TimestepSpacing | None = scalar(
        None,
        option=Option(
            "--timestep-spacing",
            "NAME",
            "leading, linspace or trailing. Default: as the checkpoint says.",
            group=ADVANCED,
        ),
    )

    @property
    def description(self) -> str:
        """The overridden values, such as "v-prediction · zero SNR"; "" if there are none."""
        words = [one.label for one in (self.prediction_type, self.timestep_spacing) if one is not None]
        if self.zero_terminal_snr is not None:
            words.append("zero SNR" if self.zero_terminal_snr else "no zero SNR")
        return " · ".join(words)

    def apply_to(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a validated `config` with these overrides applied."""
        asked = {
            "prediction_type": None if self.prediction_type is None else self.prediction_type.value,
            "rescale_betas_zero_snr": self.zero_terminal_snr,
            "timestep_spacing": None if self.timestep_spacing is None else self.timestep_spacing.value,
        }
        return {**config, **{key: value for key, value in asked.items() if value is not None}}
