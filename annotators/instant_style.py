"""Style transfer that keeps what is seen: the edges and the text of a record, in the style of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.batching import BatchFunction
from annotators.cost import sdxl_tflop
from annotators.generative import PromptedAnnotator, records_at_once
from annotators.pairs import StyleAnnotator
from annotators.prompts import prompt_of
from annotators.scale import area_size, resize_edges, size_of
from annotators.sdxl import MULTIPLE, StyleJob, StyleSampling, load_style_pipeline


@ANNOTATORS.register("instant_style")
@dataclass(frozen=True, kw_only=True)
class InstantStyle(PromptedAnnotator, StyleAnnotator):
    """Pairs of a style reference and the record in that style, by InstantStyle on SDXL with a ControlNet on `canny`."""

    name = "instant_style"
    reads = ("target", "canny", "text")
    produces = ("instant_style",)
    pretrained = "sdxl"
    companions = ("sdxl_canny", "ip_adapter", "nsfw", "clip")
    resources = Resources(gpus=0.25, memory_mb=16000, time_limit_s=900.0)

    variants: int = 3
    """Pairs a record."""
    steps: int = 30
    """Denoising steps, as in InstantStyle's examples; so are the values that follow."""
    guidance: float = 5.0
    """Weight of the prompt, by classifier-free guidance."""
    style_scale: float = 1.0
    """Weight of the reference in the style block."""
    structure_scale: float = 0.6
    """Weight of the edges."""
    resolution: int = 1024
    """Side of the square whose area SDXL works at, in pixels; it wants 1024."""
    negative_prompt: str = (
        "text, watermark, lowres, low quality, worst quality, deformed, glitch, low contrast, noisy, saturation, blurry"
    )
    """What a picture shall not be."""

    def tflop(self, pixels: float) -> float:
        """Return the operations on a record, in 10¹²: SDXL works at one size."""
        return self.variants * sdxl_tflop(self.resolution**2, self.steps)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that stylises records."""
        folders = {name: self.folder(name) for name in ("sdxl", "sdxl_canny", "ip_adapter")}
        _, stylise = load_style_pipeline(folders, self.running)
        screen = self.screen()
        sampling = StyleSampling(
            self.steps, self.guidance, self.style_scale, self.structure_scale, self.negative_prompt
        )

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            return self.make_pairs(
                views,
                rngs,
                job_of=self._job,
                generate=lambda jobs, seeds: stylise(jobs, seeds, sampling),
                screen=screen,
            )

        return BatchFunction(annotate, records_at_once())

    def _job(self, view: RecordView, reference: np.ndarray) -> StyleJob:
        height, width = area_size(*size_of(view["target"]), self.resolution, MULTIPLE, enlarge=True)
        return StyleJob(resize_edges(view["canny"], height, width), reference, prompt_of(view.text))
