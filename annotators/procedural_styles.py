"""A few patterns in strong colours, to try style transfer with where no style bank is given. No art."""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np

from graph200k.seeds import derive_rng

SIDE = 256
"""Height and width of each, in pixels."""

PROCEDURAL_LICENCE = "CC0-1.0 (made by graph200k)"


@functools.cache
def procedural_styles() -> tuple[tuple[str, np.ndarray], ...]:
    """Return names and pictures (uint8, 256×256×3, read-only), always the same ones."""
    made = []
    for name, draw in _DRAW.items():
        image = draw(derive_rng("style", name))
        image.flags.writeable = False
        made.append((name, image))
    return tuple(made)


def _palette(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return colours (uint8, count×3) of all hues, strong and bright to dark."""
    hues = (np.arange(count) * 180 / count + rng.integers(0, 180)) % 180
    hsv = np.stack([hues, rng.integers(110, 240, count), rng.integers(90, 250, count)], axis=1)
    return cv2.cvtColor(hsv.astype(np.uint8)[None], cv2.COLOR_HSV2RGB)[0]


def _grid() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    return y, x


def _waves(rng: np.random.Generator) -> np.ndarray:
    y, x = _grid()
    phase = 0.08 * np.sin(x * 14 + rng.uniform(0, 6)) + 0.05 * np.sin(x * 31)
    return _palette(rng, 9)[((y + phase) * 18).astype(int) % 9]


def _tiles(rng: np.random.Generator) -> np.ndarray:
    """Return a mosaic: each pixel takes the colour of the nearest of 160 points, with dark joints."""
    points = rng.uniform(0, SIDE, (160, 2)).astype(np.float32)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    distance = np.hypot(y[..., None] - points[:, 0], x[..., None] - points[:, 1])
    nearest = np.argpartition(distance, 1, axis=-1)[..., :2]
    first, second = np.sort(np.take_along_axis(distance, nearest, axis=-1), axis=-1).transpose(2, 0, 1)
    image = _palette(rng, 160)[distance.argmin(axis=-1)]
    image[second - first < 2] = 30
    return image


def _strokes(rng: np.random.Generator) -> np.ndarray:
    colors = _palette(rng, 7)
    image = np.full((SIDE, SIDE, 3), 235, np.uint8)
    for _ in range(420):
        x, y = rng.integers(0, SIDE, 2).tolist()
        angle = rng.normal(0.6, 0.35)
        end = (int(x + 34 * np.cos(angle)), int(y + 34 * np.sin(angle)))
        color = np.clip(colors[rng.integers(7)].astype(int) + rng.integers(-25, 25), 0, 255)
        cv2.line(image, (x, y), end, color.tolist(), int(rng.integers(3, 9)), cv2.LINE_AA)
    return image


def _dots(rng: np.random.Generator) -> np.ndarray:
    """Return a halftone: dots on a raster, large where a slow wave is high."""
    paper, ink = (240, 225, 190), _palette(rng, 3)[0].tolist()
    image = np.full((SIDE, SIDE, 3), paper, np.uint8)
    for y in range(4, SIDE, 10):
        for x in range(4, SIDE, 10):
            radius = 2.6 + 2.4 * np.sin(x / 37 + y / 53)
            cv2.circle(image, (x, y), max(1, round(radius)), ink, -1, cv2.LINE_AA)
    return image


def _woodcut(rng: np.random.Generator) -> np.ndarray:
    y, x = _grid()
    field = np.sin(60 * np.hypot(x - rng.uniform(0.2, 0.8), y - rng.uniform(0.2, 0.8)) + 5 * np.sin(7 * x))
    return np.where((field > 0.1)[..., None], np.array([245, 235, 215], np.uint8), np.array([40, 25, 20], np.uint8))


def _glow(rng: np.random.Generator) -> np.ndarray:
    """Return soft lights on black."""
    image = np.zeros((SIDE, SIDE, 3), np.float32)
    y, x = _grid()
    for color in _palette(rng, 12):
        centre, width = rng.uniform(0, 1, 2), rng.uniform(0.04, 0.16)
        image += color * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / width**2)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


_DRAW: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "waves": _waves,
    "tiles": _tiles,
    "strokes": _strokes,
    "dots": _dots,
    "woodcut": _woodcut,
    "glow": _glow,
}
