"""The one rule by which detectors see every image at about the same size, so that maps look alike at every size."""

from __future__ import annotations

import cv2
import numpy as np

_MAX_ASPECT = 4
"""Beyond this aspect ratio the long side rules: a 1×20000 strip at a short side of 512 would be 10 million wide."""


def size_of(image: np.ndarray) -> tuple[int, int]:
    """Return (height, width) of an image or map."""
    height, width = image.shape[:2]
    return height, width


def working_size(height: int, width: int, short_side: int, multiple: int = 1) -> tuple[int, int]:
    """Return (height, width) at which a detector looks at an image.

    The short side becomes ``short_side``, but the long one at most four times that; both are rounded to ``multiple``.

    Examples
    --------
    >>> working_size(1024, 2048, 512)
    (512, 1024)
    >>> working_size(1, 20000, 512)
    (1, 2048)
    >>> working_size(480, 640, 512, multiple=64)
    (512, 704)
    """
    scale = min(short_side / min(height, width), _MAX_ASPECT * short_side / max(height, width))
    return _round_to(height * scale, multiple), _round_to(width * scale, multiple)


def area_size(height: int, width: int, side: int, multiple: int, *, enlarge: bool) -> tuple[int, int]:
    """Return (height, width) at which a generator makes a picture: of about the area ``side`` × ``side``.

    The aspect ratio stays but for rounding to ``multiple``, up to four to one. Unless ``enlarge``, a smaller image
    keeps its size.

    Examples
    --------
    >>> area_size(2048, 1024, 1024, 64, enlarge=False)
    (1472, 704)
    >>> area_size(512, 512, 1024, 16, enlarge=False), area_size(512, 512, 1024, 64, enlarge=True)
    ((512, 512), (1024, 1024))
    """
    aspect = min(_MAX_ASPECT, max(1 / _MAX_ASPECT, width / height))
    area = side**2 if enlarge else min(side**2, height * width)
    return _round_to((area / aspect) ** 0.5, multiple), _round_to((area * aspect) ** 0.5, multiple)


def _round_to(length: float, multiple: int) -> int:
    return max(1, round(length / multiple)) * multiple


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a photograph or continuous map (uint8, H×W or H×W×3) at another size, averaging where it shrinks.

    Examples
    --------
    >>> resize(np.zeros((4, 6, 3), np.uint8), 8, 3).shape
    (8, 3, 3)
    """
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def resize_edges(edges: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a binary map of thin lines (uint8, H×W, 0 or 255) at another size, still binary and unbroken.

    Enlarged, lines keep their width relative to the picture, so that a map brought back to the size it was made at is
    the one that was made; lines one pixel wide would fade away there. Reduced, every edge pixel lands in one pixel:
    averaging breaks lines or makes them grey, and picking every n-th pixel loses them.

    Examples
    --------
    >>> diagonal = np.eye(4, dtype=np.uint8) * 255
    >>> resize_edges(diagonal, 2, 2).tolist()
    [[255, 0], [0, 255]]
    >>> bool((resize_edges(resize_edges(diagonal, 8, 8), 4, 4) == diagonal).all())
    True
    """
    rows, columns = edges.shape
    if (rows, columns) == (height, width):
        return edges
    # One axis may grow while the other shrinks, when an image has an extreme shape: shrink first, each axis by itself.
    small_height, small_width = min(height, rows), min(width, columns)
    small = np.zeros((small_height, small_width), np.uint8)
    y, x = np.nonzero(edges)
    small[y * small_height // rows, x * small_width // columns] = 255
    return small[np.arange(height) * small_height // height][:, np.arange(width) * small_width // width]


def resize_labels(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a label map (H×W, or H×W×3 of flat colours) at another size, with no label that it did not have.

    Examples
    --------
    >>> resize_labels(np.array([[1, 2]], np.uint8), 2, 4).tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    rows, columns = labels.shape[:2]
    # The centre of each pixel, in whole numbers.
    y = (2 * np.arange(height) + 1) * rows // (2 * height)
    x = (2 * np.arange(width) + 1) * columns // (2 * width)
    return labels[y][:, x]
