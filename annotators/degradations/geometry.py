"""Geometry: ``rotate90``, ``rotate180``, ``rotate270``, ``barrel``, ``pincushion`` and ``elastic``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from annotators.degradations.base import Degradation, Params, degradations
from annotators.degradations.randomness import draw_seed, random_field


class _Rotation(Degradation):
    """An exact rotation, counter-clockwise as in ``numpy.rot90`` and Pillow."""

    __slots__ = ()
    code: ClassVar[int]

    def draw(self, rng: np.random.Generator) -> Params:
        return {}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        return cv2.rotate(image, self.code)


@degradations.register("rotate90")
@dataclass(frozen=True, kw_only=True, slots=True)
class Rotate90(_Rotation):
    """A quarter turn to the left; height and width are swapped."""

    code: ClassVar = cv2.ROTATE_90_COUNTERCLOCKWISE


@degradations.register("rotate180")
@dataclass(frozen=True, kw_only=True, slots=True)
class Rotate180(_Rotation):
    """Upside down."""

    code: ClassVar = cv2.ROTATE_180


@degradations.register("rotate270")
@dataclass(frozen=True, kw_only=True, slots=True)
class Rotate270(_Rotation):
    """A quarter turn to the right; height and width are swapped."""

    code: ClassVar = cv2.ROTATE_90_CLOCKWISE


class _Radial(Degradation):
    """The radial lens model: the pixel at radius r shows what was at r·(1 + k1·r² + k2·r⁴).

    r is 1 in the corners. With r = 1 at the middle of a side, pincushion would fold back on itself in the corners of a
    square already. What lies outside the picture is black.
    """

    __slots__ = ()
    k1: float
    k2: float

    def draw(self, rng: np.random.Generator) -> Params:
        return {"k1": self.k1, "k2": self.k2}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        height, width = image.shape[:2]
        half_diagonal = math.hypot(width, height) / 2
        camera = np.array(
            [[half_diagonal, 0, (width - 1) / 2], [0, half_diagonal, (height - 1) / 2], [0, 0, 1]], np.float64
        )
        distortion = np.array([params["k1"], params["k2"], 0, 0], np.float64)
        source = cv2.initUndistortRectifyMap(camera, distortion, None, camera, (width, height), cv2.CV_16SC2)
        return cv2.remap(image, *source, cv2.INTER_LINEAR)


@degradations.register("barrel")
@dataclass(frozen=True, kw_only=True, slots=True)
class Barrel(_Radial):
    """Straight lines bulge outwards."""

    k1: float = 0.1
    """Coefficient of r²; positive is barrel."""
    k2: float = 0.05
    """Coefficient of r⁴."""


@degradations.register("pincushion")
@dataclass(frozen=True, kw_only=True, slots=True)
class Pincushion(_Radial):
    """Straight lines bend inwards."""

    k1: float = -0.1
    """Coefficient of r²; negative is pincushion."""
    k2: float = -0.05
    """Coefficient of r⁴."""


CELLS_PER_SIGMA = 2
"""The random field is drawn and smoothed on a grid this fine, then enlarged: 20 times as fast as at full size."""


def smooth_field(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Return two smooth random fields (rows × columns × 2, float32): uniform noise under a Gaussian of 2 cells.

    Mean 0, standard deviation 1.
    """
    uniform = random_field(seed, (*shape, 2)).astype(np.float32) / 32768 - 1
    smooth = cv2.GaussianBlur(uniform, (0, 0), CELLS_PER_SIGMA)
    # Var(uniform on ±1) = 1/3, and a Gaussian of s cells keeps 1 / (4πs²) of a variance.
    return smooth * (math.sqrt(3) * 2 * math.sqrt(math.pi) * CELLS_PER_SIGMA)


@degradations.register("elastic")
@dataclass(frozen=True, kw_only=True, slots=True)
class Elastic(Degradation):
    """A smooth random displacement (Simard et al. 2003), the same at every size of the image."""

    sigma: float = 0.01
    """Standard deviation of the Gaussian that smooths the displacement, relative to the side."""
    amplitude: float = 0.00467
    """Standard deviation of the displacement in x and in y, relative to the side: ImageNet-C's at severity 4
    (noise of ±0.07 · 244 px under a Gaussian of 2.44 px)."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {"sigma": self.sigma, "amplitude": self.amplitude, "seed": draw_seed(rng)}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        source = self.displacement(image.shape[:2], params)
        source[..., 0] += np.arange(image.shape[1], dtype=np.float32)
        source[..., 1] += np.arange(image.shape[0], dtype=np.float32)[:, None]
        return cv2.remap(image, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)

    @staticmethod
    def displacement(shape: tuple[int, int], params: Params) -> np.ndarray:
        """Return where each pixel comes from, relative to itself, in px: H×W×2 (x, y), float32."""
        height, width = shape
        side = math.sqrt(height * width)
        cell = params["sigma"] * side / CELLS_PER_SIGMA
        coarse = smooth_field(params["seed"], (round(height / cell), round(width / cell)))
        coarse *= np.float32(params["amplitude"] * side)
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
