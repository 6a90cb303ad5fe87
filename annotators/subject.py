"""The subject of a record: which of its boxes its text is about, and the area that an edit of it paints anew."""

from __future__ import annotations

import re
from collections.abc import Sequence

import cv2
import numpy as np

from graph200k.record import Box

_WORD = re.compile(r"[^\W_]+")
_SMALL_WORDS = frozenset("a an the of and with in on at for to its his her their".split())


def find_subject(boxes: Sequence[Box], item: str | None) -> Box | None:
    """Return the box whose name shares the most words with ``item``, the largest of equals; None if there is no box.

    Where no name has a word of it, the largest of all.

    Examples
    --------
    >>> cup = Box(name="red cup", box=[0, 0, 9, 9], color=[255, 0, 0])
    >>> table = Box(name="table", box=[0, 0, 99, 99], color=[0, 255, 0])
    >>> find_subject([cup, table], "A cup").name, find_subject([cup, table], None).name
    ('red cup', 'table')
    """
    wanted = _words(item or "")
    return max(boxes, key=lambda box: (_overlap(wanted, _words(box.name)), _area(box)), default=None)


def is_about(box: Box, item: str | None) -> bool:
    """Return whether a box's name shares a word with ``item``."""
    return _overlap(_words(item or ""), _words(box.name)) > 0


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in _WORD.findall(text.casefold())} - _SMALL_WORDS


def _overlap(first: set[str], second: set[str]) -> float:
    return len(first & second) / len(first | second) if first & second else 0.0


def _area(box: Box) -> float:
    x0, y0, x1, y1 = box.box
    return (x1 - x0) * (y1 - y0)


def mask_region(mask: np.ndarray, box: Box, margin: float) -> np.ndarray:
    """Return the area of a box's object (bool, H×W), grown by ``margin`` (a share of the short side).

    Parameters
    ----------
    mask
        The record's `mask` (uint8, H×W×3): each object in the colour of its box, black elsewhere.
    box
        The object.
    margin
        So much is added all around: a new object is not of the old one's very outline.

    Examples
    --------
    >>> mask = np.zeros((10, 10, 3), np.uint8)
    >>> mask[4:6, 4:6, 0] = 255
    >>> cup = Box(name="cup", box=[4, 4, 6, 6], color=[255, 0, 0])
    >>> int(mask_region(mask, cup, 0.0).sum()), int(mask_region(mask, cup, 0.1).sum())
    (4, 12)
    """
    region = (mask == np.array(box.color, np.uint8)).all(axis=-1)
    radius = round(margin * min(region.shape))
    if radius == 0 or not region.any():
        return region
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(region.astype(np.uint8), kernel).astype(bool)


def box_region(box: Box, height: int, width: int) -> np.ndarray:
    """Return the area of a box (bool, height×width): every pixel that it touches."""
    region = np.zeros((height, width), bool)
    x0, y0 = (max(0, int(np.floor(value))) for value in box.box[:2])
    x1, y1 = (int(np.ceil(value)) for value in box.box[2:])
    region[y0:y1, x0:x1] = True
    return region


def paste(original: np.ndarray, painted: np.ndarray, region: np.ndarray, feather: float) -> np.ndarray:
    """Return ``original`` with ``painted`` in ``region``; outside, every pixel is the original's, exactly.

    Parameters
    ----------
    original, painted
        uint8, H×W×3.
    region
        bool, H×W.
    feather
        Width of the seam, in pixels: over it, from the edge of the region inwards, one picture goes over into the
        other. Along the edges of the picture there is no seam.

    Examples
    --------
    >>> black, white = np.zeros((1, 4, 3), np.uint8), np.full((1, 4, 3), 255, np.uint8)
    >>> paste(black, white, np.array([[False, True, True, True]]), feather=2)[0, :, 0].tolist()
    [0, 128, 255, 255]
    """
    # With no pixel outside there is nothing to measure a distance to.
    depth = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5) if not region.all() else np.inf
    share = np.minimum(1.0, depth / max(feather, 1.0)) * region
    mixed = original + share[..., None] * (painted.astype(np.float64) - original)
    return np.where(region[..., None], np.rint(mixed).astype(np.uint8), original)
