"""Statistics gathered strip by strip are those of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from sdxl_desktop.engine.openvino.tiling.group_norms import GroupNorm
from sdxl_desktop.engine.openvino.tiling.moments import ChannelMoments


@pytest.mark.parametrize("mean", [0.0, 5000.0])
@pytest.mark.parametrize("outside", [False, True])
def test_strips_of_any_height_give_what_the_whole_gives(mean: float, outside: bool) -> None:
    values = np.random.default_rng(0).normal(mean, 0.3, (6, 50, 7)) + np.arange(6)[:, None, None]
    moments = ChannelMoments(6)
    for strip in np.split(values, [3, 4, 40], axis=1):
        means = strip.mean(axis=(1, 2))
        squares = ((strip - means[:, None, None]) ** 2).sum(axis=(1, 2))
        moments.add(strip[0].size, means.reshape(1, 6, 1, 1), squares.reshape(1, 6, 1, 1))
    groups = values.reshape(2, -1)
    variance = groups.var(axis=1)
    expected = 1 / (np.sqrt(variance) + 1e-3) if outside else 1 / np.sqrt(variance + 1e-3)
    found_mean, found = moments.normalizer(GroupNorm(None, None, groups=2, epsilon=1e-3, epsilon_outside_sqrt=outside))
    np.testing.assert_allclose(found_mean.ravel(), groups.mean(axis=1).repeat(3), rtol=1e-6)
    np.testing.assert_allclose(found.ravel(), expected.repeat(3), rtol=1e-6)
