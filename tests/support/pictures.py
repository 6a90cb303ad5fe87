"""Small pictures drawn in code."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw


def draw_scene(seed: int, width: int = 96, height: int = 64) -> np.ndarray:
    """Return a scene of boxes, discs and lines on a gradient (uint8, H×W×3), different for each seed."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(40, 200, width, dtype=np.uint8)
    picture = Image.fromarray(np.repeat(np.repeat(ramp[None, :, None], height, 0), 3, 2))
    draw = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        size = int(rng.integers(8, max(9, min(width, height) // 2)))
        color = tuple(int(value) for value in rng.integers(0, 255, 3))
        draw.rectangle((x, y, x + size, y + size // 2), fill=color)
        draw.ellipse((y, x // 2, y + size, x // 2 + size), fill=color[::-1])
        draw.line((0, y, x, height), fill=(255, 255, 255), width=2)
    return np.asarray(picture)


def saved(picture: Image.Image, format: str, **options: object) -> bytes:
    """Return a picture in a format of Pillow's."""
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()
