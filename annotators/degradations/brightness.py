"""Brightness: ``brighten``, ``darken`` and ``low_light``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np

from annotators.degradations import curves
from annotators.degradations.base import Degradation, Params, degradations
from annotators.degradations.choice import Choice, Levels, by_severity


def shift_value(image: np.ndarray, *, amount: float) -> np.ndarray:
    """Return ``image`` with ``amount`` added to V of HSV (full scale is 1)."""
    return curves.apply_to_value(image, curves.shift(amount))


def shift_rgb(image: np.ndarray, *, amount: float) -> np.ndarray:
    """Return ``image`` with ``amount`` added to every channel (full scale is 1)."""
    level = round(abs(amount) * 255)
    return (cv2.add if amount > 0 else cv2.subtract)(image, (level, level, level, 0))


def gamma_value(image: np.ndarray, *, gamma: float) -> np.ndarray:
    """Return ``image`` with V of HSV raised to ``gamma``."""
    return curves.apply_to_value(image, curves.gamma(gamma))


def gamma_rgb(image: np.ndarray, *, gamma: float) -> np.ndarray:
    """Return ``image`` with every channel raised to ``gamma``."""
    return curves.apply_to_channels(image, curves.gamma(gamma))


BRIGHTER: Levels = {
    "shift_value": by_severity(amount=(0.1, 0.2, 0.3, 0.4, 0.5)),
    "shift_rgb": by_severity(amount=(0.1, 0.15, 0.2, 0.27, 0.35)),
    "gamma_rgb": by_severity(gamma=(0.8, 0.7, 0.6, 0.45, 0.3)),
    "gamma_value": by_severity(gamma=(0.7, 0.58, 0.47, 0.36, 0.25)),
}
DARKER: Levels = {
    "shift_value": by_severity(amount=(-0.1, -0.2, -0.3, -0.4, -0.5)),
    "shift_rgb": by_severity(amount=(-0.1, -0.15, -0.2, -0.27, -0.35)),
    "gamma_rgb": by_severity(gamma=(1.4, 1.7, 2.1, 2.6, 3.2)),
    "gamma_value": by_severity(gamma=(1.5, 1.8, 2.2, 2.7, 3.5)),
}


class _Tone(Choice):
    """A shift or a gamma, in HSV or in RGB."""

    __slots__ = ()
    functions: ClassVar = {
        "shift_value": shift_value,
        "shift_rgb": shift_rgb,
        "gamma_value": gamma_value,
        "gamma_rgb": gamma_rgb,
    }
    identities: ClassVar = {
        "shift_value": {"amount": 0.0},
        "shift_rgb": {"amount": 0.0},
        "gamma_value": {"gamma": 1.0},
        "gamma_rgb": {"gamma": 1.0},
    }


@degradations.register("brighten")
@dataclass(frozen=True, kw_only=True, slots=True)
class Brighten(_Tone):
    """Too bright."""

    levels: Levels = field(default_factory=lambda: BRIGHTER)
    """Shifts of the full scale 1, or exponents."""


@degradations.register("darken")
@dataclass(frozen=True, kw_only=True, slots=True)
class Darken(_Tone):
    """Too dark."""

    levels: Levels = field(default_factory=lambda: DARKER)
    """Shifts of the full scale 1, or exponents."""


@degradations.register("low_light")
@dataclass(frozen=True, kw_only=True, slots=True)
class LowLight(Degradation):
    """A third of the light."""

    factor: tuple[float, float] = (0.3, 0.4)
    """Range of the factor on every channel."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {"factor": float(rng.uniform(*self.factor))}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        return curves.apply_to_channels(image, curves.LEVELS * params["factor"])
