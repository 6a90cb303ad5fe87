"""What a camera's sensor sees: one colour a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotators.degradations.base import Degradation, Params, degradations

RGGB = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))
"""Row and column in the 2×2 cell, and the channel that the sensor has there."""


@degradations.register("mosaic")
@dataclass(frozen=True, kw_only=True, slots=True)
class Mosaic(Degradation):
    """The raw Bayer mosaic (RGGB), each sensor shown in its own colour and the two others black."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        raw = np.zeros_like(image)
        for row, column, channel in RGGB:
            raw[row::2, column::2, channel] = image[row::2, column::2, channel]
        return raw
