"""Compression: ``compression`` (JPEG or JPEG 2000 by severity) and ``jpeg``."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np
from PIL import Image

from annotators.degradations.base import Degradation, Params, degradations
from annotators.degradations.choice import Choice, Levels, by_severity


def jpeg(image: np.ndarray, *, quality: int) -> np.ndarray:
    """Return ``image`` after JPEG at ``quality`` (0 to 100), chroma at half resolution."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def jpeg2000(image: np.ndarray, *, psnr_db: float) -> np.ndarray:
    """Return ``image`` after JPEG 2000 at a peak signal-to-noise ratio of ``psnr_db``.

    Through Pillow: OpenCV's JPEG 2000 can be asked for a size only.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG2000", quality_mode="dB", quality_layers=[psnr_db])
    return np.array(Image.open(buffer))


LEVELS: Levels = {
    "jpeg": by_severity(quality=(25, 18, 12)),
    "jpeg2000": by_severity(psnr_db=(29.0, 27.5, 26.0)),
}


@degradations.register("compression")
@dataclass(frozen=True, kw_only=True, slots=True)
class Compression(Choice):
    """JPEG or JPEG 2000 at one of three severities."""

    functions: ClassVar = {"jpeg": jpeg, "jpeg2000": jpeg2000}
    levels: Levels = field(default_factory=lambda: LEVELS)
    """Quality of JPEG (0 to 100), peak signal-to-noise ratio of JPEG 2000 in dB."""


@degradations.register("jpeg")
@dataclass(frozen=True, kw_only=True, slots=True)
class Jpeg(Degradation):
    """JPEG of random quality."""

    quality: tuple[int, int] = (10, 40)
    """Range of the quality (0 to 100), both ends included."""

    def draw(self, rng: np.random.Generator) -> Params:
        return {"quality": int(rng.integers(*self.quality, endpoint=True))}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        return jpeg(image, **params)
