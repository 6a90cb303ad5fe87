"""What a degradation is, and the calls that draw, apply and replay one by name."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import Field
from typing import Any, ClassVar, TypeAlias

import numpy as np

from graph200k.catalogue import DEGRADATIONS
from graph200k.errors import Graph200KError
from graph200k.registry import Registry

Params: TypeAlias = dict[str, Any]
"""What was drawn: names to JSON values (numbers, strings, booleans, lists of them)."""

NAMES: tuple[str, ...] = tuple(DEGRADATIONS)
"""Names of the degradations, in catalogue order."""

MIN_SIDE_PX = 32
"""Shortest side accepted: below it, kernels and codecs are larger than the picture."""

REFERENCE_SIDE_PX = 512
"""Side of the square image that sizes in pixels (grain, lines, streaks) are stated for."""


class ImageArrayError(Graph200KError, ValueError):
    """Raise for an array that is not a uint8 RGB image of at least 32×32 pixels."""


class Degradation(ABC):
    """Base of all degradations. Fields of a subclass are the ranges that :meth:`draw` draws from.

    :meth:`apply` reads its parameters and never the fields, so that what was recorded can be replayed by an instance
    with other ranges.
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Params:
        """Return random parameters, as JSON values; the only random step. Never draws parameters that do nothing."""

    @abstractmethod
    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        """Return the degraded image (uint8, H×W×3, RGB, as ``image``), a pure function of both arguments."""


degradations: Registry[type[Degradation]] = Registry("degradation", package="annotators.degradations")
"""All degradations by name. Families are the modules of this package."""


def degrade(image: np.ndarray, name: str, rng: np.random.Generator) -> tuple[np.ndarray, Params]:
    """Return ``image`` under degradation ``name`` with parameters drawn from ``rng``, and these parameters.

    Parameters
    ----------
    image
        uint8, H×W×3, RGB, each side at least 32 px; left as it is.
    name
        One of :data:`NAMES`.

    Returns
    -------
    degraded
        uint8, of the shape of ``image`` (``rotate90`` and ``rotate270`` swap height and width).
    params
        JSON values; :func:`replay` gives the same pixels from them.

    Raises
    ------
    UnknownNameError
        If no degradation has this name; the message offers the closest ones.
    ImageArrayError
        If ``image`` is not what is said above.

    Examples
    --------
    >>> photo = np.zeros((48, 64, 3), np.uint8)
    >>> degraded, params = degrade(photo, "rotate90", np.random.default_rng(0))
    >>> degraded.shape
    (64, 48, 3)
    """
    degradation = degradations[name]()
    params = degradation.draw(rng)
    return degradation.apply(check_image(image), params), params


def replay(image: np.ndarray, name: str, params: Params) -> np.ndarray:
    """Return ``image`` under degradation ``name`` with recorded ``params``; raises as :func:`degrade` does.

    Examples
    --------
    >>> photo = np.full((32, 32, 3), 200, np.uint8)
    >>> int(replay(photo, "low_light", {"factor": 0.3}).max())
    60
    """
    return degradations[name]().apply(check_image(image), params)


def check_image(image: np.ndarray) -> np.ndarray:
    """Return ``image`` with contiguous memory if it is uint8 H×W×3 and at least 32 px a side.

    Raises
    ------
    ImageArrayError
        If it is not.

    Examples
    --------
    >>> check_image(np.zeros((8, 64, 3), np.uint8))
    Traceback (most recent call last):
    ...
    annotators.degradations.base.ImageArrayError: the image is 64×8 px; degradations need 32 px a side: resize it first
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.dtype} array of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageArrayError(f"found {found}, expected a uint8 RGB array of shape H×W×3: convert it first")
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise ImageArrayError(
            f"the image is {width}×{height} px; degradations need {MIN_SIDE_PX} px a side: resize it first"
        )
    return np.ascontiguousarray(image)


def scale_of(image: np.ndarray) -> float:
    """Return the side of the square with the area of ``image``, over 512: what sizes stated in pixels are scaled by.

    Examples
    --------
    >>> scale_of(np.zeros((1024, 1024, 3), np.uint8))
    2.0
    """
    height, width = image.shape[:2]
    return math.sqrt(height * width) / REFERENCE_SIDE_PX


def reference_size(image: np.ndarray) -> tuple[int, int]:
    """Return (height, width) of the aspect of ``image`` and an area of about 512².

    Examples
    --------
    >>> reference_size(np.zeros((1024, 4096, 3), np.uint8))
    (256, 1024)
    """
    scale = scale_of(image)
    return max(1, round(image.shape[0] / scale)), max(1, round(image.shape[1] / scale))
