"""The formats of stored weights, with their size and precision."""

from __future__ import annotations

from enum import StrEnum


class WeightFormat(StrEnum):
    """The format of the converted parts' weights. The user always chooses it; it is never applied silently."""

    FP32 = "fp32"
    """Lossless; half-precision source weights stay in half precision, which is exact and half as large."""
    FP16 = "fp16"
    INT8 = "int8"
    """Every matrix and convolution in 8 bits, with a scale and a zero point for each output channel."""
    INT4 = "int4"
    """The UNet's matrices in 4 bits in groups of 64; the most sensitive and everything else in 8."""

    @property
    def bytes_per_parameter(self) -> float:
        return _BYTES[self]

    @property
    def label(self) -> str:
        return _LABELS[self]


_BYTES = {WeightFormat.FP32: 4.0, WeightFormat.FP16: 2.0, WeightFormat.INT8: 1.01, WeightFormat.INT4: 0.66}
_LABELS = {
    WeightFormat.FP32: "full precision: nothing is lost",
    WeightFormat.FP16: "half precision: no difference that can be seen",
    WeightFormat.INT8: "8 bits: half the size again, differences are hard to see",
    WeightFormat.INT4: "4 bits in most of the UNet: the smallest, pictures change visibly",
}
