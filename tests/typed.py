"""What tests need to say of values that may be missing."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def present(value: T | None) -> T:
    """`value`, which must be there."""
    assert value is not None
    return value


def same_array(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    """Whether both arrays are there and equal in shape and values."""
    return one is not None and other is not None and np.array_equal(one, other)
