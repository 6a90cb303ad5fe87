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
FIXED_POINT_BITS = 4
"""Fraction bits of the coordinates that OpenCV's lines are drawn at."""


def ice_layer(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return a picture of ice, uint8, rows × columns × 3, RGB; denser towards the rim of the pane."""
    crystals = np.zeros(shape, np.uint8)
    for strokes, brightness in zip(grow(shape, seed), (255, 200, 150), strict=True):
        lines = np.rint(strokes * (1 << FIXED_POINT_BITS)).astype(np.int32)
        cv2.polylines(crystals, lines, False, brightness, 1, cv2.LINE_AA, FIXED_POINT_BITS)
    film = haze(shape, seed + 1)
    # The body of a crystal between its needles: thick where they stand close, uneven as the film is.
    body = cv2.GaussianBlur(crystals, (0, 0), 3.5)
    ice = cv2.multiply(cv2.addWeighted(crystals, 0.45, body, 1.0, 0), film, scale=1 / 85)
    ice = cv2.addWeighted(ice, 0.8, film, 0.55, 0)
    return cv2.merge([cv2.convertScaleAbs(ice, alpha=share) for share in TINT])


def grow(shape: tuple[int, int], seed: int) -> list[np.ndarray]:
    """Return the strokes of the stems, of their branches and of the needles on these: N×points×2 (x, y), in px."""
    sizes = np.cumprod([STEMS, 2 * BRANCHES[0], 2 * BRANCHES[1]])
    uniform = random_field(seed, (4, int(sizes.sum()))) / 65536
    of_stems, of_branches, of_needles = np.split(uniform, np.cumsum(sizes)[:-1], axis=1)
    stems = root(shape, of_stems)
    branches = branch(stems, BRANCHES[0], of_branches)
    needles = branch(branches, BRANCHES[1], of_needles)
    return [segments(*stems), pairs(*branches), pairs(*needles)]


def root(shape: tuple[int, int], uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where the stems start (N×2), their angles and lengths: most on the rim, growing inwards."""
    height, width = shape
    side = math.sqrt(height * width)
    along, turn, size, depth = uniform
    angle = along * 2 * math.pi
    # From the centre through the wall of the pane, and back by a random share: the square makes the rim likelier.
    outward = unit(angle)
    outward /= np.abs(outward).max(axis=1, keepdims=True)
    start = (0.5 + 0.5 * outward * (1 - 0.7 * depth[:, None] ** 2)) * [width, height]
    return start, angle + math.pi + (turn - 0.5) * 2.4, side * (0.1 + 0.3 * size**2)


def branch(
    parents: tuple[np.ndarray, np.ndarray, np.ndarray], count: int, uniform: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``count`` pairs of branches on each parent, about 60° to either side, shorter towards its tip."""
    start, angle, length = (np.repeat(values, 2 * count, axis=0) for values in parents)
    jitter, size, tilt = np.repeat(uniform[0, ::2], 2), uniform[1], uniform[2]
    pair = np.tile(np.repeat(np.arange(count), 2), len(parents[1]))
    place = (pair + 0.4 + 0.5 * jitter) / count
    side = np.tile([-1.0, 1.0], len(angle) // 2)
    begin = start + unit(angle) * (length * place)[:, None]
    turned = angle + side * math.pi / 3 + 0.35 * (tilt - 0.5)
    return begin, turned, length * (1.05 - place) * (0.2 + 0.35 * size)


def segments(start: np.ndarray, angle: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return both ends of each line, N×2×2 (x, y)."""
    return np.stack([start, start + unit(angle) * length[:, None]], axis=1)


def pairs(start: np.ndarray, angle: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return tip, foot and tip of each pair of branches, N/2×3×2 (x, y): half the strokes, half the time to draw."""
    foot_and_tip = segments(start, angle, length)
    return np.concatenate([foot_and_tip[::2, ::-1], foot_and_tip[1::2, 1:]], axis=1)


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
