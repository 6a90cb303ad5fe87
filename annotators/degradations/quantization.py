"""Too few colours: multi-Otsu, median cut or equal bins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np

from annotators.degradations.base import degradations
from annotators.degradations.choice import Choice, Levels, by_severity


def multi_otsu(image: np.ndarray, *, classes: int) -> np.ndarray:
    """Return ``image`` with each channel reduced to ``classes`` levels that keep most of its variance."""
    return _map_channels(image, lambda histogram: otsu_bounds(histogram, classes))


def equal_bins(image: np.ndarray, *, bins: int) -> np.ndarray:
    """Return ``image`` with each channel reduced to ``bins`` levels, equally wide between its darkest and brightest."""
    return _map_channels(image, lambda histogram: equal_bounds(histogram, bins))


def _map_channels(image: np.ndarray, bounds_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    tables = []
    for channel in cv2.split(image):
        histogram = cv2.calcHist([channel], [0], None, [256], [0, 256]).ravel()
        tables.append(level_means(histogram, bounds_of(histogram)))
    return cv2.LUT(image, np.stack(tables, axis=-1)[None])


def level_means(histogram: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return the mean of the class of each grey level, uint8; class i is ``bounds[i]`` ≤ level < ``bounds[i + 1]``.

    Examples
    --------
    >>> table = level_means(np.ones(256), np.array([0, 100, 256]))
    >>> int(table[0]), int(table[99]), int(table[100])
    (50, 50, 178)
    """
    label = np.searchsorted(bounds[1:-1], np.arange(256), side="right")
    mass = np.bincount(label, histogram, len(bounds) - 1)
    moment = np.bincount(label, histogram * np.arange(256), len(bounds) - 1)
    return np.rint(moment / np.maximum(mass, 1))[label].astype(np.uint8)


def equal_bounds(histogram: np.ndarray, bins: int) -> np.ndarray:
    """Return bounds that part the levels in use into ``bins`` equally wide classes."""
    used = np.flatnonzero(histogram)
    inner = np.linspace(used[0], used[-1] + 1, bins + 1)[1:-1]
    return np.concatenate([[0], np.ceil(inner).astype(int), [256]])


def otsu_bounds(histogram: np.ndarray, classes: int) -> np.ndarray:
    """Return the bounds of the ``classes`` classes with the largest variance between them (multi-level Otsu).

    Exact, by dynamic programming over the levels in use: O(classes · 256²), where trying all thresholds (Otsu 1979;
    Liao et al. 2001) takes O(256^classes).

    Examples
    --------
    >>> histogram = np.bincount([10, 11, 12, 90, 91, 200, 201], minlength=256)
    >>> otsu_bounds(histogram, 3).tolist()
    [0, 90, 200, 256]
    """
    used = np.flatnonzero(histogram)
    if len(used) <= classes:
        return np.concatenate([[0], used[1:], [256]])
    # Levels from their middle, in float32: half the memory traffic, and the squares stay small enough for it.
    mass = np.concatenate([[0], np.cumsum(histogram[used])])
    moment = np.concatenate([[0], np.cumsum(histogram[used] * (used - used.mean()))])
    # gain[j, i]: what the class of levels i … j − 1 adds to the variance between classes, up to a constant.
    part = (mass[:, None] - mass).astype(np.float32)
    gain = np.full(part.shape, -np.inf, np.float32)
    np.divide(np.square((moment[:, None] - moment).astype(np.float32)), part, out=gain, where=part > 0)
    best, cuts = gain[:, 0], []
    for _ in range(classes - 1):
        candidates = best + gain
        cuts.append(candidates.argmax(axis=1))
        best = np.take_along_axis(candidates, cuts[-1][:, None], axis=1)[:, 0]
    ends = [len(used)]
    for cut in reversed(cuts):
        ends.append(int(cut[ends[-1]]))
    return np.concatenate([[0], used[ends[:0:-1]], [256]])


def median_cut(image: np.ndarray, *, colors: int) -> np.ndarray:
    """Return ``image`` in ``colors`` colours: means of boxes cut at medians (Heckbert 1982), on 5 bits a channel."""
    codes = _codes(image >> 3)
    counts = np.bincount(codes.ravel(), minlength=32768)
    used = np.flatnonzero(counts)
    points = np.stack([used >> 10, used >> 5 & 31, used & 31], axis=1)
    palette = np.zeros((32768, 4), np.uint8)
    for box in cut_boxes(points, counts[used], colors):
        mean = np.average(points[box], axis=0, weights=counts[used[box]]) * 8 + 3.5
        palette[used[box], :3] = np.rint(mean)
    chosen = palette.view(np.uint32).ravel().take(codes)
    return cv2.cvtColor(chosen.view(np.uint8).reshape(*image.shape[:2], 4), cv2.COLOR_RGBA2RGB)


def _codes(fine: np.ndarray) -> np.ndarray:
    red, green, blue = (channel.astype(np.int32) for channel in cv2.split(fine))
    return red << 10 | green << 5 | blue


def cut_boxes(points: np.ndarray, counts: np.ndarray, boxes: int) -> list[np.ndarray]:
    """Return ``boxes`` index arrays that part ``points`` (N×3, each occurring ``counts`` times), or N if that is fewer.

    The box with the most pixels that can still be cut is cut at the median of its longest side.
    """
    parts = [np.arange(len(points))]
    while len(parts) < min(boxes, len(points)):
        position = max((i for i, part in enumerate(parts) if len(part) > 1), key=lambda i: counts[parts[i]].sum())
        largest = parts[position]
        inside = points[largest]
        axis = int(np.argmax(inside.max(axis=0) - inside.min(axis=0)))
        order = largest[np.argsort(inside[:, axis], kind="stable")]
        running = np.cumsum(counts[order])
        middle = int(np.searchsorted(running, running[-1] / 2))
        middle = min(max(middle, 1), len(order) - 1)
        parts[position : position + 1] = [order[:middle], order[middle:]]
    return parts


LEVELS: Levels = {
    "multi_otsu": by_severity(classes=(15, 11, 8)),
    "median_cut": by_severity(colors=(20, 15, 10)),
    "equal_bins": by_severity(bins=(24, 16, 8)),
}


@degradations.register("quantization")
@dataclass(frozen=True, kw_only=True, slots=True)
class Quantization(Choice):
    """Banding: one of three quantisers at one of three severities."""

    functions: ClassVar = {"multi_otsu": multi_otsu, "median_cut": median_cut, "equal_bins": equal_bins}
    levels: Levels = field(default_factory=lambda: LEVELS)
    """Levels a channel (multi-Otsu, equal bins), colours in all (median cut)."""
