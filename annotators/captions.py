"""A text for images that came without one, written by a vision-language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.answers import Caption, parse_caption
from annotators.base import ANNOTATORS, AnnotateFunction, Fact, RecordView, Resources
from annotators.pretrained import PretrainedAnnotator, batched
from annotators.vision_language import AT_ONCE, FAMILY, ask_twice, load_vision_language_model
from graph200k.errors import AnswerError
from graph200k.record import Text

QUESTION = (
    "Name the main subject of this image in a few words, and describe the whole image in one or two sentences. "
    'Answer with JSON alone: {"item": "the subject", "description": "the description"}.'
)


@ANNOTATORS.register("caption")
@dataclass(frozen=True, kw_only=True)
class MachineCaption(PretrainedAnnotator):
    """Item and description, marked as machine-made. A record that has a text keeps it, and counts as done."""

    name = "caption"
    states = ("text",)
    pretrained = "qwen_vl"
    resources = Resources(gpus=0.25, memory_mb=18000, time_limit_s=600.0, family=FAMILY)

    max_pixels: int = 1_003_520
    """Size to which larger images are reduced for the model: 1280 patches of 28×28 pixels."""
    max_tokens: int = 256
    """Length at which an answer is cut off; a text that is cut off is a failure."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that writes texts."""
        ask = load_vision_language_model(
            self.pretrained, self.folder(), max_pixels=self.max_pixels, max_tokens=self.max_tokens
        )

        def annotate(
            views: Sequence[RecordView], rngs: Sequence[np.random.Generator]
        ) -> list[list[Fact] | AnswerError]:
            answers = ask_twice(ask, [view["target"] for view in views], QUESTION, parse_caption, rngs)
            return [one if isinstance(one, AnswerError) else [_text(one[0])] for one in answers]

        return batched(annotate, AT_ONCE)


def _text(caption: Caption) -> Fact:
    return Fact("text", Text(item=caption.item, description=caption.description, machine_made=True))
