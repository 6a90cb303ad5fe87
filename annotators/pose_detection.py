"""Where people are: the output of BlazePose's detector decoded, and overlapping finds merged.

The detector sees 224×224 pixels and says, for each of 2,254 anchors, how sure it is of a person there and how far from
the anchor the person's face box and four points are. The first two points give the region of the whole body
(:func:`annotators.pose_region.region_of_person`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZE = 224
"""Side of what the detector sees, in pixels."""

_ANCHORS_A_CELL = {8: 2, 16: 2, 32: 6}
"""By stride of the grid in pixels. Anchors have no size of their own."""

_MAX_LOGIT = 100.0
"""Beyond it the exponential overflows in single precision."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One person found; coordinates in shares of what the detector saw."""

    score: float
    """0 to 1."""
    box: np.ndarray
    """(left, top, right, bottom) of the face."""
    points: np.ndarray
    """4×2: middle of the hips, a point above the head on the circle around the body, two for the upper body alone."""


def make_anchors() -> np.ndarray:
    """Return the 2254×2 centres (x, y) of the anchors, in shares of the picture.

    Examples
    --------
    >>> anchors = make_anchors()
    >>> len(anchors), anchors[2].tolist() == [1.5 / 28, 0.5 / 28]
    (2254, True)
    """
    grids = []
    for stride, repeats in _ANCHORS_A_CELL.items():
        cells = SIZE // stride
        y, x = np.divmod(np.arange(cells * cells), cells)
        grids.append(np.repeat((np.column_stack([x, y]) + 0.5) / cells, repeats, axis=0))
    return np.concatenate(grids)


def decode(logits: np.ndarray, offsets: np.ndarray, anchors: np.ndarray, min_score: float) -> list[Detection]:
    """Return what the detector is at least ``min_score`` sure of, best first.

    Parameters
    ----------
    logits
        N scores before the sigmoid.
    offsets
        N×12: centre (x, y) and size (width, height) of the box, then four points (x, y), in pixels from the anchor.
    anchors
        N×2, from :func:`make_anchors`.
    min_score
        0 to 1.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_MAX_LOGIT, _MAX_LOGIT)))
    found = np.flatnonzero(scores >= min_score)
    # Stable, so that equal scores keep the anchors' order everywhere.
    order = found[np.argsort(-scores[found], kind="stable")]
    offsets, anchors = offsets[order].astype(np.float64) / SIZE, anchors[order]
    centres, halves = offsets[:, :2] + anchors, offsets[:, 2:4] / 2
    boxes = np.hstack([centres - halves, centres + halves])
    points = offsets[:, 4:].reshape(-1, 4, 2) + anchors[:, None]
    return [Detection(*found) for found in zip(scores[order].tolist(), boxes, points, strict=True)]


def merge(detections: list[Detection], max_overlap: float = 0.3) -> list[Detection]:
    """Return one detection a person: those that overlap the best one become their mean, weighted by score.

    Parameters
    ----------
    detections
        Best first.
    max_overlap
        Intersection over union above which two boxes are the same person's.
    """
    rest, merged = list(detections), []
    boxes = np.array([detection.box for detection in detections])
    while rest:
        same = overlaps(boxes[0], boxes) > max_overlap
        same[0] = True  # a box without an area overlaps nothing
        merged.append(_mean([one for one, is_same in zip(rest, same, strict=True) if is_same]))
        rest, boxes = [one for one, is_same in zip(rest, same, strict=True) if not is_same], boxes[~same]
    return merged


def overlaps(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union of a box (left, top, right, bottom) and N others; 0 where neither has an area.

    Examples
    --------
    >>> overlaps(np.array([0, 0, 2, 2]), np.array([[1, 0, 3, 2], [5, 5, 6, 6]])).tolist() == [1 / 3, 0]
    True
    """
    sides = np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])
    shared = _area(sides)
    total = _area(one[2:] - one[:2]) + _area(others[:, 2:] - others[:, :2]) - shared
    return np.divide(shared, total, out=np.zeros(len(others)), where=total > 0)


def _area(sides: np.ndarray) -> np.ndarray:
    return np.maximum(sides[..., 0], 0) * np.maximum(sides[..., 1], 0)


def _mean(detections: list[Detection]) -> Detection:
    weights = np.array([detection.score for detection in detections])
    weights = weights / weights.sum()
    box = np.tensordot(weights, np.stack([detection.box for detection in detections]), axes=1)
    points = np.tensordot(weights, np.stack([detection.points for detection in detections]), axes=1)
    return Detection(detections[0].score, box, points)
