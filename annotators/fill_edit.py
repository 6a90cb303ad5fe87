"""Edits that keep the background: another object in the place of the subject, by FLUX.1-Fill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.batching import BatchFunction
from annotators.cost import flux_tflop
from annotators.edit_captions import USUAL_EDITS
from annotators.flux import FAMILY, MULTIPLE, FillJob, FluxAnnotator, Sampling, load_fill
from annotators.gates import Draft, Outcome, draw_accepted, is_blank_picture, kept, mean_difference
from annotators.generative import PromptedAnnotator, records_at_once
from annotators.scale import area_size, resize, resize_labels, size_of
from annotators.screening import Screen
from annotators.subject import box_region, find_subject, mask_region, paste
from graph200k.errors import PlanError, RejectedError
from graph200k.record import Box, Edit
from graph200k.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class _Filling:
    """One edit to be made."""

    view: RecordView
    edit: Edit
    region: np.ndarray
    """bool, H×W of the target: what may change."""
    shape: str
    """Whether that is the subject's ``mask`` or its ``box``."""
    job: FillJob


@ANNOTATORS.register("fill_edit")
@dataclass(frozen=True, kw_only=True)
class FillEdit(FluxAnnotator, PromptedAnnotator):
    """The record with another object in its subject's place (VisualCloze, Sec. 3.2); outside the mask it is the same.

    Exactly so as it leaves here: stored as JPEG, as photographs are, it is off by a few grey levels everywhere.
    """

    name = "fill_edit"
    reads = ("target", "boxes", "mask", "text", "fill_edit.edits")
    produces = ("fill_edit",)
    pretrained = "flux_fill"
    resources = Resources(gpus=0.75, memory_mb=40000, time_limit_s=3600.0, family=FAMILY)

    steps: int = 50
    """Denoising steps, as on the card of FLUX.1-Fill; so is the guidance."""
    guidance: float = 30.0
    """Weight of the prompt, as the model was distilled with."""
    resolution: int = 1024
    """Side of the square whose area larger records are reduced to for the model, in pixels."""
    margin: float = 0.02
    """How much the subject's mask is grown, as a share of the short side."""
    feather: float = 0.01
    """Width of the seam inside the mask, as a share of the short side."""
    min_coverage: float = 0.005
    """Smallest share of the picture that is worth an edit."""
    max_coverage: float = 0.9
    """Largest share of the picture that leaves a background."""
    min_change: float = 12.0
    """Mean difference inside the mask below which an edit is rejected, in grey levels."""
    max_drift: float = 30.0
    """Mean difference outside the mask above which an edit is rejected: the model went its own way, and seams show."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.min_coverage < self.max_coverage <= 1:
            raise PlanError(f"{self.name}: coverage from {self.min_coverage} to {self.max_coverage}; expected 0 to 1")

    @property
    def images_per_record(self) -> int:
        """Return as many as :mod:`annotators.edit_captions` names by default; the facts say how many it is."""
        return USUAL_EDITS

    def tflop(self, pixels: float) -> float:
        """Return the operations on a record, in 10¹²."""
        return self.images_per_record * flux_tflop(min(pixels, self.resolution**2), self.steps)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that edits records."""
        fill = load_fill(self.pretrained, self.folder(), self.running)
        screen, sampling = self.screen(), Sampling(self.steps, self.guidance)

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            drafts = [draft for view, rng in zip(views, rngs, strict=True) for draft in self._drafts(view, rng)]
            outcomes = draw_accepted(
                drafts,
                lambda some, seeds: fill([draft.given.job for draft in some], seeds, sampling),
                self._reject_with(screen),
                tries=self.tries,
            )
            made = list(zip(drafts, outcomes, strict=True))
            return [self._annotations([pair for pair in made if pair[0].given.view is view]) for view in views]

        return BatchFunction(annotate, records_at_once())

    def _drafts(self, view: RecordView, rng: np.random.Generator) -> list[Draft[_Filling]]:
        subject = find_subject(view.boxes, view.text.item)
        if subject is None or not view.edits:
            found = "no object was located" if subject is None else "there is no rewritten caption"
            raise RejectedError(f"{found} in this record; expected both for an edit of its subject")
        base = int(rng.integers(2**63))
        regions = self._regions(view, subject)
        return [
            Draft(
                edit.variant,
                derive_seed(base, self.name, edit.variant),
                self._filling(view, edit, *regions[edit.variant % len(regions)]),
            )
            for edit in view.edits
        ]

    def _regions(self, view: RecordView, subject: Box) -> list[tuple[np.ndarray, str]]:
        """Return what variants paint anew, in turn: the subject's mask and its box, if they are of a fit size."""
        height, width = view["target"].shape[:2]
        both = [(mask_region(view["mask"], subject, self.margin), "mask"), (box_region(subject, height, width), "box")]
        fit = [each for each in both if self.min_coverage <= each[0].mean() <= self.max_coverage]
        if not fit:
            shares = ", ".join(f"its {shape} {region.mean():.1%}" for region, shape in both)
            raise RejectedError(
                f"{subject.name} covers an unfit share of the picture ({shares}); expected "
                f"{self.min_coverage:.1%} to {self.max_coverage:.0%}"
            )
        return fit

    def _filling(self, view: RecordView, edit: Edit, region: np.ndarray, shape: str) -> _Filling:
        height, width = area_size(*size_of(region), self.resolution, MULTIPLE, enlarge=False)
        job = FillJob(resize(view["target"], height, width), resize_labels(region, height, width), edit.description)
        return _Filling(view, edit, region, shape, job)

    def _reject_with(self, screen: Screen) -> Callable[[Draft[_Filling], np.ndarray], str | None]:
        def reject(draft: Draft[_Filling], image: np.ndarray) -> str | None:
            before, mask = draft.given.job.image, draft.given.job.mask
            if is_blank_picture(image):
                return "blank"
            if mean_difference(image, before, mask) < self.min_change:
                return "unchanged"
            if mean_difference(image, before, ~mask) > self.max_drift:
                return "background_changed"
            return screen.reject(image, draft.given.job.prompt)

        return reject

    def _annotations(self, made: Sequence[tuple[Draft[_Filling], Outcome]]) -> list[Annotation]:
        return [
            Annotation(
                self.name,
                self._paste(draft.given, painted),
                draft.variant,
                drawn={
                    "region": draft.given.shape,
                    "coverage": round(float(draft.given.region.mean()), 4),
                    **drawn,
                },
            )
            for draft, painted, drawn in kept(self.name, made)
        ]

    def _paste(self, filling: _Filling, painted: np.ndarray) -> np.ndarray:
        target = filling.view["target"]
        feather = self.feather * min(target.shape[:2])
        return paste(target, resize(painted, *target.shape[:2]), filling.region, feather)
