"""Turned square regions of an image: where a network looks, and the way back from what it sees there.

Coordinates are (x, y) in pixels with (0, 0) at the outer corner of the first pixel, whose centre is (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

_MAX_OVERSAMPLING = 8
"""Pixels sampled a pixel and side of the crop; a region of 2,000 px seen at 256 px needs this many."""


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

    def crop(self, image: np.ndarray, size: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
        """Return what an RGB image (uint8, H×W×3) shows in the region, at size×size.

        Where it shrinks, it samples every source pixel and averages: bilinear samples alone would skip pixels.

        Parameters
        ----------
        image
            The whole picture.
        size
            Side of what is returned, in pixels.
        border
            What lies outside of the image, as OpenCV names it.
        """
        oversampling = min(max(math.ceil(self.side / size), 1), _MAX_OVERSAMPLING)
        sampled = size * oversampling
        scale = self.side / sampled
        # From the centre of pixel (i, j) of the crop; OpenCV counts pixel centres as whole numbers.
        linear = self._rotation * scale
        corner = self.to_image(np.zeros((1, 2)))[0]
        offset = corner + linear @ np.array([0.5, 0.5]) - 0.5
        matrix = np.column_stack([linear, offset])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(np.ascontiguousarray(image), matrix, (sampled, sampled), flags=flags, borderMode=border)
        return seen if oversampling == 1 else cv2.resize(seen, (size, size), interpolation=cv2.INTER_AREA)

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
