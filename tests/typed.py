"""Typed assertions about optional values."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def not_none(value: T | None) -> T:
    """Return `value`, which must not be None."""
    assert value is not None
    return value


def arrays_equal(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    """Return whether both arrays exist and are equal in shape and values."""
    return one is not None and other is not None and np.array_equal(one, other)
