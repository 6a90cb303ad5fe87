"""Annotators that state facts, and one that shows what it was given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.base import AnnotateFunction, Annotation, Annotator, Fact, RecordView
from graph200k.record import Box, Edit, Text


@dataclass(frozen=True, kw_only=True)
class Boxer(Annotator):
    """Makes `bbox` and states ``count`` boxes, at a place drawn at random."""

    name = "boxer"
    produces = ("bbox",)
    states = ("boxes",)

    count: int = 2

    def load(self, weights_folder: Path) -> AnnotateFunction:
        def annotate(view: RecordView, rng: np.random.Generator) -> list[Annotation | Fact]:
            left = int(rng.integers(1, 9))
            boxes = [
                Box(name=f"thing {n}", box=[left, n, left + 9, n + 9], color=[255, n, 0]) for n in range(self.count)
            ]
            drawn = np.zeros_like(view["target"])
            for box in boxes:
                drawn[int(box.box[1]) : int(box.box[3]), left : left + 9] = box.color
            return [Annotation("bbox", drawn), Fact("boxes", boxes)]

        return annotate


@dataclass(frozen=True, kw_only=True)
class Captioner(Annotator):
    """States the text of records that have none."""

    name = "captioner"
    states = ("text",)

    item: str = "a scene"

    def load(self, weights_folder: Path) -> AnnotateFunction:
        def annotate(view: RecordView, rng: np.random.Generator) -> list[Fact]:
            grey = round(float(view["target"].mean()))
            return [Fact("text", Text(item=self.item, description=f"It is {grey} bright.", machine_made=True))]

        return annotate


@dataclass(frozen=True, kw_only=True)
class Painter(Annotator):
    """Makes `mask` from the boxes: each one filled, in its colour."""

    name = "painter"
    reads = ("target", "boxes")
    produces = ("mask",)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        def annotate(view: RecordView, rng: np.random.Generator) -> list[Annotation]:
            painted = np.zeros_like(view["target"])
            for box in view.boxes:
                left, top, right, bottom = map(int, box.box)
                painted[top:bottom, left:right] = box.color
            assert not view.text.description, "it does not read the text"
            return [Annotation("mask", painted)]

        return annotate


@dataclass(frozen=True, kw_only=True)
class Rewriter(Annotator):
    """States what two edited variants show, from the text."""

    name = "rewriter"
    reads = ("target", "text")
    states = ("fill_edit.edits",)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        def annotate(view: RecordView, rng: np.random.Generator) -> list[Fact]:
            edits = [
                Edit(node="fill_edit", variant=n, name=f"dog {n}", description=f"{view.text.description} With dog {n}.")
                for n in (1, 0)
            ]
            return [Fact("fill_edit.edits", edits)]

        return annotate


@dataclass(frozen=True, kw_only=True)
class DepthRewriter(Annotator):
    """Makes `depth_edit` and states what it shows, from the edits of another node type."""

    name = "depth_rewriter"
    reads = ("target", "fill_edit.edits")
    produces = ("depth_edit",)
    states = ("depth_edit.edits",)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        def annotate(view: RecordView, rng: np.random.Generator) -> list[Annotation | Fact]:
            shown = " ".join(edit.name for edit in view.edits)
            edit = Edit(node="depth_edit", variant=0, name=shown, description="Elsewhere.")
            return [Annotation("depth_edit", 255 - view["target"]), Fact("depth_edit.edits", [edit])]

        return annotate
