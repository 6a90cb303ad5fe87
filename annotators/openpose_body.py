"""Bodies as coloured sticks by OpenPose (Z. Cao et al., TPAMI 2019), run by controlnet_aux."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Resources
from annotators.pretrained import PretrainedAnnotator, loading, placement
from annotators.scale import resize, resize_labels, working_size
from annotators.threads import one_thread

if TYPE_CHECKING:
    from controlnet_aux.open_pose import OpenposeDetector

_FILE = "body_pose_model.pth"
_MULTIPLE = 64
"""The detector rounds sides to this; rounding them here leaves it nothing to resize."""


@ANNOTATORS.register("openpose_body")
@dataclass(frozen=True, kw_only=True)
class OpenposeBody(PretrainedAnnotator):
    """The bodies of all people, 18 joints each, in OpenPose's colours on black; black where nobody is."""

    name = "openpose_body"
    produces = ("openpose",)
    pretrained = "openpose"
    resources = Resources(gpus=0.04, memory_mb=2500, time_limit_s=300.0)

    short_side: int = 512
    """Size at which bodies are found and drawn, in pixels of the short side."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that draws bodies."""
        detector = load_detector(self.pretrained, self.folder())

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            height, width = images["target"].shape[:2]
            seen = resize(images["target"], *working_size(height, width, self.short_side, _MULTIPLE))
            side = min(seen.shape[:2])
            with one_thread():
                drawn = detector(seen, detect_resolution=side, image_resolution=side, output_type="np")
            return [Annotation("openpose", resize_labels(drawn, height, width))]

        return annotate


def load_detector(name: str, folder: Path) -> OpenposeDetector:
    """Return the detector with its body network alone, in fp32, for its library feeds it that."""
    path = folder / _FILE
    with loading(name, folder), warnings.catch_warnings():
        # The package imports all of its 17 detectors, which warn of libraries that OpenPose never uses.
        warnings.simplefilter("ignore")
        from controlnet_aux.open_pose import Body, OpenposeDetector

        body = Body(str(path))  # by torch.load, with weights_only by default since torch 2.6, our oldest
    body.to(placement()[0])
    return OpenposeDetector(body)
