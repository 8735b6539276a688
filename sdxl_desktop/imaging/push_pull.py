"""Smooth interpolation of unknown pixels from known ones: the push-pull pyramid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def push_pull_fill(values: Floats, weight: Floats) -> Floats:
    """Return `values` float32 [H, W, C] where `weight`, float32 [H, W], is 1, and a smooth continuation where it is 0.

    Push-pull (Gortler et al., "The Lumigraph", 1996): averages of the known values on ever coarser levels until all are
    known, then back up, where each level takes missing values from the coarser one. Bilinear on the way up, which
    avoids blocks. Linear in the number of pixels. At least one weight must not be 0.
    """
    if (weight >= 1).all() or max(weight.shape) == 1:
        return values
    coarse_values, count = _downsample(values, weight)
    coarse = push_pull_fill(coarse_values, np.minimum(count, 1))
    share = weight[..., None]
    whole: Floats = values * share
    whole += _upsample(coarse, weight.shape[0], weight.shape[1]) * (1 - share)
    return whole


def smooth_field(values: Floats, weight: Floats, levels: int) -> Floats:
    """Return a smooth field, float32 [H, W, C], through the averages of the known values over cells of 2**levels
    pixels.

    Unlike `push_pull_fill` it does not preserve single values. A cell counts fully once an eighth of it is known.
    Arguments as there.
    """
    shapes = []
    for _ in range(levels):
        shapes.append(weight.shape)
        values, weight = _downsample(values, weight)
    field = push_pull_fill(values, np.minimum(weight * np.float32(8 / 4**levels), 1))
    for height, width in reversed(shapes):
        field = _upsample(field, height, width)
    return field


def _downsample(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the weighted means of 2 by 2 blocks, and the sums of their weights."""
    odd = ((0, weight.shape[0] % 2), (0, weight.shape[1] % 2))
    share = np.pad(weight, odd)[..., None]
    weighted = np.pad(values * weight[..., None], (*odd, (0, 0)))
    total = _block_sums(share)
    mean = _block_sums(weighted)
    mean /= np.maximum(total, np.float32(1e-6))
    return mean, total[..., 0]


def _block_sums(array: Floats) -> Floats:
    """Return the sums over 2 by 2 blocks of an array with even sides."""
    rows = array[0::2] + array[1::2]
    blocks: Floats = rows[:, 0::2] + rows[:, 1::2]
    return blocks


def _upsample(coarse: Floats, height: int, width: int) -> Floats:
    """Bilinear: each new pixel lies a quarter of the way from its own coarse pixel to the next; cut to size."""
    return _upsample_rows(_upsample_rows(coarse, height).swapaxes(0, 1), width).swapaxes(0, 1)


def _upsample_rows(coarse: Floats, length: int) -> Floats:
    near = coarse * np.float32(0.75)
    far = coarse * np.float32(0.25)
    doubled = np.empty((2 * len(coarse), *coarse.shape[1:]), dtype=np.float32)
    doubled[0::2] = near
    doubled[1::2] = near
    doubled[2::2] += far[:-1]
    doubled[0] += far[0]
    doubled[1:-1:2] += far[1:]
    doubled[-1] += far[-1]
    return doubled[:length]
