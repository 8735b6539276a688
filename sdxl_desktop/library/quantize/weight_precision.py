"""Read the precision of a part's weights from its graph, without loading it."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.formats.format_errors import DamagedFileError

_GRAPH_LIMIT = 256 * 2**20
_CONSTANT_PATTERN = re.compile(rb'<data\b[^>]*\belement_type="(\w+)"[^>]*>')
_SIZE_PATTERN = re.compile(rb'\bsize="(\d+)"')
_FAKE_QUANTIZE = b'type="FakeQuantize"'
_MIN_WEIGHT_BYTES = 256
"""A smaller constant, in bytes, is a shape or an index, not weights."""
_PRECISION_BY_ELEMENT_TYPE = {
    b"i4": "int4",
    b"u4": "int4",
    b"nf4": "int4",
    b"u8": "int8",
    b"i8": "int8",
    b"f8e4m3": "int8",
}


class WeightPrecision(StrEnum):
    """The precision of a part's weights; the values are shown to users."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT4 = "int4"
    QUANTIZED = "quantized to 8 bits, activations included"

    @property
    def is_unquantized(self) -> bool:
        """Whether nothing has been quantized yet, so that it can be quantized."""
        return self in (WeightPrecision.FP32, WeightPrecision.FP16)


def read_weight_precision(graph: Path) -> WeightPrecision:
    """Return the precision of the openvino_model.xml `graph`; raises DamagedFileError if it is unreadable or far too
    large."""
    try:
        if graph.stat().st_size > _GRAPH_LIMIT:
            raise DamagedFileError(f"{graph.name} of {graph.parent.name} is too large to be a graph.")
        content = graph.read_bytes()
    except OSError as problem:
        raise DamagedFileError(f"{graph} cannot be read.", why=f"{problem.strerror or problem}.") from problem
    if _FAKE_QUANTIZE in content:
        return WeightPrecision.QUANTIZED
    held: dict[bytes, int] = {}
    for match in _CONSTANT_PATTERN.finditer(content):
        size = _SIZE_PATTERN.search(match.group())
        if size and int(size.group(1)) >= _MIN_WEIGHT_BYTES:
            held[match.group(1)] = held.get(match.group(1), 0) + int(size.group(1))
    coarse = {_PRECISION_BY_ELEMENT_TYPE[kind] for kind in held if kind in _PRECISION_BY_ELEMENT_TYPE}
    if "int4" in coarse:
        return WeightPrecision.INT4
    if "int8" in coarse:
        return WeightPrecision.INT8
    return WeightPrecision.FP16 if held.get(b"f16", 0) > held.get(b"f32", 0) else WeightPrecision.FP32
