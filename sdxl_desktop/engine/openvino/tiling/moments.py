"""Means and variances of channels, accumulated strip by strip."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sdxl_desktop.engine.openvino.tiling.group_norms import GroupNorm

Numbers = npt.NDArray[np.float64]


class ChannelMoments:
    """The mean and the sum of squared deviations of each channel, in float64.

    Strips are combined by the pairwise formula of Chan, Golub and LeVeque ("Updating Formulae and a Pairwise Algorithm
    for Computing Sample Variances", 1979), which stays exact when the mean is large compared with the deviation.
    """

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._mean: Numbers = np.zeros(channels)
        self._squares: Numbers = np.zeros(channels)

    def add(self, count: int, mean: npt.NDArray[Any], squares: npt.NDArray[Any]) -> None:
        """Add `count` pixels per channel with this mean and this sum of squared deviations, both of any float dtype and
        with C elements, [1, C, 1, 1] or [C]."""
        total = self._count + count
        apart = mean.ravel().astype(np.float64) - self._mean
        self._squares += squares.ravel().astype(np.float64) + apart**2 * (self._count * count / total)
        self._mean += apart * (count / total)
        self._count = total

    def normalizer(self, norm: GroupNorm) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return (mean, 1 / standard deviation) of each channel's group, both float32 [1, C, 1, 1]."""
        groups = self._mean.reshape(norm.groups, -1)
        mean = groups.mean(axis=1, keepdims=True)
        squares = self._squares.reshape(norm.groups, -1) + self._count * (groups - mean) ** 2
        variance = squares.sum(axis=1, keepdims=True) / (self._count * groups.shape[1])
        divisor = np.sqrt(variance) + norm.epsilon if norm.epsilon_outside_sqrt else np.sqrt(variance + norm.epsilon)
        return _channels(mean, groups.shape), _channels(1 / divisor, groups.shape)


def _channels(values: Numbers, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    return np.broadcast_to(values, shape).reshape(1, -1, 1, 1).astype(np.float32)
