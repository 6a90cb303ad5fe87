"""Records, models and annotators that tests of generators share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from annotators.base import ANNOTATORS, RecordView
from annotators.generative import GenerativeAnnotator
from annotators.tiny.base import tiny_model
from graph200k.record import Box, Text

QUICK: dict[str, Any] = {"steps": 2, "resolution": 64}
"""Parameters under which a tiny pipeline takes a moment."""

CUP = Box(name="cup", box=[30.0, 20.0, 90.0, 70.0], color=[255, 0, 0])


def make_generator(name: str, tiny: Path, **parameters: Any) -> GenerativeAnnotator:
    """Return an annotator on tiny models, which are made in the folder ``tiny``."""
    cls = ANNOTATORS[name]
    assert issubclass(cls, GenerativeAnnotator)
    models = {model: tiny_model(model, tiny) for model in cls.model_names()}
    companions = tuple(models[model] for model in cls.companions)
    given: dict[str, Any] = {"local": models[cls.pretrained], "local_companions": companions, **QUICK, **parameters}
    return cls(**given)


def make_view(seed: int = 0, size: tuple[int, int] = (96, 128), **facts: Any) -> RecordView:
    """Return a record: coloured clouds, their edges and brightness, and a cup in a box."""
    height, width = size
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    target = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    mask = np.zeros((height, width, 3), np.uint8)
    cv2.ellipse(mask, (60, 45), (28, 22), 0, 0, 360, CUP.color, -1)
    images = {
        "target": target,
        "canny": cv2.Canny(target, 50, 100),
        "depth": cv2.cvtColor(target, cv2.COLOR_RGB2GRAY),
        "mask": mask,
    }
    for image in images.values():
        image.flags.writeable = False
    known: dict[str, Any] = {"text": Text(item="a cup", description="A cup on a table."), "boxes": [CUP]}
    return RecordView(images, **(known | facts))
