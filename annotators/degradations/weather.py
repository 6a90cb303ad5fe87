"""Weather: ``rain`` and ``frost``. The layer is made at an area of 512² and brought to the size of the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from annotators.degradations.base import Degradation, Params, degradations, reference_size
from annotators.degradations.ice import ice_layer
from annotators.degradations.randomness import draw_seed, random_field
from annotators.degradations.shifts import count_along


def rain_layer(shape: tuple[int, int], *, density: float, length: float, slant_deg: float, seed: int) -> np.ndarray:
    """Return streaks of rain, uint8 (rows × columns), normalised to 0 … 255.

    Drops fall on ``density`` pixels in 25,600 and are drawn out along ``length`` px, ``slant_deg`` off the vertical.
    Where streaks cross they add up, so after normalising a single one is paler the denser the rain is.
    """
    drops = (random_field(seed, shape) < round(density / 25600 * 65536)).view(np.uint8)
    streaks = count_along(drops, length / 2, 90 + slant_deg)
    streaks = cv2.normalize(streaks, None, 0, 255, cv2.NORM_MINMAX)
    streaks = cv2.GaussianBlur(streaks, (3, 3), 0)  # a line one pixel wide would look dotted
    return cv2.normalize(streaks, None, 0, 255, cv2.NORM_MINMAX)


def fit(layer: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return ``layer`` at the size of ``image``."""
    height, width = image.shape[:2]
    smaller = width < layer.shape[1]
    return cv2.resize(layer, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


@degradations.register("rain")
@dataclass(frozen=True, kw_only=True, slots=True)
class Rain(Degradation):
    """Slanted bright streaks, added to the picture."""

    density: tuple[float, float] = (40.0, 200.0)
    """Range of the number of drops, in pixels of 25,600."""
    length: tuple[float, float] = (30.0, 40.0)
    """Range of the length of a streak, in px at 512²."""
    slant_deg: tuple[float, float] = (-45.0, 45.0)
    """Range of the angle to the vertical; the streaks of one picture are parallel."""

    def draw(self, rng: np.random.Generator) -> Params:
        ranges = {"density": self.density, "length": self.length, "slant_deg": self.slant_deg}
        return {name: float(rng.uniform(*limits)) for name, limits in ranges.items()} | {"seed": draw_seed(rng)}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        streaks = fit(rain_layer(reference_size(image), **params), image)
        return cv2.add(image, cv2.merge((streaks, streaks, streaks)))


@degradations.register("frost")
@dataclass(frozen=True, kw_only=True, slots=True)
class Frost(Degradation):
    """Ice grown over the pane, different each time."""

    image_weight: float = 0.65
    """Weight of the picture."""
    ice_weight: float = 0.70
    """Weight of the ice."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {"image_weight": self.image_weight, "ice_weight": self.ice_weight, "seed": draw_seed(rng)}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        ice = fit(ice_layer(reference_size(image), params["seed"]), image)
        return cv2.addWeighted(image, params["image_weight"], ice, params["ice_weight"], 0)
