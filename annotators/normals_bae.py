"""Surface normals in one pass of a network, by NormalBae (G. Bae et al., ICCV 2021), run by controlnet_aux."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Resources
from annotators.pretrained import PretrainedAnnotator, loading, placement
from annotators.scale import resize, working_size
from annotators.threads import one_thread

if TYPE_CHECKING:
    from controlnet_aux import NormalBaeDetector

_MULTIPLE = 64
"""The detector rounds sides to this; rounding them here leaves it nothing to resize."""


@ANNOTATORS.register("normal_bae")
@dataclass(frozen=True, kw_only=True)
class NormalBae(PretrainedAnnotator):
    """Normals as colours: red looks left, green up, blue to the camera; about ten times as fast as Marigold."""

    name = "normal_bae"
    produces = ("normal",)
    pretrained = "normal_bae"
    resources = Resources(gpus=0.1, memory_mb=2500, time_limit_s=300.0)

    short_side: int = 512
    """Size at which it looks, in pixels of the short side."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that colours normals."""
        detector = load_detector(self.pretrained, self.folder())

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            height, width = images["target"].shape[:2]
            seen = resize(images["target"], *working_size(height, width, self.short_side, _MULTIPLE))
            side = min(seen.shape[:2])
            with one_thread():
                normals = detector(seen, detect_resolution=side, image_resolution=side, output_type="np")
            return [Annotation("normal", resize(normals, height, width))]

        return annotate


def load_detector(name: str, folder: Path) -> NormalBaeDetector:
    """Return the detector, in fp32, for its library feeds it that."""
    with loading(name, folder), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # The package imports all of its 17 detectors, which warn of libraries that this one never uses; the network
        # prints that it is being built.
        warnings.simplefilter("ignore")
        from controlnet_aux import NormalBaeDetector

        # By torch.load, with weights_only by default since torch 2.6, our oldest.
        return NormalBaeDetector.from_pretrained(str(folder)).to(placement()[0])
