"""A layer of ice on a pane, grown rather than photographed: six-fold branching crystals over a thin haze."""

from __future__ import annotations

import math

import cv2
import numpy as np

from annotators.degradations.randomness import random_field

STEMS = 72
"""Crystals that grow on one pane."""
BRANCHES = (8, 3)
"""Pairs of branches on a stem, and of needles on a branch."""
TINT = (0.86, 0.94, 1.0)
"""Share of red, green and blue that the ice scatters."""
Strokes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Where straight strokes start (N×2, x and y, in px), their angles in radians, and their lengths in px."""


def ice_layer(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return a picture of ice, uint8, rows × columns × 3, RGB; denser towards the rim of the pane."""
    stems, branches, needles = grow(shape, seed)
    crystals = np.zeros(shape, np.uint8)
    for strokes, brightness in ((needles, 150), (branches, 200), (stems, 255)):
        crystals.reshape(-1)[covered(shape, strokes)] = brightness
    crystals[[0, -1]] = crystals[:, [0, -1]] = 0  # where the strokes that leave the pane have been put
    crystals = cv2.GaussianBlur(crystals, (3, 3), 0)  # what was drawn is one pixel wide and jagged
    film = haze(shape, seed + 1)
    # The body of a crystal between its needles: thick where they stand close, uneven as the film is.
    body = cv2.blur(cv2.blur(crystals, (9, 9)), (9, 9))
    ice = cv2.multiply(cv2.addWeighted(crystals, 0.7, body, 0.9, 0), film, scale=1 / 85)
    ice = cv2.addWeighted(ice, 0.8, film, 0.55, 0)
    return cv2.merge([cv2.convertScaleAbs(ice, alpha=share) for share in TINT])


def covered(shape: tuple[int, int], strokes: Strokes) -> np.ndarray:
    """Return the flat indices of the pixels on the strokes; what leaves the canvas ends on its outermost pixels.

    ``cv2.polylines`` takes four times as long for so many short ones.
    """
    start, angle, length = strokes
    count = np.ceil(length).astype(np.int32)
    along = np.arange(count.sum(), dtype=np.float32) - np.repeat((np.cumsum(count) - count).astype(np.float32), count)
    x, y = (
        (np.repeat(begin, count) + np.repeat(direction, count) * along).clip(0, size - 1).astype(np.int32)
        for begin, direction, size in zip(start.T, unit(angle).T, shape[::-1], strict=True)
    )
    return y * shape[1] + x


def grow(shape: tuple[int, int], seed: int) -> tuple[Strokes, Strokes, Strokes]:
    """Return the stems, their branches, and the needles on these."""
    sizes = np.cumprod([STEMS, 2 * BRANCHES[0], 2 * BRANCHES[1]])
    uniform = random_field(seed, (4, int(sizes.sum()))) / np.float32(65536)
    of_stems, of_branches, of_needles = np.split(uniform, np.cumsum(sizes)[:-1], axis=1)
    stems = root(shape, of_stems)
    branches = branch(stems, BRANCHES[0], of_branches)
    return stems, branches, branch(branches, BRANCHES[1], of_needles)


def root(shape: tuple[int, int], uniform: np.ndarray) -> Strokes:
    """Return the stems: most start near the rim and grow inwards."""
    height, width = shape
    side = math.sqrt(height * width)
    along, turn, size, depth = uniform
    angle = along * 2 * math.pi
    # From the centre through the wall of the pane, and back by a random share: the square makes the rim likelier.
    outward = unit(angle)
    outward /= np.abs(outward).max(axis=1, keepdims=True)
    start = (0.5 + 0.5 * outward * (1 - 0.7 * depth[:, None] ** 2)) * np.array([width, height], np.float32)
    return start, angle + math.pi + (turn - 0.5) * 2.4, side * (0.1 + 0.3 * size**2)


def branch(parents: Strokes, count: int, uniform: np.ndarray) -> Strokes:
    """Return ``count`` pairs of branches on each parent, about 60° to either side, shorter towards its tip."""
    start, angle, length = (np.repeat(values, 2 * count, axis=0) for values in parents)
    jitter, size, tilt = np.repeat(uniform[0, ::2], 2), uniform[1], uniform[2]
    pair = np.tile(np.repeat(np.arange(count), 2), len(parents[1]))
    place = (pair + 0.4 + 0.5 * jitter) / count
    side = np.tile(np.array([-1, 1], np.float32), len(angle) // 2)
    begin = start + unit(angle) * (length * place)[:, None]
    turned = angle + side * math.pi / 3 + 0.35 * (tilt - 0.5)
    return begin, turned, length * (1.05 - place) * (0.2 + 0.35 * size)


def unit(angle: np.ndarray) -> np.ndarray:
    """Return the unit vectors (N×2, x and y) of angles in radians."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def haze(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return a thin uneven film, uint8 (rows × columns): smooth noise of three sizes, thicker towards the rim."""
    # Nothing in it is finer than 8 px, so an eighth of the size is enough to make it at.
    small = tuple(max(2, length // 8) for length in shape)
    film = np.zeros(small, np.float32)
    for octave, cells in enumerate((5, 13, 40)):
        noise = random_field(seed + octave, (cells, cells)).astype(np.float32) / 65536
        film += cv2.resize(noise, small[::-1], interpolation=cv2.INTER_CUBIC) / 2**octave
    rows, columns = (np.linspace(-1, 1, length, dtype=np.float32) ** 2 for length in small)
    film *= 45 + 65 * np.maximum.outer(rows, columns)
    return cv2.resize(cv2.convertScaleAbs(film), shape[::-1], interpolation=cv2.INTER_CUBIC)
