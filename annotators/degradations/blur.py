"""Blurs: ``blur`` (one of six kinds), ``defocus`` and ``gaussian_blur``.

The kinds and their severities are those of common corruptions (ImageNet-C, arXiv 1903.12261). Every blur keeps the
picture where it is: a motion blur is centred, so that the restored image is aligned with the degraded one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np

from annotators.degradations.base import Degradation, Params, degradations
from annotators.degradations.choice import Choice, Levels, by_severity
from annotators.degradations.randomness import draw_seed, random_field
from annotators.degradations.shifts import average_shifts, disk_average, line_taps


def gaussian(image: np.ndarray, *, sigma: float) -> np.ndarray:
    """Return ``image`` under a Gaussian of ``sigma`` px, cut off at 3 ``sigma``."""
    return windowed_gaussian(image, window=round(6 * sigma + 1) | 1, sigma=sigma)


def windowed_gaussian(image: np.ndarray, *, window: int, sigma: float) -> np.ndarray:
    """Return ``image`` under a Gaussian of ``sigma`` px in a kernel of ``window`` px (odd) a side."""
    # cv2.GaussianBlur is bit-exact on all machines for 8 bits, and takes up to half as long again.
    kernel = cv2.getGaussianKernel(window, sigma, cv2.CV_32F)
    return cv2.sepFilter2D(image, -1, kernel, kernel)


def motion(image: np.ndarray, *, radius: int, sigma: float, angle_deg: float) -> np.ndarray:
    """Return ``image`` under a Gaussian along a line, cut off at ``radius`` px; angle 0 is horizontal."""
    return cv2.convertScaleAbs(average_shifts(image, line_taps(radius, sigma, angle_deg)))


def glass(image: np.ndarray, *, sigma: float, shift: int, iterations: int, seed: int) -> np.ndarray:
    """Return ``image`` blurred, its pixels scattered by up to ``shift`` px ``iterations`` times, and blurred again."""
    scattered = gaussian(image, sigma=sigma)
    for iteration in range(iterations):
        scattered = jitter(scattered, shift=shift, seed=seed + iteration)
    return gaussian(scattered, sigma=sigma)


def lens(image: np.ndarray, *, radius: int) -> np.ndarray:
    """Return ``image`` out of focus: the mean over a disk of ``radius`` px."""
    return disk_average(image, radius)


def zoom(image: np.ndarray, *, largest: float, step: float) -> np.ndarray:
    """Return the mean of ``image`` and its magnifications by 1 + step, 1 + 2 step … below ``largest``.

    Crops are whole pixels a side, so that ``cv2.resize`` can do them: seven times as fast as an affine warp.
    """
    height, width = image.shape[:2]
    total = image.astype(np.float32)
    count = math.ceil((largest - 1) / step - 1e-9)
    for index in range(1, count):
        kept = (1 - 1 / (1 + index * step)) / 2
        top, left = round(height * kept), round(width * kept)
        crop = image[top : height - top, left : width - left]
        cv2.accumulate(cv2.resize(crop, (width, height), interpolation=cv2.INTER_LINEAR), total)
    return cv2.convertScaleAbs(total, alpha=1 / count)


def jitter(image: np.ndarray, *, shift: int, seed: int) -> np.ndarray:
    """Return ``image`` with each pixel taken from a random place up to ``shift`` px away in x and in y.

    Taken, not swapped as in ImageNet-C: swaps depend on each other, and one after the other they take 5 s at 512².
    """
    height, width = image.shape[:2]
    steps = (np.arange(65536) * (2 * shift + 1) >> 16).astype(np.int16) - np.int16(shift)
    source = steps.take(random_field(seed, (height, width, 2)))
    source[..., 0] += np.arange(width, dtype=np.int16)
    source[..., 1] += np.arange(height, dtype=np.int16)[:, None]
    return cv2.remap(image, source, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)


LEVELS: Levels = {
    "gaussian": by_severity(sigma=(1.0, 2.0, 3.0, 4.0, 5.0)),
    "motion": by_severity(radius=(5, 10, 15, 15, 20), sigma=(3.0, 5.0, 7.0, 9.0, 12.0)),
    "glass": by_severity(sigma=(0.7, 0.9, 1.2, 1.4, 1.6), shift=(1, 2, 2, 3, 4), iterations=(1, 1, 2, 2, 2)),
    "lens": by_severity(radius=(2, 3, 4, 6, 8)),
    "zoom": by_severity(largest=(1.03, 1.06, 1.10, 1.15, 1.21), step=(0.02,) * 5),
    "jitter": by_severity(shift=(1, 2, 3, 4, 5)),
}


@degradations.register("blur")
@dataclass(frozen=True, kw_only=True, slots=True)
class Blur(Choice):
    """One of six blurs at one of five severities."""

    functions: ClassVar = {
        "gaussian": gaussian,
        "motion": motion,
        "glass": glass,
        "lens": lens,
        "zoom": zoom,
        "jitter": jitter,
    }
    levels: Levels = field(default_factory=lambda: LEVELS)
    """Lengths in px, magnifications as factors."""
    motion_angle_deg: tuple[float, float] = (-45.0, 45.0)
    """Range of the angle of a motion blur to the horizontal."""

    def draw(self, rng: np.random.Generator) -> Params:
        params = Choice.draw(self, rng)
        random_arguments: dict[str, Callable[[], Params]] = {
            "motion": lambda: {"angle_deg": float(rng.uniform(*self.motion_angle_deg))},
            "glass": lambda: {"seed": draw_seed(rng)},
            "jitter": lambda: {"seed": draw_seed(rng)},
        }
        return params | random_arguments.get(params["kind"], dict)()


@degradations.register("defocus")
@dataclass(frozen=True, kw_only=True, slots=True)
class Defocus(Degradation):
    """A picture out of focus: a disk of fixed radius, its rim smoothed."""

    radius: int = 3
    """Radius of the disk in px."""
    alias_sigma: float = 0.2
    """Standard deviation of the 3×3 Gaussian that smooths the rim, in px."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {"radius": self.radius, "alias_sigma": self.alias_sigma}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        return cv2.GaussianBlur(disk_average(image, params["radius"]), (3, 3), params["alias_sigma"])


@degradations.register("gaussian_blur")
@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianBlur(Degradation):
    """A Gaussian of random width in a fixed window."""

    window: int = 15
    """Side of the kernel in px, odd."""
    sigma: tuple[float, float] = (2.0, 4.0)
    """Range of the standard deviation in px."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {"window": self.window, "sigma": float(rng.uniform(*self.sigma))}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        return windowed_gaussian(image, window=params["window"], sigma=params["sigma"])
