"""Random fields from a recorded seed.

A seed is drawn once and recorded; the field is made from it again on every replay. The bits are taken raw from SFC64,
because numpy promises that the bits of a generator stay the same across releases, and promises no such thing for
``Generator.normal`` or ``Generator.poisson``. It also is several times faster: the distributions come from tables.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from annotators.degradations.base import scale_of


def draw_seed(rng: np.random.Generator) -> int:
    """Return a seed for the functions of this module (0 … 2³² − 1)."""
    return int(rng.integers(2**32))


def random_field(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return independent uniform uint16 values.

    Examples
    --------
    >>> random_field(7, (2, 3)).dtype, bool((random_field(7, (2, 3)) == random_field(7, (2, 3))).all())
    (dtype('uint16'), True)
    """
    count = math.prod(shape)
    words = np.random.SFC64(seed).random_raw(-(-count // 4))
    return words.view(np.uint16)[:count].reshape(shape)


def grain_px(image: np.ndarray) -> int:
    """Return the side of one grain of noise: 1 px up to 767² px, 2 up to 1279², and so on.

    Whole pixels, so that every grain has the same size and noise its exact distribution at every image size.

    Examples
    --------
    >>> grain_px(np.zeros((1024, 1024, 3), np.uint8))
    2
    """
    return max(1, math.floor(scale_of(image) + 0.5))


def random_grains(seed: int, image: np.ndarray, *, channels: int) -> np.ndarray:
    """Return uniform uint16 values (H×W×channels, H×W for one channel), constant on squares of :func:`grain_px`."""
    height, width = image.shape[:2]
    grain = grain_px(image)
    rows, columns = -(-height // grain), -(-width // grain)
    field = random_field(seed, (rows, columns, channels) if channels > 1 else (rows, columns))
    if grain == 1:
        return field
    size = (columns * grain, rows * grain)
    return np.ascontiguousarray(cv2.resize(field, size, interpolation=cv2.INTER_NEAREST)[:height, :width])
