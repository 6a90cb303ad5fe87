"""What edited images shall show: a record's caption, rewritten with another object in the place of its subject."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.answers import parse_edits
from annotators.base import ANNOTATORS, AnnotateFunction, Fact, RecordView, Resources
from annotators.pretrained import PretrainedAnnotator
from annotators.prompts import prompt_of
from annotators.subject import find_subject, is_about
from annotators.vision_language import FAMILY, Ask, load_vision_language_model
from graph200k.errors import AnswerError
from graph200k.record import Edit, Text

USUAL_EDITS = 5
"""As in the paper, Sec. 3.2."""

QUESTION = (
    "{shown} Name {count} different objects, none of them {subject}, that could stand in the place of {subject} in "
    "this image, each of about the same size. For each, describe the whole image in one or two sentences as if that "
    "object stood there instead; all else stays. Answer with a JSON list alone: "
    '[{{"name": "the new object", "description": "the whole image with it"}}].'
)


@ANNOTATORS.register("edit_captions")
@dataclass(frozen=True, kw_only=True)
class EditCaptions(PretrainedAnnotator):
    """Names and descriptions for `fill_edit` and `depth_edit`, by Qwen2.5-VL (VisualCloze, Sec. 3.2).

    A stage of its own before the generators: one answer serves all variants, and they share no GPU with this model.
    """

    name = "edit_captions"
    reads = ("target", "text", "boxes")
    states = ("fill_edit.edits", "depth_edit.edits")
    pretrained = "qwen_vl"
    resources = Resources(gpus=0.25, memory_mb=18000, time_limit_s=900.0, family=FAMILY)

    variants: int = USUAL_EDITS
    """Edits a record for `fill_edit`; the first of them is that of `depth_edit` too."""
    max_pixels: int = 1_003_520
    """Size to which larger images are reduced for the model: 1280 patches of 28×28 pixels."""
    max_tokens: int = 1024
    """Length at which an answer is cut off; what is whole up to there counts."""

    @property
    def is_idle(self) -> bool:
        """Return whether no variants are wanted."""
        return self.variants == 0

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that rewrites captions."""
        ask = load_vision_language_model(
            self.pretrained, self.folder(), max_pixels=self.max_pixels, max_tokens=self.max_tokens
        )

        def annotate(view: RecordView, rng: np.random.Generator) -> list[Fact]:
            edits = rewrite(ask, view, self.variants, rng)
            return [Fact("fill_edit.edits", edits), Fact("depth_edit.edits", [_as_depth_edit(edits[0])])]

        return annotate


def _as_depth_edit(edit: Edit) -> Edit:
    return Edit(node="depth_edit", variant=0, name=edit.name, description=edit.description)


def rewrite(ask: Ask, view: RecordView, count: int, rng: np.random.Generator) -> list[Edit]:
    """Return up to ``count`` edits of a record's subject, each with another object.

    The likeliest answer must have them all; of a second one, drawn at random, what is there is taken.

    Raises
    ------
    AnswerError
        If neither answer has an edit that differs from the subject.
    """
    subject = name_subject(view)
    shown = prompt_of(view.text)
    question = QUESTION.format(
        shown=f"This image was described so: {shown}" if shown else "", count=count, subject=subject
    ).strip()
    try:
        found = parse_edits(ask([view["target"]], question, None)[0].text, subject, shown, least=count)
    except AnswerError:
        found = parse_edits(ask([view["target"]], question, [rng])[0].text, subject, shown, least=1)
    return [
        Edit(node="fill_edit", variant=variant, name=edit.item, description=edit.description)
        for variant, edit in enumerate(found[:count])
    ]


def name_subject(view: RecordView) -> str:
    """Return what is to be replaced: the text's item, or the located object's name where the text has another one.

    The object in the box is what :mod:`annotators.fill_edit` paints over; caption and mask must speak of one thing.

    Examples
    --------
    >>> name_subject(RecordView({}, text=Text(item="a cup")))
    'a cup'
    """
    item = prompt_of(Text(item=view.text.item))
    box = find_subject(view.boxes, item)
    if box is None:
        return item or "the main subject"
    return item if item and is_about(box, item) else box.name
