"""Poses drawn as OpenPose and controlnet_aux draw them, which is how networks conditioned on them have seen them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np

LIMBS = ((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
         (1, 0), (0, 14), (14, 16), (0, 15), (15, 17))  # fmt: skip
"""Pairs of :data:`annotators.pose_landmarks.OPENPOSE_JOINTS`, in the order in which they are drawn."""

COLOURS = ((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
           (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255),
           (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85))  # fmt: skip
"""RGB of each joint; limbs have the colours in their own order, darkened."""

LIMB_BRIGHTNESS = 0.6

_RADIUS = 4
"""Half the width of a limb and the radius of a joint, in pixels where the short side is :data:`_SHORT_SIDE`."""
_SHORT_SIDE = 512


def draw_poses(people: Iterable[np.ndarray], height: int, width: int) -> np.ndarray:
    """Return people (18×2 joints each, in pixels; NaN for those not known) drawn on black (uint8, H×W×3 RGB).

    Widths grow with the short side of the image, as they do where controlnet_aux draws at 512 px and enlarges.

    Examples
    --------
    >>> draw_poses([], 48, 64).any()
    np.False_
    """
    canvas = np.zeros((height, width, 3), np.uint8)
    radius = max(round(_RADIUS * min(height, width) / _SHORT_SIDE), 1)
    for joints in people:
        _draw_person(canvas, joints, radius)
    return canvas


def _draw_person(canvas: np.ndarray, joints: np.ndarray, radius: int) -> None:
    """Draw one person into ``canvas``: limbs first, joints over them."""
    known = ~np.isnan(joints).any(axis=1)
    for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
        if known[start] and known[end]:
            dark = tuple(int(value * LIMB_BRIGHTNESS) for value in colour)
            cv2.fillConvexPoly(canvas, _limb_outline(joints[start], joints[end], radius), dark)
    for joint, colour in zip(joints[known], np.array(COLOURS)[known].tolist(), strict=True):
        cv2.circle(canvas, (int(joint[0]), int(joint[1])), radius, colour, -1)


def _limb_outline(start: np.ndarray, end: np.ndarray, radius: int) -> np.ndarray:
    """Return the outline of an ellipse from joint to joint, as whole pixels."""
    across, down = (float(value) for value in start - end)
    middle = (int((start[0] + end[0]) / 2), int((start[1] + end[1]) / 2))
    axes = (int(math.hypot(across, down) / 2), radius)
    return cv2.ellipse2Poly(middle, axes, int(math.degrees(math.atan2(down, across))), 0, 360, 1)
