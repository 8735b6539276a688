"""Sampling settings of single files, from marker tensors, metadata and file names."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from sdxl_desktop.core.noise_schedule import TimestepSpacing
from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.core.request import Sampling
from sdxl_desktop.core.schedulers import SchedulerName, changed_config
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.format_errors import DamagedFileError
from sdxl_desktop.formats.safetensors_header import Tensor

_LATENT_CHANNELS = 4
_PREDICTION_TYPES = {
    **dict.fromkeys(("v", "v_prediction", "v-prediction", "vpred", "velocity"), "v_prediction"),
    **dict.fromkeys(("epsilon", "eps", "noise"), "epsilon"),
    **dict.fromkeys(("sample", "x0"), "sample"),
}
_ZERO_TERMINAL_SNR = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingMetadata:
    """`scheduler_config` holds values for scheduler_config.json (complete if `edm`), `checkpoint_json` steps, guidance
    and description for checkpoint.json, and `vae_config` values for the VAE's config.json."""

    scheduler_config: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_json: Mapping[str, Any] = field(default_factory=dict)
    vae_config: Mapping[str, Any] = field(default_factory=dict)
    edm: bool = False

    def merged_scheduler_config(self, scheduler: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration `scheduler` with these values applied."""
        return dict(self.scheduler_config) if self.edm else changed_config(scheduler, self.scheduler_config)


@dataclass(frozen=True, slots=True)
class FewStepSettings:
    """Settings recommended by the authors of a checkpoint or LoRA distilled to few steps, all without guidance."""

    scheduler: SchedulerName
    steps: int
    timestep_spacing: TimestepSpacing | None = None
    guidance_scale: float = 1.0

    def applied_to(self, sampling: Sampling) -> Sampling:
        """Return `sampling` with these settings applied."""
        noise = replace(sampling.noise, timestep_spacing=self.timestep_spacing or sampling.noise.timestep_spacing)
        return replace(
            sampling,
            scheduler=self.scheduler,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            timesteps=(),
            noise=noise,
        )

    @property
    def description(self) -> str:
        """For example "4 steps of LCM without guidance"."""
        spacing = f" with {self.timestep_spacing.label.lower()} timesteps" if self.timestep_spacing else ""
        return f"{self.steps} step{'s' if self.steps > 1 else ''} of {self.scheduler.label}{spacing}, without guidance"


class _DistillationMethod(NamedTuple):
    """A method of distilling SDXL to few steps, detected by words in a name."""

    words: tuple[str, ...]
    recommended: FewStepSettings


_DISTILLATION_METHODS = (
    _DistillationMethod(("dmd", "dmd2"), FewStepSettings(SchedulerName.LCM, 4)),
    _DistillationMethod(("lightning",), FewStepSettings(SchedulerName.EULER, 4, TimestepSpacing.TRAILING)),
    _DistillationMethod(
        ("hyper", "hypersd", "hypersdxl"), FewStepSettings(SchedulerName.DDIM, 8, TimestepSpacing.TRAILING)
    ),
    _DistillationMethod(("turbo",), FewStepSettings(SchedulerName.EULER_ANCESTRAL, 4, TimestepSpacing.TRAILING)),
    _DistillationMethod(("tcd",), FewStepSettings(SchedulerName.TCD, 4)),
    _DistillationMethod(("lcm",), FewStepSettings(SchedulerName.LCM, 4)),
)
_MAX_FEW_STEPS = 16
_NAME_METADATA_KEYS = ("modelspec.title", "modelspec.architecture", "ss_output_name")


def read_sampling_metadata(name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> SamplingMetadata:
    """Return the settings that the file called `name` declares. Raises DamagedFileError for invalid marker tensors."""
    if "edm_mean" in tensors and "edm_std" in tensors:
        return _playground_metadata(tensors)
    if any(mark.startswith("edm_vpred.") for mark in tensors):
        return _cosxl_metadata(tensors)
    few = few_step_metadata(name, metadata)
    scheduler, note = _prediction_type(tensors, metadata)
    zero = "ztsnr" in tensors or metadata.get("ss_zero_terminal_snr", "").lower() == "true"
    card = {**few.checkpoint_json, "description": note} if note else few.checkpoint_json
    return SamplingMetadata(
        scheduler_config={**few.scheduler_config, **scheduler, **(_ZERO_TERMINAL_SNR if zero else {})},
        checkpoint_json=card,
    )


def detect_few_step(name: str, metadata: Mapping[str, str]) -> FewStepSettings | None:
    """Return the settings of a checkpoint or LoRA whose name or metadata contains Turbo, Lightning, Hyper, DMD2, TCD or
    LCM; None for others."""
    for text in (name, *(metadata.get(key, "") for key in _NAME_METADATA_KEYS)):
        words = _name_words(text[:200])
        for way in _DISTILLATION_METHODS:
            if set(way.words) & set(words):
                stated = next(
                    (int(number) for number in _STEP_COUNT_PATTERN.findall("-".join(words)) if int(number) > 0), 0
                )
                return replace(way.recommended, steps=min(stated or way.recommended.steps, _MAX_FEW_STEPS))
    return None


def few_step_metadata(name: str, metadata: Mapping[str, str]) -> SamplingMetadata:
    """Return the same settings as SamplingMetadata; empty if it is not a few-step model."""
    found = detect_few_step(name, metadata)
    if found is None:
        return SamplingMetadata()
    spacing = {} if found.timestep_spacing is None else {"timestep_spacing": found.timestep_spacing.value}
    return SamplingMetadata(
        scheduler_config={**found.scheduler.config, **spacing},
        checkpoint_json={"steps": found.steps, "guidance_scale": found.guidance_scale},
    )


_CAMEL_CASE_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_STEP_COUNT_PATTERN = re.compile(r"(?:^|-)(\d{1,2})-?steps?(?:-|$)")


def _name_words(text: str) -> list[str]:
    """Split a file name into words: "myXL_v2Lightning-4step" has "lightning" and "4step"."""
    return [word for word in re.split(r"[^a-z0-9]+", _CAMEL_CASE_BOUNDARY.sub("-", text).lower()) if word]


def _prediction_type(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Return (scheduler configuration for the prediction type, a note if the prediction type is unknown)."""
    if "v_pred" in tensors or metadata.get("ss_v_parameterization", "").lower() == "true":
        return {"prediction_type": "v_prediction"}, ""
    stated = metadata.get("modelspec.prediction_type", "").strip()
    if not stated:
        return {}, ""
    if (known := _PREDICTION_TYPES.get(stated.lower())) is not None:
        return {"prediction_type": known}, ""
    return {}, (
        f"Its metadata says that it predicts {display_text(stated, 40)!r}, which is not known here; it is drawn as if "
        "it predicted noise (epsilon)."
    )


def _playground_metadata(tensors: Mapping[str, Tensor]) -> SamplingMetadata:
    """As diffusers reads Playground 2.5: EDM noise levels, and latents normalized per channel."""
    mean, deviation = (_read_numbers(tensors[name], _LATENT_CHANNELS) for name in ("edm_mean", "edm_std"))
    if not all(value > 0 for value in deviation):
        raise _invalid_edm_error(tensors["edm_std"].file, "edm_std", deviation)
    return SamplingMetadata(
        scheduler_config={
            **SchedulerName.EDM_DPMPP_2M.config,
            "prediction_type": "epsilon",
            "sigma_data": 0.5,
            "sigma_min": 0.002,
            "sigma_max": 80.0,
        },
        checkpoint_json={"steps": 50, "guidance_scale": 3.0},
        vae_config={"latents_mean": list(mean), "latents_std": list(deviation), "scaling_factor": 0.5},
        edm=True,
    )


def _cosxl_metadata(tensors: Mapping[str, Tensor]) -> SamplingMetadata:
    """As diffusers configures CosXL: EDM noise levels, exponential sigmas, v-prediction."""
    levels = {"sigma_min": 0.002, "sigma_max": 120.0}
    for name in levels:
        if (tensor := tensors.get(f"edm_vpred.{name}")) is not None:
            (levels[name],) = _read_numbers(tensor, 1)
    low, high = levels["sigma_min"], levels["sigma_max"]
    if not 0 < low < high:
        file = next(tensor.file for name, tensor in tensors.items() if name.startswith("edm_vpred."))
        raise _invalid_edm_error(file, "edm_vpred.sigma_min and sigma_max", (low, high))
    return SamplingMetadata(
        scheduler_config={
            **SchedulerName.EDM_EULER.config,
            "prediction_type": "v_prediction",
            "sigma_data": 1.0,
            "sigma_schedule": "exponential",
            **levels,
        },
        edm=True,
    )


_STRUCT_FORMATS = {"F64": "d", "F32": "f", "F16": "e"}


def _read_numbers(tensor: Tensor, count: int) -> tuple[float, ...]:
    """Return the `count` numbers in a small tensor. Raises DamagedFileError if it does not hold them."""
    if tensor.elements != count or (tensor.dtype not in _STRUCT_FORMATS and tensor.dtype != "BF16"):
        raise _invalid_edm_error(tensor.file, "its EDM mark", (f"{tensor.dtype} {list(tensor.shape)}",))
    with open_regular(tensor.file) as stream:
        stream.seek(tensor.begin)
        raw = stream.read(tensor.bytes)
    if tensor.dtype == "BF16":
        raw = b"".join(b"\0\0" + raw[at : at + 2] for at in range(0, len(raw), 2))
    numbers: tuple[float, ...] = struct.unpack(f"<{count}{_STRUCT_FORMATS.get(tensor.dtype, 'f')}", raw)
    if not all(math.isfinite(number) for number in numbers):
        raise _invalid_edm_error(tensor.file, "its EDM mark", numbers)
    return numbers


def _invalid_edm_error(file: Path, key: str, numbers: tuple[object, ...]) -> DamagedFileError:
    stated = ", ".join(f"{number:g}" if isinstance(number, float) else str(number) for number in numbers)
    return DamagedFileError(
        f"{file.name} has invalid settings of EDM's noise.",
        why=f"Of {key} it says {stated}.",
        next_step="Download or copy it again.",
    )
