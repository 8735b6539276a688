"""Where and with which precision a request runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sdxl_desktop.core.device import device_type
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.scalars import COMPUTER, Option, check_limits, scalar

Precision = Literal["auto", "f32", "f16", "bf16"]
PrecisionOverride = Literal["", "auto", "f32", "f16", "bf16"]
"""The precision for one kind of device; "" means the common one."""

AUTOMATIC_DEVICE = "AUTO"
"""In place of a device name: the device measured as the fastest for the part, else a GPU, else the CPU. It is not
OpenVINO's device of that name, which falls back silently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where and how a request runs: OpenVINO device names, threads (0 = all), precision, live preview.

    `text_device`, `unet_device` and `vae_device` are for those parts alone; "" means `device`. `gpu_precision` and
    `npu_precision` are for devices of that kind; "" means `precision`. Threads and precision apply to devices that
    support them. Older records without per-part or per-kind values are read as one value for all.
    """

    device: str = scalar(
        "CPU",
        option=Option(
            "--device",
            "NAME",
            "A device that `devices` lists, or auto. Default: as in your settings.",
            "text",
            COMPUTER,
        ),
    )
    text_device: str = scalar(
        "",
        option=Option(
            "--text-device", "NAME", "The device of the text encoders. Default: the one of all.", "text", COMPUTER
        ),
    )
    unet_device: str = scalar(
        "", option=Option("--unet-device", "NAME", "The device of the UNet. Default: the one of all.", "text", COMPUTER)
    )
    vae_device: str = scalar(
        "", option=Option("--vae-device", "NAME", "The device of the VAE. Default: the one of all.", "text", COMPUTER)
    )
    threads: int = scalar(
        0,
        "The number of threads",
        (0, 1024),
        option=Option(
            "--threads", "N", "Processor threads, 0 for all. Default: as in your settings.", "whole", COMPUTER
        ),
    )
    precision: Precision = scalar(
        "auto",
        option=Option("--precision", "NAME", "auto, f32, f16 or bf16. Default: as in your settings.", "text", COMPUTER),
    )
    gpu_precision: PrecisionOverride = ""
    npu_precision: PrecisionOverride = ""
    preview: bool = True

    def __post_init__(self) -> None:
        if not self.device.strip():
            raise RequestError("No device was named.", next_step="Choose one of the devices that `devices` lists.")
        check_limits(self)
        for precision in (self.precision, self.gpu_precision or "auto", self.npu_precision or "auto"):
            if precision in get_args(Precision):
                continue
            raise RequestError(
                f"There is no precision called {precision!r}.",
                next_step="Choose one of: " + ", ".join(get_args(Precision)) + ".",
            )

    def device_for(self, part: str) -> str:
        """Return the device of a checkpoint's part, such as "text_encoder_2", "unet" or "vae_decoder"."""
        if part.startswith(Part.TEXT_ENCODER):
            return self.text_device or self.device
        if part.startswith(Part.UNET):
            return self.unet_device or self.device
        if part.startswith(Part.VAE):
            return self.vae_device or self.device
        return self.device

    def precision_on(self, device: str) -> Precision:
        """Return the precision for parts on `device`, such as "GPU.1"."""
        own = {"GPU": self.gpu_precision, "NPU": self.npu_precision}.get(device_type(device), "")
        return own or self.precision

    @property
    def devices(self) -> tuple[str, ...]:
        """Return the distinct devices of the text encoders, UNet and VAE, in that order."""
        return tuple(dict.fromkeys(self.device_for(part) for part in (Part.TEXT_ENCODER, Part.UNET, Part.VAE_DECODER)))
