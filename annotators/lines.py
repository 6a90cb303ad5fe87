"""Maps of thin bright lines on black by classical algorithms: Canny edges and straight line segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Annotator, Resources
from annotators.scale import resize, resize_edges, working_size

_SUBPIXEL_BITS = 4
"""Lines are drawn between points given in sixteenths of a pixel."""


@ANNOTATORS.register("canny")
@dataclass(frozen=True, kw_only=True)
class Canny(Annotator):
    """Canny edges at the thresholds and the size that Graph200K used."""

    name = "canny"
    produces = ("canny",)
    resources = Resources(cheap=True, time_limit_s=30.0)

    low: float = 100.0
    """Gradient above which a pixel connected to a strong edge is an edge."""
    high: float = 200.0
    """Gradient above which a pixel is an edge by itself."""
    short_side: int = 512
    """Size at which edges are detected, in pixels of the short side."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that draws Canny edges."""
        _use_one_thread()

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            edges = canny_edges(images["target"], low=self.low, high=self.high, short_side=self.short_side)
            return [Annotation("canny", edges)]

        return annotate


@ANNOTATORS.register("mlsd")
@dataclass(frozen=True, kw_only=True)
class LineSegments(Annotator):
    """Straight lines by OpenCV's line segment detector; M-LSD takes its place in the preset `paper`."""

    name = "mlsd"
    produces = ("mlsd",)
    resources = Resources(cheap=True, time_limit_s=30.0)

    min_length: float = 24.0
    """Shortest line drawn, in pixels at ``short_side``."""
    short_side: int = 512
    """Size at which lines are detected, in pixels of the short side."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that draws line segments."""
        _use_one_thread()

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            lines = line_segments(images["target"], min_length=self.min_length, short_side=self.short_side)
            return [Annotation("mlsd", lines)]

        return annotate


def _use_one_thread() -> None:
    """Keep OpenCV from starting a thread a core in each worker: there is a worker a core already."""
    cv2.setNumThreads(1)


def canny_edges(image: np.ndarray, *, low: float = 100, high: float = 200, short_side: int = 512) -> np.ndarray:
    """Return the Canny edges of an RGB image (uint8, H×W×3) as a binary map (uint8, H×W, 0 or 255).

    All three channels are looked at (the strongest gradient counts), which is closer to the public release than the
    edges of the grey image.

    Examples
    --------
    >>> image = np.zeros((512, 512, 3), np.uint8)
    >>> image[:, 256:] = 255
    >>> edges = canny_edges(image)
    >>> edges.shape, np.unique(edges).tolist(), int((edges.any(axis=0)).sum())
    ((512, 512), [0, 255], 1)
    """
    height, width = image.shape[:2]
    seen = resize(image, *working_size(height, width, short_side))
    return resize_edges(cv2.Canny(np.ascontiguousarray(seen), low, high), height, width)


def line_segments(image: np.ndarray, *, min_length: float = 24, short_side: int = 512) -> np.ndarray:
    """Return the straight lines of an RGB image (uint8, H×W×3) as a binary map (uint8, H×W, 0 or 255).

    Lines are found and drawn, one pixel wide, at a short side of ``short_side``; the map then gets the image's size.

    References
    ----------
    R. Grompone von Gioi et al., "LSD: a Line Segment Detector", IPOL 2012.

    Examples
    --------
    >>> image = np.zeros((512, 512, 3), np.uint8)
    >>> image[100:400, 100:400] = 255
    >>> lines = line_segments(image)
    >>> np.unique(lines).tolist(), bool(lines[250, 98:102].any()), bool(lines[200:300, 200:300].any())
    ([0, 255], True, False)
    """
    height, width = image.shape[:2]
    rows, columns = working_size(height, width, short_side)
    grey = cv2.cvtColor(resize(image, rows, columns), cv2.COLOR_RGB2GRAY)
    # `detect` returns None instead of an empty array when it finds nothing.
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(grey)[0]
    segments = np.zeros((0, 4)) if found is None else found.reshape(-1, 4).astype(np.float64)
    lengths = np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
    return resize_edges(draw_segments(segments[lengths >= min_length], rows, columns), height, width)


def draw_segments(segments: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a map with N×4 segments (x1, y1, x2, y2 in pixels) drawn white on black, one pixel wide."""
    drawn = np.zeros((height, width), np.uint8)
    points = np.rint(segments * (1 << _SUBPIXEL_BITS)).astype(np.int32).reshape(-1, 2, 2)
    for start, end in points:
        cv2.line(drawn, tuple(map(int, start)), tuple(map(int, end)), 255, 1, cv2.LINE_8, _SUBPIXEL_BITS)
    return drawn
