"""An annotator that takes several records at once, and notes how many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.base import AnnotateFunction, Annotation, RecordView
from annotators.batching import BatchFunction
from support.faulty import Faulty


@dataclass(frozen=True, kw_only=True)
class Together(Faulty):
    """Makes `bbox` of up to four records at once; bad on the same records as :class:`Faulty`."""

    name = "together"

    notes: str
    """File that a line is added to for each call: how many records it was for."""
    room: int = 4
    """Records that fit into memory."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            with open(self.notes, "a") as file:
                file.write(f"{len(views)}\n")
            if len(views) > self.room:
                raise MemoryError
            return [self._annotate(view, rng) for view, rng in zip(views, rngs, strict=True)]

        return BatchFunction(annotate, 4)
