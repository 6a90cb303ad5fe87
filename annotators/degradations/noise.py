"""Noise: Gaussian, Poisson (photon counting) and salt and pepper, in grains that grow with the image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from scipy.special import ndtri, pdtr

from annotators.degradations.base import Degradation, Params, degradations
from annotators.degradations.randomness import draw_seed, random_grains

QUANTILES = 4096
"""Resolution of the Poisson tables: 1 MiB for 256 grey levels, about what a second-level cache holds."""


@lru_cache(maxsize=1)
def normal_quantiles() -> np.ndarray:
    """Return 65,536 equally likely values of the standard normal distribution, float32, ascending."""
    return ndtri((np.arange(65536) + 0.5) / 65536).astype(np.float32)


@lru_cache(maxsize=4)
def poisson_quantiles(photons: float) -> np.ndarray:
    """Return equally likely grey levels that a photon counter shows for each true one, uint8, 256 × 4096 values, flat.

    Examples
    --------
    >>> tables = poisson_quantiles(100.0).reshape(256, -1)
    >>> round(float(tables[51].mean())), round(float(tables[51].std()), 1)  # 20 photons: σ is √20 photons
    (51, 11.4)
    """
    counts = np.arange(int(photons + 10 * photons**0.5 + 10))
    shown = np.minimum(np.rint(counts * (255 / photons)), 255).astype(np.uint8)
    middles = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return np.concatenate(
        [shown[np.searchsorted(pdtr(counts, level * photons / 255), middles)] for level in range(256)]
    )


@degradations.register("gaussian_noise")
@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianNoise(Degradation):
    """Additive white Gaussian noise, independent per grain and channel."""

    sigma: tuple[float, float] = (10.0, 50.0)
    """Range of the standard deviation, in grey levels (0 to 255)."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {"sigma": float(rng.uniform(*self.sigma)), "seed": draw_seed(rng)}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        # Rounding the table, not the sum, changes nothing: the image is whole grey levels.
        levels = np.rint(normal_quantiles() * params["sigma"]).astype(np.int16)
        noise = levels.take(random_grains(params["seed"], image, channels=3))
        return cv2.add(image, noise, dtype=cv2.CV_8U)


@degradations.register("poisson_noise")
@dataclass(frozen=True, kw_only=True, slots=True)
class PoissonNoise(Degradation):
    """Photon noise: each channel of each grain counts photons."""

    photons: float = 100.0
    """Photons that make full scale; fewer is noisier."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {"photons": self.photons, "seed": draw_seed(rng)}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        index = image.astype(np.int32)
        index *= QUANTILES
        index += random_grains(params["seed"], image, channels=3) >> 4
        return poisson_quantiles(params["photons"]).take(index)


@degradations.register("sp_noise")
@dataclass(frozen=True, kw_only=True, slots=True)
class SaltAndPepperNoise(Degradation):
    """Salt and pepper: grains of white and of black, equally many."""

    amount: float = 0.05
    """Share of the image that is hit (0 to 1)."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {"amount": self.amount, "seed": draw_seed(rng)}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        uniform = random_grains(params["seed"], image, channels=1).reshape(-1)
        hit = np.flatnonzero(uniform < round(params["amount"] * 65536))
        noisy = image.copy()
        noisy.reshape(-1, 3)[hit] = np.where(uniform[hit] & 1, np.uint8(255), np.uint8(0))[:, None]
        return noisy
