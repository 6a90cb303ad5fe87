"""Parts of the picture hidden: ``inpainting``."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from annotators.degradations.base import Degradation, Params, degradations, scale_of
from annotators.degradations.randomness import draw_seed, random_field


@degradations.register("inpainting")
@dataclass(frozen=True, kw_only=True, slots=True)
class Inpainting(Degradation):
    """Straight lines across the picture, all white or all black; their width grows with the image."""

    lines: tuple[int, int] = (20, 50)
    """Range of the number of lines, both ends included."""
    thickness: tuple[int, int] = (10, 20)
    """Range of the width of a line in px at 512², both ends included."""
    values: tuple[int, ...] = (0, 255)
    """Grey levels that the lines can have, all equally likely."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {
            "lines": int(rng.integers(*self.lines, endpoint=True)),
            "thickness": list(self.thickness),
            "value": int(rng.choice(self.values)),
            "seed": draw_seed(rng),
        }

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        height, width = image.shape[:2]
        ends = random_field(params["seed"], (params["lines"], 5)) / 65536
        thinnest, thickest = params["thickness"]
        thickness = (thinnest + np.floor(ends[:, 4] * (thickest - thinnest + 1))) * scale_of(image)
        points = np.rint(ends[:, :4] * [width - 1, height - 1, width - 1, height - 1]).astype(int).tolist()
        hidden = image.copy()
        for (x0, y0, x1, y1), across in zip(points, thickness.tolist(), strict=True):
            cv2.line(hidden, (x0, y0), (x1, y1), (params["value"],) * 3, max(1, round(across)))
        return hidden
