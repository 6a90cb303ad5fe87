"""Style transfer that may change what is seen: Redux' description of a reference, on the depth of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.batching import BatchFunction
from annotators.cost import flux_tflop
from annotators.flux import FAMILY, MULTIPLE, DepthJob, FluxAnnotator, Sampling, load_depth
from annotators.generative import records_at_once
from annotators.pairs import StyleAnnotator
from annotators.scale import area_size, resize, size_of


@ANNOTATORS.register("redux_style")
@dataclass(frozen=True, kw_only=True)
class ReduxStyle(FluxAnnotator, StyleAnnotator):
    """Pairs of a style reference and a picture of the record's depth that looks like it (VisualCloze, Sec. 3.2).

    No words say what it shows: FLUX.1-Redux describes the reference, FLUX.1-Depth paints that on the depth map.
    """

    name = "redux_style"
    reads = ("target", "depth")
    produces = ("redux_style",)
    pretrained = "flux_depth"
    companions = ("flux_redux", "nsfw")
    resources = Resources(gpus=0.75, memory_mb=40000, time_limit_s=1800.0, family=FAMILY)

    variants: int = 2
    """Pairs a record."""
    steps: int = 30
    """Denoising steps, as on the card of FLUX.1-Depth; so is the guidance."""
    guidance: float = 10.0
    """Weight of the conditions, as the model was distilled with."""
    reference_scale: float = 1.0
    """Weight of Redux' description of the reference."""
    resolution: int = 1024
    """Side of the square whose area larger records are reduced to, in pixels."""

    def tflop(self, pixels: float) -> float:
        """Return the operations on a record, in 10¹²."""
        return self.variants * flux_tflop(min(pixels, self.resolution**2), self.steps, described=True)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that stylises records."""
        redux = ("flux_redux", self.folder("flux_redux"))
        generate = load_depth(self.pretrained, self.folder(), self.running, redux=redux)
        screen, sampling = self.screen(), Sampling(self.steps, self.guidance)

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            return self.make_pairs(
                views,
                rngs,
                job_of=self._job,
                generate=lambda jobs, seeds: generate(jobs, seeds, sampling),
                screen=screen,
            )

        return BatchFunction(annotate, records_at_once())

    def _job(self, view: RecordView, reference: np.ndarray) -> DepthJob:
        height, width = area_size(*size_of(view["target"]), self.resolution, MULTIPLE, enlarge=False)
        return DepthJob(resize(view["depth"], height, width), "", reference, self.reference_scale)
