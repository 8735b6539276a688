"""SDXL's usual invisible watermark: 48 bits in the picture's chroma, readable by the usual decoder.

The carrier is method "dwtDct" of the `invisible-watermark` library, and the message is that of diffusers'
`StableDiffusionXLWatermarker` and of Stability AI's own detector. The decoder takes the picture's U channel (of YUV,
BT.601, 0 to 255), its low band after one Haar step (twice the mean of 2 by 2 pixels), and divides that into blocks of 4
by 4. The n-th block carries bit n modulo 48: the largest value of the block, except its first one, is taken modulo 36,
and lies in the upper half for a 1. The blocks then vote.

The encoder differs from the library's, which moves the largest value to the middle of the wanted half, also downwards,
where the next largest then becomes the largest and reads as another bit, so smooth pictures lose the mark at once; it
also swaps two bands in the inverse transform. Here a block that already carries the right bit is unchanged; in any
other, either its largest values are raised or all that are too large are lowered, whichever changes less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array

MESSAGE: tuple[int, ...] = tuple(int(bit) for bit in f"{0b101100111110110010010000011110111011000110011110:b}")
MIN_SIDE = 256

_QUANTIZATION_STEP = 36.0
_HALF_STEP = 18.0
_SAFETY_MARGIN = 3.0
"""A block is unchanged if it lies at least this far inside the right half."""
_RAISED = 12.0
_LOWERED = 12.0
"""Position within the half to which a block is moved from below and from above: deep enough for JPEG rounding at
quality 90."""
_MAX_WRONG_BITS = 5
"""Maximum wrong bits of 48 for a detected mark; by chance one picture in a hundred million has no more."""

_TO_Y = (0.299, 0.587, 0.114)
_U_OF_BLUE = 0.492
_BLUE_OF_U = 2.032
_GREEN_OF_U = -0.395

_Floats = npt.NDArray[np.float32]


def can_embed(size: Size) -> bool:
    """Whether a picture of this size can carry the mark: both sides at least 256 pixels."""
    return min(size.width, size.height) >= MIN_SIDE


def embed(pixels: UInt8Array) -> UInt8Array:
    """Return the picture, uint8 [H, W, 3], with the mark; one that is too small (see `can_embed`) is returned
    unchanged."""
    if not can_embed(Size(pixels.shape[1], pixels.shape[0])):
        return pixels
    floats = pixels.astype(np.float32)
    blue = floats[..., 2]
    blocks, grid = _blocks(_u_of(floats))
    room, _ = _blocks((255 - blue) / np.float32(_BLUE_OF_U))
    change = _to_pixel_changes(_block_changes(blocks, room), grid)
    marked = pixels.copy()
    area = marked[: change.shape[0], : change.shape[1]]
    green = area[..., 1].astype(np.float32)
    greener = np.clip(np.rint(green + change * np.float32(_GREEN_OF_U)), 0, 255)
    # green is clipped to 0 and 255 and rounded; blue makes up the rest: U = 0.492 (B - Y)
    luma = (greener - green) * np.float32(_TO_Y[1])
    bluer = area[..., 2] + (change / np.float32(_U_OF_BLUE) + luma) / np.float32(1 - _TO_Y[2])
    area[..., 1] = greener
    area[..., 2] = np.rint(np.clip(bluer, 0, 255))
    return marked


def read_bits(pixels: UInt8Array) -> tuple[int, ...]:
    """Return the 48 bits that the usual decoder reads from a picture, uint8 [H, W, 3], whether or not it is marked.

    Raises PictureError if the picture is too small to carry any.
    """
    size = Size(pixels.shape[1], pixels.shape[0])
    if not can_embed(size):
        raise PictureError(
            f"The picture is {size} and cannot carry an invisible watermark.",
            next_step=f"Look for it in a picture with sides of at least {MIN_SIDE} pixels.",
        )
    blocks, _ = _blocks(_u_of_8_bits(pixels))
    # the decoder compares with > half, but its wavelets are larger by the last bit of a double
    votes = np.mod(blocks[:, 1:].max(axis=1), _QUANTIZATION_STEP) >= _HALF_STEP
    which = np.arange(len(votes)) % len(MESSAGE)
    share = np.bincount(which, votes) / np.bincount(which)
    return tuple(int(bit) for bit in share * 255 > 127)


def is_marked(pixels: UInt8Array) -> bool:
    """Whether the picture, uint8 [H, W, 3], carries the mark, with up to five wrong bits."""
    return can_embed(Size(pixels.shape[1], pixels.shape[0])) and _wrong_bits(read_bits(pixels)) <= _MAX_WRONG_BITS


def _wrong_bits(bits: Sequence[int]) -> int:
    return sum(bit != wanted for bit, wanted in zip(bits, MESSAGE, strict=True))


def _u_of(floats: _Floats) -> _Floats:
    """Return U of YUV (BT.601) with the middle at 128; Y is rounded on the way, as in 8-bit pictures."""
    y = np.rint(floats @ np.array(_TO_Y, dtype=np.float32))
    u: _Floats = (floats[..., 2] - y) * np.float32(_U_OF_BLUE) + np.float32(128)
    return u


def _u_of_8_bits(pixels: UInt8Array) -> _Floats:
    """Return U as the decoder computes it: OpenCV's fixed-point conversion with 14 fractional bits."""
    red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
    y = (red * 4899 + green * 9617 + blue * 1868 + (1 << 13)) >> 14
    return (((blue - y) * 8061 + (128 << 14) + (1 << 13)) >> 14).astype(np.float32)


