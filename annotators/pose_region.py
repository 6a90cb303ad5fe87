"""Turned square regions of an image: where a network looks, and the way back from what it sees there.

Coordinates are (x, y) in pixels with (0, 0) at the outer corner of the first pixel, whose centre is (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from annotators.scale import resize

WARP = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
"""How OpenCV samples a region."""


class ShrunkImage:
    """An RGB image (uint8, H×W×3) shrunk by whole numbers, once by each."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self._made = {1: image}

    def of(self, shrink: int) -> np.ndarray:
        """Return the image at a fraction of its height and width."""
        if shrink not in self._made:
            # Less than a pixel of what a network sees is cut off: by whole numbers OpenCV averages five times as fast.
            height, width = (length // shrink for length in self.image.shape[:2])
            self._made[shrink] = resize(self.image[: height * shrink, : width * shrink], height, width)
        return self._made[shrink]


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A square in an image, of any place, size and rotation; it may reach beyond the image."""

    x: float
    """Of the centre, in pixels."""
    y: float
    """Of the centre, in pixels."""
    side: float
    """In pixels."""
    angle: float = 0.0
    """Rotation in radians, clockwise as seen."""

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Return N×2 points given in shares of the region, (0, 0) to (1, 1), as points of the image.

        Examples
        --------
        >>> Region(x=50, y=40, side=20).to_image(np.array([[0.5, 0.5], [0.0, 1.0]])).tolist()
        [[50.0, 40.0], [40.0, 50.0]]
        """
        return (points - 0.5) * self.side @ self._rotation.T + (self.x, self.y)

    def from_image(self, points: np.ndarray) -> np.ndarray:
        """Return N×2 points of the image in shares of the region: the inverse of :meth:`to_image`."""
        return (points - (self.x, self.y)) @ self._rotation / self.side + 0.5

    def crop(self, image: np.ndarray | ShrunkImage, size: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
        """Return what an RGB image (uint8, H×W×3) shows in the region, at size×size.

        Where it shrinks, the whole image is first shrunk by averaging: bilinear samples alone would skip pixels, and
        taking several of them a pixel costs ten times as much, for regions often reach far beyond the image.

        Parameters
        ----------
        image
            The whole picture; as :class:`ShrunkImage` where several regions of it are looked at.
        size
            Side of what is returned, in pixels.
        border
            What lies outside of the image, as OpenCV names it.
        """
        fractions = image if isinstance(image, ShrunkImage) else ShrunkImage(image)
        shrink = min(max(int(self.side / size), 1), *fractions.image.shape[:2])
        seen = fractions.of(shrink)
        return cv2.warpAffine(seen, self.matrix(size, shrink), (size, size), flags=WARP, borderMode=border)

    def matrix(self, size: int, shrink: int) -> np.ndarray:
        """Return the 2×3 matrix from a crop of size×size to the image shrunk, as OpenCV takes it.

        OpenCV counts the centres of pixels as whole numbers.
        """
        cos, sin = math.cos(self.angle) * self.side / size, math.sin(self.angle) * self.side / size
        # From the centre of the crop to the centre of its first pixel.
        corner = (1 - size) / 2
        x, y = self.x + (cos - sin) * corner, self.y + (sin + cos) * corner
        return np.array([[cos, -sin, x], [sin, cos, y]]) / shrink - [[0, 0, 0.5], [0, 0, 0.5]]

    @property
    def _rotation(self) -> np.ndarray:
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]])


def whole_image(height: int, width: int) -> Region:
    """Return the smallest square around an image: cropping it is letterboxing.

    Examples
    --------
    >>> whole_image(100, 200)
    Region(x=100.0, y=50.0, side=200.0, angle=0.0)
    """
    return Region(x=width / 2, y=height / 2, side=float(max(height, width)))


def region_of_person(centre: np.ndarray, top: np.ndarray, scale: float = 1.25) -> Region:
    """Return the region in which a person stands upright, from BlazePose's two alignment points.

    Parameters
    ----------
    centre
        (x, y) of the middle of the hips.
    top
        (x, y) of the point above the head, on the circle around the whole body.
    scale
        How much wider than that circle the region is.

    References
    ----------
    V. Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020.

    Examples
    --------
    >>> region_of_person(np.array([50.0, 80.0]), np.array([50.0, 40.0]))
    Region(x=50.0, y=80.0, side=100.0, angle=0.0)
    >>> head_to_the_right = region_of_person(np.array([50.0, 80.0]), np.array([90.0, 80.0]))
    >>> round(math.degrees(head_to_the_right.angle))
    90
    """
    right, down = (float(value) for value in top - centre)
    side = 2 * scale * math.hypot(right, down)
    return Region(x=float(centre[0]), y=float(centre[1]), side=side, angle=math.atan2(right, -down))
