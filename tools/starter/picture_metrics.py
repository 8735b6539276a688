"""Metrics of finished pictures; none uses a part of the evaluated checkpoint."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .compose import COLOURS

Floats = NDArray[np.float64]


def pixels(picture: Image.Image, side: int = 128) -> Floats:
    """Return RGB in [0, 1], [side, side, 3]."""
    return np.asarray(picture.convert("RGB").resize((side, side)), dtype=np.float64) / 255


def feature(picture: Image.Image) -> Floats:
    """Return a descriptor of colours and outlines: 12 × 12 mean colours, and 8 × 8 cells of 8 gradient directions.

    Each half has length 1, so that colour and outline have equal weight (after Dalal and Triggs, "Histograms of
    oriented gradients", 2005).
    """
    rgb = pixels(picture, 96)
    colours = rgb.reshape(12, 8, 12, 8, 3).mean((1, 3)).ravel() - rgb.mean()
    grey = ndimage.gaussian_filter(rgb.mean(2), 1.0)
    down, right = np.gradient(grey)
    strength = np.hypot(down, right)
    bins = ((np.arctan2(down, right) + np.pi) / (2 * np.pi) * 8).astype(int) % 8
    cells = np.zeros((8, 8, 8))
    rows, columns = np.indices(grey.shape) // 12
    np.add.at(cells, (rows, columns, bins), strength)
    outlines = np.sqrt(cells).ravel()
    return np.concatenate([colours / (np.linalg.norm(colours) + 1e-9), outlines / (np.linalg.norm(outlines) + 1e-9)])


def ranks(drawn: Sequence[Image.Image], known: Sequence[Image.Image], right: Sequence[int]) -> list[int]:
    """For each picture in `drawn`, return how many known pictures are nearer to it than the right one (0 is a hit)."""
    library = np.stack([feature(picture) for picture in known])
    found = []
    for picture, answer in zip(drawn, right, strict=True):
        distance = ((library - feature(picture)) ** 2).sum(1)
        found.append(int((distance < distance[answer]).sum()))
    return found


def border_colour(picture: Image.Image) -> Floats:
    """Return the median colour of the outer frame, a sixteenth of the side wide: RGB in [0, 1]."""
    rgb = pixels(picture)
    frame = np.ones(rgb.shape[:2], dtype=bool)
    frame[8:-8, 8:-8] = False
    colour: Floats = np.median(rgb[frame], axis=0)
    return colour


def colour_word(picture: Image.Image) -> str:
    """Return the colour name nearest to the picture's border."""
    colour = border_colour(picture) * 255
    return min(COLOURS, key=lambda word: float(((np.array(COLOURS[word]) - colour) ** 2).sum()))


def subject_mask(picture: Image.Image) -> NDArray[np.bool_]:
    """True where the picture differs clearly from the background at the same height."""
    rgb = pixels(picture)
    sides = np.concatenate([rgb[:, :4], rgb[:, -4:]], axis=1)
    ground = np.median(sides, axis=1)[:, None, :]
    mask: NDArray[np.bool_] = ndimage.binary_opening(np.abs(rgb - ground).max(2) > 0.12, iterations=2)
    return mask


def centre(picture: Image.Image) -> tuple[float, float]:
    """Return (x, y) of the middle of the subject as fractions of the picture; the picture's middle if none is found."""
    mask = subject_mask(picture)
    if not mask.any():
        return 0.5, 0.5
    y, x = ndimage.center_of_mass(mask)
    return float(x) / mask.shape[1], float(y) / mask.shape[0]


def count(picture: Image.Image) -> int:
    """Return the number of separate objects of at least a fiftieth of the picture."""
    mask = ndimage.binary_closing(subject_mask(picture), iterations=2)
    labels, number = ndimage.label(mask)
    areas = ndimage.sum_labels(mask, labels, range(1, number + 1))
    return int((np.asarray(areas) > mask.size / 50).sum())


def gradient_energy(picture: Image.Image) -> float:
    """Return the mean squared gradient length of the grey picture at its own size, in brightness [0, 1] per pixel."""
    grey = np.asarray(picture.convert("L"), dtype=np.float64) / 255
    down, right = np.gradient(grey)
    return float((down**2 + right**2).mean())


def feature_distance(picture: Image.Image, known: Image.Image) -> float:
    """Return the distance of the descriptors of two pictures, from 0 to about 2."""
    return float(np.linalg.norm(feature(picture) - feature(known)))


def sharpness(picture: Image.Image) -> float:
    """Return the mean absolute Laplacian of the grey picture."""
    return float(np.abs(ndimage.laplace(pixels(picture).mean(2))).mean())
