"""Where a person's joints are: the output of BlazePose's second network, and its joints as OpenPose names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SIZE = 256
"""Side of what the network sees, in pixels."""

_LANDMARKS = 33
"""Of a body; the network gives six more, of which the first two are alignment points for a next look."""
_ALIGNMENT = (33, 34)

_HEATMAP_REACH = 3
"""Cells of the heatmap to each side of a landmark that are looked at to place it better."""
_MIN_HEAT = 0.5
"""Where the heatmap is nowhere that sure, the landmark stays where it is."""

OPENPOSE_JOINTS = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
)  # fmt: skip
"""The 18 joints of OpenPose's COCO model, in its order; left and right are the person's own."""

_SOURCES = np.array([(0, 0), (11, 12), (12, 12), (14, 14), (16, 16), (11, 11), (13, 13), (15, 15), (24, 24), (26, 26),
                     (28, 28), (23, 23), (25, 25), (27, 27), (5, 5), (2, 2), (8, 8), (7, 7)])  # fmt: skip
"""The two landmarks of BlazePose, often one twice, whose mean is each of :data:`OPENPOSE_JOINTS`."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """What the network says about one person."""

    score: float
    """How sure it is that there is one, 0 to 1."""
    points: np.ndarray
    """33×2."""
    certainty: np.ndarray
    """33 values from 0 to 1: that the landmark is within the region and not hidden."""
    alignment: np.ndarray
    """2×2: middle of the hips, and the point above the head on the body's circle."""


def decode(values: np.ndarray, score: float, heatmap: np.ndarray) -> Landmarks:
    """Return the landmarks in shares of the region that the network saw.

    Parameters
    ----------
    values
        39×5: x, y and z in pixels of the region, then logits of visibility and presence.
    score
        As the network gives it.
    heatmap
        64×64×39 logits.
    """
    values = values.reshape(-1, 5).astype(np.float64)
    points = refine(values[:, :2] / SIZE, heatmap)
    certainty = _sigmoid(values[:, 3:]).min(axis=1)
    return Landmarks(score, points[:_LANDMARKS], certainty[:_LANDMARKS], points[list(_ALIGNMENT)])


def refine(points: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """Return points (N×2, in shares of the region) moved to the centre of the heat around each.

    Parameters
    ----------
    points
        As the network's regression gives them.
    heatmap
        H×W×N logits.
    """
    rows, columns, _ = heatmap.shape
    column, row = (points * (columns, rows)).astype(int).T
    reach = np.arange(-_HEATMAP_REACH, _HEATMAP_REACH + 1)
    y, x = row[:, None, None] + reach[:, None], column[:, None, None] + reach
    inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
    logits = heatmap[y.clip(0, rows - 1), x.clip(0, columns - 1), np.arange(len(points))[:, None, None]]
    heat = np.where(inside, _sigmoid(logits), 0)
    # A landmark out of the region has no cell of its own, though its neighbours may have heat.
    hot = inside[:, _HEATMAP_REACH, _HEATMAP_REACH] & (heat.max(axis=(1, 2)) >= _MIN_HEAT)
    total = np.where(hot, heat.sum(axis=(1, 2)), 1)
    centre = np.column_stack([(heat * x).sum(axis=(1, 2)), (heat * y).sum(axis=(1, 2))]) / total[:, None]
    return np.where(hot[:, None], centre / (columns, rows), points)


def openpose_joints(points: np.ndarray, certainty: np.ndarray, min_certainty: float) -> np.ndarray:
    """Return OpenPose's 18 joints (18×2) of BlazePose's 33 landmarks (33×2); NaN where they are too uncertain.

    The neck is the middle of the shoulders and needs both.
    """
    sure = certainty[_SOURCES].min(axis=1) >= min_certainty
    joints = points[_SOURCES].mean(axis=1)
    return np.where(sure[:, None], joints, np.nan)


def drop_doubles(people: Sequence[Landmarks], min_distance: float) -> list[Landmarks]:
    """Return people, best first, without those whose landmarks lie on those of a better one.

    Two regions of a crowd can show the network the same person.

    Parameters
    ----------
    people
        With points of the image.
    min_distance
        Mean distance of the landmarks of two people, in radii of the better one's circle (hips to a point above the
        head).
    """
    kept: list[Landmarks] = []
    for person in sorted(people, key=lambda one: -one.score):
        if all(_distance(other, person) >= min_distance for other in kept):
            kept.append(person)
    return kept


def _distance(one: Landmarks, other: Landmarks) -> float:
    radius = float(np.linalg.norm(one.alignment[1] - one.alignment[0]))
    return float(np.linalg.norm(one.points - other.points, axis=1).mean()) / max(radius, 1.0)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
