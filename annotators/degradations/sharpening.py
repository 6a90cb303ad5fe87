"""Too much sharpening: halos along edges, exaggerated grain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np

from annotators.degradations.base import degradations
from annotators.degradations.choice import Choice, Levels, by_severity


def unsharp_mask(image: np.ndarray, *, amount: float, window: int) -> np.ndarray:
    """Return image + ``amount`` × (image − blurred image), clipped.

    The standard deviation of the blur is OpenCV's for a window of so many px (1.1 for 5).
    """
    blurred = cv2.GaussianBlur(image, (window, window), 0)
    return cv2.addWeighted(image, 1 + amount, blurred, -amount, 0)


LEVELS: Levels = {"unsharp_mask": by_severity(amount=(2.0, 2.8, 4.0, 6.0, 8.0), window=(5,) * 5)}


@degradations.register("oversharpen")
@dataclass(frozen=True, kw_only=True, slots=True)
class Oversharpen(Choice):
    """An unsharp mask with far too much of it."""

    functions: ClassVar = {"unsharp_mask": unsharp_mask}
    levels: Levels = field(default_factory=lambda: LEVELS)
    """Weight of the detail added, side of the window in px (odd)."""
