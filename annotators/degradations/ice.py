"""A layer of ice on a pane, grown rather than photographed: six-fold branching crystals over a thin haze."""

from __future__ import annotations

import math

import cv2
import numpy as np

from annotators.degradations.randomness import random_field

STEMS = 56
"""Crystals that grow on one pane."""
BRANCHES = (9, 4)
"""Pairs of branches on a stem, and of needles on a branch."""
TINT = (0.86, 0.94, 1.0)
"""Share of red, green and blue that the ice scatters."""
FIXED_POINT_BITS = 4
"""Fraction bits of the coordinates that OpenCV's lines are drawn at."""


def ice_layer(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return a picture of ice, uint8, rows × columns × 3, RGB; denser towards the rim of the pane."""
    crystals = np.zeros(shape, np.uint8)
    for segments, brightness in zip(grow(shape, seed), (255, 205, 160), strict=True):
        lines = np.rint(segments * (1 << FIXED_POINT_BITS)).astype(np.int32)
        cv2.polylines(crystals, lines, False, brightness, 1, cv2.LINE_AA, FIXED_POINT_BITS)
    # The body of a crystal between its needles: thick where they stand close.
    body = cv2.GaussianBlur(crystals, (0, 0), 4)
    ice = cv2.addWeighted(crystals, 0.62, body, 1.1, 0)
    ice = cv2.add(ice, haze(shape, seed + 1))
    return cv2.merge([cv2.convertScaleAbs(ice, alpha=share) for share in TINT])


def grow(shape: tuple[int, int], seed: int) -> list[np.ndarray]:
    """Return the stems, their branches and the needles on these: N×2×2 arrays of ends (x, y) in px, float."""
    sizes = np.cumprod([STEMS, 2 * BRANCHES[0], 2 * BRANCHES[1]])
    uniform = random_field(seed, (4, int(sizes.sum()))) / 65536
    of_stems, of_branches, of_needles = np.split(uniform, np.cumsum(sizes)[:-1], axis=1)
    stems = root(shape, of_stems)
    branches = branch(stems, BRANCHES[0], of_branches)
    needles = branch(branches, BRANCHES[1], of_needles)
    return [ends(*generation) for generation in (stems, branches, needles)]


def root(shape: tuple[int, int], uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where the stems start (N×2), their angles and lengths: most on the rim, growing inwards."""
    height, width = shape
    side = math.sqrt(height * width)
    along, turn, size, depth = uniform
    angle = along * 2 * math.pi
    # From the centre through the wall of the pane, and back by a random share: the square makes the rim likelier.
    outward = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outward /= np.abs(outward).max(axis=1, keepdims=True)
    start = (0.5 + 0.5 * outward * (1 - 0.7 * depth[:, None] ** 2)) * [width, height]
    return start, angle + math.pi + (turn - 0.5) * 2.4, side * (0.12 + 0.3 * size**1.5)


def branch(
    parents: tuple[np.ndarray, np.ndarray, np.ndarray], pairs: int, uniform: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``pairs`` × 2 branches on each parent, at 60° to either side, shorter towards its tip."""
    start, angle, length = (np.repeat(values, 2 * pairs, axis=0) for values in parents)
    jitter, size = uniform[:2]
    pair = np.tile(np.repeat(np.arange(pairs), 2), len(parents[1]))
    place = (pair + 0.4 + 0.5 * jitter) / pairs
    side = np.tile([-1.0, 1.0], len(angle) // 2)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    begin = start + direction * (length * place)[:, None]
    return begin, angle + side * math.pi / 3, length * (1.05 - place) * (0.25 + 0.3 * size)


def ends(start: np.ndarray, angle: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return both ends of each segment, N×2×2 (x, y)."""
    return np.stack([start, start + np.stack([np.cos(angle), np.sin(angle)], axis=1) * length[:, None]], axis=1)


def haze(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return a thin uneven film, uint8 (rows × columns): smooth noise of three sizes, thicker towards the rim."""
    film = np.zeros(shape, np.float32)
    for octave, cells in enumerate((5, 13, 40)):
        noise = random_field(seed + octave, (cells, cells)).astype(np.float32) / 65536
        film += cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_CUBIC) / 2**octave
    rows, columns = (np.linspace(-1, 1, length, dtype=np.float32) ** 2 for length in shape)
    return cv2.convertScaleAbs(film * (16 + 30 * np.maximum.outer(rows, columns)))
