"""The quantization methods, and how each treats each part."""

from __future__ import annotations

from enum import StrEnum

from sdxl_desktop.core.parts import Part


class PartMethod(StrEnum):
    """How one part is treated."""

    UNCHANGED = "kept as it is"
    INT8 = "weights in 8 bits"
    INT4 = "weights of transformers in 4 bits, the other weights in 8"
    HYBRID = "weights in 8 bits, activations of convolutions in 8 bits"
    FULL = "weights and activations in 8 bits"


class QuantizationMethod(StrEnum):
    """How a checkpoint is quantized. The user always chooses it; it is never applied silently."""

    INT8 = "int8"
    """Weights of every part in 8 bits, exactly as NNCF's INT8_ASYM and `optimum-cli --weight-format int8`."""
    INT4 = "int4"
    """Weights of the UNet's transformers in 4 bits, in groups of 64; everything sensitive in 8."""
    HYBRID = "hybrid"
    """As int8 for the UNet's matrices; its convolutions compute in 8 bits, with ranges calibrated from samples."""
    FULL = "full"
    """The whole UNet computes in 8 bits, after SmoothQuant (Xiao et al., arXiv 2211.10438)."""

    @property
    def label(self) -> str:
        """One plain sentence for the user."""
        return _LABELS[self]

    @property
    def needs_calibration(self) -> bool:
        """Whether the UNet's activations must be recorded first."""
        return self in (QuantizationMethod.HYBRID, QuantizationMethod.FULL)

    def part_method(self, part: str) -> PartMethod:
        """Return how `part` ("vae_decoder") is treated. The VAE, which is small and shows every error, is left
        unchanged except in int8, which by convention includes it."""
        if self is QuantizationMethod.INT8:
            return PartMethod.INT8
        if part == Part.UNET:
            return _UNET_METHODS[self]
        return PartMethod.UNCHANGED if part.startswith(Part.VAE) else PartMethod.INT8


_UNET_METHODS = {
    QuantizationMethod.INT4: PartMethod.INT4,
    QuantizationMethod.HYBRID: PartMethod.HYBRID,
    QuantizationMethod.FULL: PartMethod.FULL,
}
_LABELS = {
    QuantizationMethod.INT8: "8-bit weights: half the size of fp16, differences are hard to see",
    QuantizationMethod.INT4: "4-bit weights in most of the UNet: the smallest, pictures change visibly",
    QuantizationMethod.HYBRID: "8-bit weights, and convolutions that compute in 8 bits: faster where the device can",
    QuantizationMethod.FULL: "the whole UNet computes in 8 bits: fastest where the device can; "
    "best for few-step checkpoints",
}
