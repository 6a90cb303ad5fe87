"""Contrast: ``contrast_strengthen`` and ``contrast_weaken``, about the mean grey level of the image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np

from annotators.degradations import curves
from annotators.degradations.base import degradations
from annotators.degradations.choice import Choice, Levels, by_severity


def scale(image: np.ndarray, *, factor: float) -> np.ndarray:
    """Return ``image`` with the distance of every channel from the mean grey level multiplied by ``factor``."""
    return cv2.addWeighted(image, factor, image, 0, (1 - factor) * 255 * mean_level(image))


def stretch(image: np.ndarray, *, exponent: float) -> np.ndarray:
    """Return ``image`` under the sigmoid 1 / (1 + (mean / x)^exponent).

    The contrast stretching of Gonzalez and Woods, "Digital Image Processing", Sec. 3.2. With an exponent up to 1 the
    output shrinks towards 0.5. Above 1 the curve is divided by its value at white: white stays white, where the plain
    formula would make a bright image *less* contrasty at exponent 2.
    """
    mean = min(max(mean_level(image), 1 / 255), 254 / 255)
    powers = curves.LEVELS**exponent
    curve = powers / (powers + mean**exponent)
    return curves.apply_to_channels(image, curve / curve[-1] if exponent > 1 else curve)


def mean_level(image: np.ndarray) -> float:
    """Return the mean over pixels and channels, 0 to 1.

    Examples
    --------
    >>> mean_level(np.full((4, 4, 3), 51, np.uint8))
    0.2
    """
    return sum(cv2.mean(image)[:3]) / (3 * 255)


STRONGER: Levels = {
    "scale": by_severity(factor=(1.4, 1.7, 2.1, 2.6, 4.0)),
    "stretch": by_severity(exponent=(2.0, 4.0, 6.0, 8.0, 10.0)),
}
WEAKER: Levels = {
    "scale": by_severity(factor=(0.75, 0.6, 0.45, 0.3, 0.2)),
    "stretch": by_severity(exponent=(1.0, 0.9, 0.8, 0.6, 0.4)),
}


class _Contrast(Choice):
    """A linear scale or a sigmoid stretch about the mean."""

    __slots__ = ()
    functions: ClassVar = {"scale": scale, "stretch": stretch}
    identities: ClassVar = {"scale": {"factor": 1.0}}


@degradations.register("contrast_strengthen")
@dataclass(frozen=True, kw_only=True, slots=True)
class ContrastStrengthen(_Contrast):
    """Too much contrast."""

    levels: Levels = field(default_factory=lambda: STRONGER)
    """Factors above 1, exponents above 1."""


@degradations.register("contrast_weaken")
@dataclass(frozen=True, kw_only=True, slots=True)
class ContrastWeaken(_Contrast):
    """Too little contrast."""

    levels: Levels = field(default_factory=lambda: WEAKER)
    """Factors below 1, exponents up to 1."""
