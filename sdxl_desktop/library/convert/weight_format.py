"""The formats that weights can be kept in, and what each costs and keeps."""

from __future__ import annotations

from enum import StrEnum


class WeightFormat(StrEnum):
    """How the weights of the converted parts are written. It is always chosen by a person, never silently."""

    FP32 = "fp32"
    """Nothing is lost; what a file holds in half precision stays so, which is exact and half as large."""
    FP16 = "fp16"
    INT8 = "int8"
    """Every matrix and convolution in 8 bits, a scale and a zero point for each output channel."""
    INT4 = "int4"
    """The UNet's matrices in 4 bits in groups of 64, the most sensitive and everything else in 8."""

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