def _blocks(plane: _Floats) -> tuple[_Floats, tuple[int, int]]:
    """Return the Haar low band of a plane [H, W] in blocks of 4 by 4, float32 [N, 16], and the number of rows and
    columns."""
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    used = plane[: rows * 8, : columns * 8]
    pairs = used[0::2] + used[1::2]
    low = (pairs[:, 0::2] + pairs[:, 1::2]) * np.float32(0.5)
    blocks: _Floats = low.reshape(rows, 4, columns, 4).swapaxes(1, 2).reshape(-1, 16)
    return blocks, (rows, columns)


def _to_pixel_changes(blocks: _Floats, grid: tuple[int, int]) -> _Floats:
    """Return the change of every pixel [8 · rows, 8 · columns] that changes the low band by `blocks`."""
    rows, columns = grid
    low = blocks.reshape(rows, columns, 4, 4).swapaxes(1, 2).reshape(rows * 4, columns * 4) * np.float32(0.5)
    return low.repeat(2, axis=0).repeat(2, axis=1)


def _block_changes(blocks: _Floats, room: _Floats) -> _Floats:
    """Return what to add to each block, float32 [N, 16], so that it carries its bit; `room` is how far it can be
    raised."""
    number = np.arange(len(blocks))
    where = blocks[:, 1:].argmax(axis=1) + 1
    top = blocks[number, where]
    bits = np.resize(np.array(MESSAGE, dtype=np.float32), len(blocks))
    depth = np.mod(
        top - bits * np.float32(_HALF_STEP), np.float32(_QUANTIZATION_STEP)
    )  # less than 18 in the right half
    fine = (depth >= _SAFETY_MARGIN) & (depth <= _HALF_STEP - _SAFETY_MARGIN)
    up = np.where(depth < _SAFETY_MARGIN, _RAISED - depth, _QUANTIZATION_STEP + _RAISED - depth)
    down = np.where(depth > _HALF_STEP - _SAFETY_MARGIN, depth - _LOWERED, depth + _QUANTIZATION_STEP - _LOWERED)
    raised = np.clip((top + up)[:, None] - blocks, 0, up[:, None] * _BUMP[where])
    lowered = np.minimum((top - down)[:, None] - blocks, 0)
    lowered[:, 0] = 0  # which the decoder ignores
    blocked = room[number, where] < up
    rather_up = (raised**2).sum(axis=1) < np.where(blocked, 0, (lowered**2).sum(axis=1))
    changes: _Floats = np.where(rather_up[:, None], raised, lowered)
    changes[fine] = 0
    return changes.astype(np.float32)


def _bumps() -> _Floats:
    """Return for each position in a block a bump around it, float32 [16, 16]: single values would not survive JPEG."""
    y, x = np.divmod(np.arange(16), 4)
    squared = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    bumps: _Floats = np.exp(-squared / (2 * 0.7**2)).astype(np.float32)
    return bumps


_BUMP = _bumps()
