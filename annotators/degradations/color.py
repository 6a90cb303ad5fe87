"""Colour: ``saturate_strengthen``, ``saturate_weaken``, ``gray`` and ``color_distortion``."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from typing import ClassVar

import cv2
import numpy as np

from annotators.degradations.base import Degradation, Params, degradations
from annotators.degradations.choice import Choice, Levels, by_severity
from annotators.degradations.curves import max_of_channels, min_of_channels

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of R, G and B in the luma (ITU-R BT.601)."""


def saturation(image: np.ndarray, *, factor: float) -> np.ndarray:
    """Return ``image`` with S of HSV multiplied by ``factor`` (and at most 1); hue and value stay.

    In RGB that is V − gain × (V − channel). The way through 8-bit HSV rounds a small S before it is multiplied by
    up to 64.

    Examples
    --------
    >>> saturation(np.full((32, 32, 3), (100, 80, 60), np.uint8), factor=2.0)[0, 0].tolist()
    [100, 60, 20]
    """
    value = max_of_channels(image)
    values = cv2.merge((value, value, value))
    if factor <= 1:
        return cv2.addWeighted(image, factor, values, 1 - factor, 0)
    spread = cv2.subtract(value, min_of_channels(image))
    gain = cv2.min(cv2.divide(value, cv2.max(spread, 1), dtype=cv2.CV_32F), factor)
    return cv2.subtract(values, cv2.multiply(cv2.subtract(values, image), cv2.merge((gain,) * 3), dtype=cv2.CV_8U))


def chroma(image: np.ndarray, *, factor: float) -> np.ndarray:
    """Return ``image`` with Cr and Cb of YCrCb multiplied by ``factor``; the luma stays, up to clipping.

    Linear, so it is one 3×3 matrix: factor × identity + (1 − factor) × luma.
    """
    matrix = factor * np.eye(3) + (1 - factor) * LUMA
    return cv2.transform(image, matrix.astype(np.float32))


STRONGER: Levels = {
    "saturation": by_severity(factor=(3.0, 6.0, 12.0, 20.0, 64.0)),
    "chroma": by_severity(factor=(2.0, 3.0, 5.0, 8.0, 16.0)),
}
WEAKER: Levels = {
    "saturation": by_severity(factor=(0.7, 0.55, 0.4, 0.2, 0.0)),
    "chroma": by_severity(factor=(0.6, 0.4, 0.2, 0.1, 0.0)),
}


class _Saturate(Choice):
    """Saturation changed in HSV or in YCrCb."""

    __slots__ = ()
    functions: ClassVar = {"saturation": saturation, "chroma": chroma}
    identities: ClassVar = {"saturation": {"factor": 1.0}, "chroma": {"factor": 1.0}}


@degradations.register("saturate_strengthen")
@dataclass(frozen=True, kw_only=True, slots=True)
class SaturateStrengthen(_Saturate):
    """Colours too strong."""

    levels: Levels = field(default_factory=lambda: STRONGER)
    """Factors above 1."""


@degradations.register("saturate_weaken")
@dataclass(frozen=True, kw_only=True, slots=True)
class SaturateWeaken(_Saturate):
    """Colours too weak, down to none."""

    levels: Levels = field(default_factory=lambda: WEAKER)
    """Factors below 1."""


@degradations.register("gray")
@dataclass(frozen=True, kw_only=True, slots=True)
class Gray(Degradation):
    """The luma in all three channels."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def permute(image: np.ndarray, *, order: list[int]) -> np.ndarray:
    """Return ``image`` with channel ``order[i]`` in the place of channel i."""
    channels = cv2.split(image)
    return cv2.merge([channels[channel] for channel in order])


def flood(image: np.ndarray, *, channel: int, value: int) -> np.ndarray:
    """Return ``image`` with one channel set to ``value`` everywhere."""
    channels = list(cv2.split(image))
    channels[channel] = np.full(image.shape[:2], value, np.uint8)
    return cv2.merge(channels)


SWAPS: Levels = {
    "permute": by_severity(order=[list(order) for order in permutations(range(3))][1:]),  # the first is the identity
    "flood": by_severity(channel=(0, 0, 1, 1, 2, 2), value=(0, 255) * 3),
}


@degradations.register("color_distortion")
@dataclass(frozen=True, kw_only=True, slots=True)
class ColorDistortion(Choice):
    """Channels in the wrong order, or one of them lost (at zero or at full scale)."""

    functions: ClassVar = {"permute": permute, "flood": flood}
    identities: ClassVar = {"permute": {"order": [0, 1, 2]}}
    levels: Levels = field(default_factory=lambda: SWAPS)
    """The orders, and the floods; all of a kind equally likely."""
