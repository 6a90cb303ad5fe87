"""Boxes of objects: from a model's units to pixels of the image, cleaned, coloured, and drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annotators.answers import NamedBox
from annotators.palette import region_palette
from graph200k.record import Box

_LINE_SHARE = 128
"""The short side in widths of a drawn line: it stays visible at the sizes that trainers read."""


def place_boxes(
    found: Sequence[NamedBox], frame: tuple[float, float], size: tuple[int, int], *, max_overlap: float, min_side: float
) -> list[Box]:
    """Return stated objects as boxes on the image, the largest first, each with a colour of its own.

    Parameters
    ----------
    found
        Objects in the model's units; corners may come in any order, and lie outside.
    frame
        Width and height of the image in those units.
    size
        Height and width of the image in pixels.
    max_overlap
        Intersection over union above which the later of two boxes of one name is taken for a repetition, 0 to 1.
    min_side
        Sides shorter than this, in pixels, make a box degenerate: it is dropped.

    Examples
    --------
    >>> (box,) = place_boxes([NamedBox("cat", (500, 0, 1200, 250))], (1000, 1000), (40, 60), max_overlap=1, min_side=1)
    >>> box.box, box.color
    ([30.0, 0.0, 60.0, 10.0], [255, 0, 0])
    """
    height, width = size
    scale = np.array([width / frame[0], height / frame[1]] * 2)
    limits = np.array([width, height] * 2)
    kept: list[tuple[NamedBox, np.ndarray]] = []
    for stated in found:
        x0, y0, x1, y1 = np.clip(np.array(stated.box) * scale, 0, limits)
        box = np.array([min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)]).round(1)
        is_degenerate = min(box[2] - box[0], box[3] - box[1]) < min_side
        is_repeated = any(_share_name(stated, other) and overlap(box, seen) > max_overlap for other, seen in kept)
        if not is_degenerate and not is_repeated:
            kept.append((stated, box))
    kept.sort(key=lambda entry: -_area(entry[1]))
    colors = region_palette(len(kept)).tolist()
    return [
        Box(name=stated.name, box=box.tolist(), color=color, score=stated.score)
        for (stated, box), color in zip(kept, colors, strict=True)
    ]


def _share_name(first: NamedBox, other: NamedBox) -> bool:
    return first.name.casefold() == other.name.casefold()


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection over union of two boxes (x0, y0, x1, y1), 0 to 1.

    Examples
    --------
    >>> overlap(np.array([0, 0, 2, 2]), np.array([1, 0, 3, 2]))
    0.3333333333333333
    """
    corners = np.concatenate([np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])])
    shared = _area(corners) if (corners[2:] > corners[:2]).all() else 0.0
    return shared / (_area(first) + _area(second) - shared)


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def draw_boxes(boxes: Sequence[Box], height: int, width: int) -> np.ndarray:
    """Return the outlines of boxes in their colours on black (uint8, height×width×3, RGB), later over earlier ones.

    Outlines, not areas: of a cup on a table both are seen. A line lies inside its box.
    """
    image = np.zeros((height, width, 3), np.uint8)
    line = max(1, round(min(height, width) / _LINE_SHARE))
    for box in boxes:
        x0, y0, x1, y1 = (round(value) for value in box.box)
        image[y0:y1, x0 : min(x0 + line, x1)] = box.color
        image[y0:y1, max(x1 - line, x0) : x1] = box.color
        image[y0 : min(y0 + line, y1), x0:x1] = box.color
        image[max(y1 - line, y0) : y1, x0:x1] = box.color
    return image


def paint_box_masks(masks: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
    """Return the mask of each box (bool, N×H×W) in its colour on black (uint8, H×W×3), smaller over larger ones."""
    image = np.zeros((*masks.shape[1:], 3), np.uint8)
    for index in np.argsort(-masks.sum(axis=(1, 2)), kind="stable"):
        image[masks[index]] = boxes[index].color
    return image
