"""Boxes of all objects in an image, named by a vision-language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.answers import NamedBox, parse_boxes, score_boxes
from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Fact, RecordView, Resources
from annotators.boxes import draw_boxes, place_boxes
from annotators.pretrained import PretrainedAnnotator, batched
from annotators.vision_language import AT_ONCE, FAMILY, Answer, ask_twice, load_vision_language_model
from graph200k.errors import AnswerError

QUESTION = (
    "Detect every object in this image. Answer with a JSON list alone, one entry for each object: "
    '[{"bbox_2d": [x1, y1, x2, y2], "label": "name of the object"}]. If there is no object, answer [].'
)


@ANNOTATORS.register("bbox")
@dataclass(frozen=True, kw_only=True)
class Grounding(PretrainedAnnotator):
    """Outlines on black, a colour a box, the largest first; name, box, colour and score go into the record's JSON.

    Nothing in the picture gives an empty map, which is not usable. An answer that cannot be read is a failure.
    """

    name = "bbox"
    produces = ("bbox",)
    states = ("boxes",)
    pretrained = "qwen_vl"
    resources = Resources(gpus=0.25, memory_mb=18000, time_limit_s=900.0, family=FAMILY)

    max_pixels: int = 1_003_520
    """Size to which larger images are reduced for the model: 1280 patches of 28×28 pixels."""
    max_tokens: int = 1024
    """Length at which an answer is cut off, some 40 boxes; what is whole up to there counts."""
    max_overlap: float = 0.8
    """Overlap (intersection over union) above which two boxes of one name are one object, 0 to 1."""
    min_side: float = 2.0
    """Shortest side of a box, in pixels."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that finds and draws boxes."""
        ask = load_vision_language_model(
            self.pretrained, self.folder(), max_pixels=self.max_pixels, max_tokens=self.max_tokens
        )

        def annotate(
            views: Sequence[RecordView], rngs: Sequence[np.random.Generator]
        ) -> list[list[Annotation | Fact] | AnswerError]:
            targets = [view["target"] for view in views]
            answers = ask_twice(ask, targets, QUESTION, parse_boxes, rngs)
            return [
                one if isinstance(one, AnswerError) else self._drawn(*one, *target.shape[:2])
                for target, one in zip(targets, answers, strict=True)
            ]

        return batched(annotate, AT_ONCE)

    def _drawn(self, found: list[NamedBox], answer: Answer, height: int, width: int) -> list[Annotation | Fact]:
        scored = score_boxes(found, answer.text, answer.probabilities)
        boxes = place_boxes(scored, answer.frame, (height, width), max_overlap=self.max_overlap, min_side=self.min_side)
        return [Annotation("bbox", draw_boxes(boxes, height, width)), Fact("boxes", boxes)]
