"""Edits that may change everything but the depth: the rewritten caption on the record's depth map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.batching import BatchFunction
from annotators.cost import flux_tflop
from annotators.flux import FAMILY, MULTIPLE, DepthJob, FluxAnnotator, Sampling, load_depth
from annotators.gates import Draft, Outcome, draw_accepted, is_blank_picture, kept, mean_difference
from annotators.generative import PromptedAnnotator, records_at_once
from annotators.scale import area_size, resize, size_of
from annotators.screening import Screen
from graph200k.errors import RejectedError
from graph200k.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class _Editing:
    """The edit to be made of a record."""

    view: RecordView
    job: DepthJob


@ANNOTATORS.register("depth_edit")
@dataclass(frozen=True, kw_only=True)
class DepthEdit(FluxAnnotator, PromptedAnnotator):
    """A new picture of the record's depth that shows what the rewritten caption says, by FLUX.1-Depth.

    VisualCloze, Sec. 3.2, conditions on depth and caption alone. With ``reference_scale`` FLUX.1-Redux describes the
    record beside the caption, which keeps more of its looks.
    """

    name = "depth_edit"
    reads = ("target", "depth", "depth_edit.edits")
    produces = ("depth_edit",)
    pretrained = "flux_depth"
    companions = ("flux_redux", "nsfw", "clip")
    resources = Resources(gpus=0.75, memory_mb=40000, time_limit_s=1800.0, family=FAMILY)

    steps: int = 30
    """Denoising steps, as on the card of FLUX.1-Depth; so is the guidance."""
    guidance: float = 10.0
    """Weight of the conditions, as the model was distilled with."""
    reference_scale: float = 0.0
    """Weight of Redux' description of the record, 0 for none; Redux is not loaded then."""
    resolution: int = 1024
    """Side of the square whose area larger records are reduced to, in pixels."""
    min_change: float = 12.0
    """Mean difference to the target below which an edit is rejected, in grey levels."""

    @property
    def models_used(self) -> tuple[str, ...]:
        """Return the names of its models, without those that are not asked for."""
        return tuple(name for name in super().models_used if name != "flux_redux" or self.reference_scale > 0)

    def tflop(self, pixels: float) -> float:
        """Return the operations on a record, in 10¹²."""
        return flux_tflop(min(pixels, self.resolution**2), self.steps, described=self.reference_scale > 0)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that edits records."""
        redux = ("flux_redux", self.folder("flux_redux")) if "flux_redux" in self.models_used else None
        generate = load_depth(self.pretrained, self.folder(), self.running, redux=redux)
        screen, sampling = self.screen(), Sampling(self.steps, self.guidance)

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            drafts = [self._draft(view, rng) for view, rng in zip(views, rngs, strict=True)]
            outcomes = draw_accepted(
                drafts,
                lambda some, seeds: generate([draft.given.job for draft in some], seeds, sampling),
                lambda draft, image: self._reject(draft.given, image, screen),
                tries=self.tries,
            )
            return [self._annotations(draft, outcome) for draft, outcome in zip(drafts, outcomes, strict=True)]

        return BatchFunction(annotate, records_at_once())

    def _draft(self, view: RecordView, rng: np.random.Generator) -> Draft[_Editing]:
        if not view.edits:
            raise RejectedError("there is no rewritten caption in this record; expected one as the edit's prompt")
        height, width = area_size(*size_of(view["target"]), self.resolution, MULTIPLE, enlarge=False)
        reference = view["target"] if self.reference_scale > 0 else None
        job = DepthJob(resize(view["depth"], height, width), view.edits[0].description, reference, self.reference_scale)
        return Draft(0, derive_seed(int(rng.integers(2**63)), self.name), _Editing(view, job))

    def _reject(self, editing: _Editing, image: np.ndarray, screen: Screen) -> str | None:
        if is_blank_picture(image):
            return "blank"
        if mean_difference(image, resize(editing.view["target"], *image.shape[:2])) < self.min_change:
            return "unchanged"
        return screen.reject(image, editing.job.prompt)

    def _annotations(self, draft: Draft[_Editing], outcome: Outcome) -> list[Annotation]:
        ((_, image, drawn),) = kept(self.name, [(draft, outcome)])
        size = draft.given.view["target"].shape[:2]
        return [Annotation(self.name, resize(image, *size), drawn=drawn)]
