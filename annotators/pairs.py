"""What annotators of style transfer share: references from a bank, and pairs of a reference and a stylised image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from annotators.base import Annotation, RecordView
from annotators.gates import Draft, Outcome, draw_accepted, is_blank_picture, kept, mean_difference
from annotators.generative import GenerativeAnnotator
from annotators.scale import resize
from annotators.screening import Screen
from annotators.style_bank import StyleBank, make_bank
from graph200k.seeds import derive_rng, derive_seed


class Job(Protocol):
    """What a pipeline makes a picture from."""

    @property
    def prompt(self) -> str:
        """Return what the picture shall show, in words."""


J = TypeVar("J", bound=Job)


@dataclass(frozen=True, slots=True)
class _Pair(Generic[J]):
    """One pair to be made."""

    view: RecordView
    index: int
    """Of the reference in the bank."""
    reference: np.ndarray
    job: J


@dataclass(frozen=True, kw_only=True)
class StyleAnnotator(GenerativeAnnotator):
    """Base of annotators that make pairs (reference, image) of one node type.

    The bank is known by its pictures: where it lies is no parameter, what is in it is one.
    """

    variants: int
    min_change: float = 8.0
    """Mean difference to the target, and to the reference, below which a picture is rejected, in grey levels."""
    bank: StyleBank | None = field(default=None, metadata={"parameter": False})
    """Where references come from; by default a few patterns made on the spot."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters, with the digest of the style bank."""
        return super().parameters | {"style_bank": self.styles.digest}

    @property
    def is_idle(self) -> bool:
        """Return whether no variants are wanted."""
        return self.variants == 0

    @property
    def images_per_record(self) -> int:
        """Return two for each pair."""
        return 2 * self.variants

    @property
    def styles(self) -> StyleBank:
        """Return the bank that references are drawn from."""
        return self.bank or make_bank()

    def make_pairs(
        self,
        views: Sequence[RecordView],
        rngs: Sequence[np.random.Generator],
        *,
        job_of: Callable[[RecordView, np.ndarray], J],
        generate: Callable[[Sequence[J], Sequence[int]], Sequence[np.ndarray]],
        screen: Screen,
    ) -> list[list[Annotation]]:
        """Return the pairs of each record; variants whose tries were all rejected are missing.

        Parameters
        ----------
        views, rngs
            Records, and a generator for each.
        job_of
            From a record and a reference to what the pipeline takes.
        generate
            The pipeline: from jobs and a seed for each to pictures.
        screen
            Gates that models hold.

        Raises
        ------
        RejectedError
            If nothing of a record was kept, or the bank has no reference for it.
        """
        drafts = [draft for view, rng in zip(views, rngs, strict=True) for draft in self._drafts(view, rng, job_of)]
        outcomes = draw_accepted(
            drafts,
            lambda some, seeds: generate([draft.given.job for draft in some], seeds),
            lambda draft, image: self._reject(draft.given, image) or screen.reject(image, draft.given.job.prompt),
            tries=self.tries,
        )
        made = list(zip(drafts, outcomes, strict=True))
        return [self._annotations([pair for pair in made if pair[0].given.view is view]) for view in views]

    def _drafts(
        self, view: RecordView, rng: np.random.Generator, job_of: Callable[[RecordView, np.ndarray], J]
    ) -> list[Draft[_Pair[J]]]:
        (node,) = self.produces
        # The generator is the record's and the annotator's; each variant has a seed of its own.
        base = int(rng.integers(2**63))
        references = self.styles.draw(view["target"], self.variants, derive_rng(base, node, "style"))
        return [
            Draft(variant, derive_seed(base, node, variant), _Pair(view, index, reference, job_of(view, reference)))
            for variant, (index, reference) in enumerate(references)
        ]

    def _reject(self, pair: _Pair[J], image: np.ndarray) -> str | None:
        if is_blank_picture(image):
            return "blank"
        size = image.shape[:2]
        if mean_difference(image, resize(pair.view["target"], *size)) < self.min_change:
            return "same_as_target"
        if mean_difference(image, resize(pair.reference, *size)) < self.min_change:
            return "same_as_reference"
        return None

    def _annotations(self, made: Sequence[tuple[Draft[_Pair[J]], Outcome]]) -> list[Annotation]:
        (node,) = self.produces
        found = []
        for draft, stylised, drawn in kept(node, made):
            style = {"style": self.styles.provenance(draft.given.index), "seed": drawn["seed"]}
            image = resize(stylised, *draft.given.view["target"].shape[:2])
            found.append(Annotation(node, draft.given.reference, draft.variant, "reference", style))
            found.append(Annotation(node, image, draft.variant, "image", style | drawn))
        return found
