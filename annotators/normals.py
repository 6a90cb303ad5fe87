"""Surface normals from one image, by Marigold (B. Ke et al., arXiv 2505.09358), a diffusion model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.pretrained import PretrainedAnnotator, batched, loading, placement, settled
from annotators.threads import one_thread

if TYPE_CHECKING:
    from diffusers import MarigoldNormalsPipeline

_AT_ONCE = 4
"""Pictures that a GPU of 24 GB carries beside the other networks of the preset `paper`."""


@ANNOTATORS.register("normal")
@dataclass(frozen=True, kw_only=True)
class Normal(PretrainedAnnotator):
    """Normals as colours: red looks left, green up, blue to the camera."""

    name = "normal"
    produces = ("normal",)
    pretrained = "normal"
    resources = Resources(gpus=0.1, memory_mb=7000, time_limit_s=600.0)

    steps: int = 4
    """Denoising steps, as its authors advise."""
    processing_resolution: int = 768
    """Size at which it works, in pixels of the long side."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that colours normals."""
        pipeline = load_pipeline(self.pretrained, self.folder(), compiled=self.compiled)

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            found: dict[int, np.ndarray] = {}
            # The pipeline takes several pictures if they are of one size.
            for positions in _of_one_size([view["target"].shape for view in views]):
                pictures = [Image.fromarray(views[position]["target"]) for position in positions]
                normals = self._normals(pipeline, pictures, [rngs[position] for position in positions])
                found.update(zip(positions, normals, strict=True))
            return [[Annotation("normal", normal_map(found[position]))] for position in range(len(views))]

        return batched(annotate, _AT_ONCE)

    def _normals(
        self, pipeline: MarigoldNormalsPipeline, pictures: list[Image.Image], rngs: Sequence[np.random.Generator]
    ) -> np.ndarray:
        """Return the normals (N×H×W×3) of pictures of one size."""
        import torch

        with one_thread():
            return pipeline(
                pictures,
                num_inference_steps=self.steps,
                processing_resolution=self.processing_resolution,
                batch_size=len(pictures),
                # On the CPU on every machine: the noise then is the same whatever the GPU.
                generator=[torch.Generator().manual_seed(int(rng.integers(2**63))) for rng in rngs],
            ).prediction


def normal_map(normals: np.ndarray) -> np.ndarray:
    """Return unit vectors (float, H×W×3: x right, y up, z to the camera) as colours (uint8, H×W×3, RGB).

    The public Graph200K release has x to the left (it used DSINE), so x is turned round.

    Examples
    --------
    >>> normal_map(np.array([[[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]]])).tolist()
    [[[128, 128, 255], [255, 128, 128]]]
    """
    turned = normals * np.array([-1.0, 1.0, 1.0])
    return np.rint(np.clip((turned + 1.0) * 127.5, 0, 255)).astype(np.uint8)


def _of_one_size(shapes: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Return positions grouped by shape."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, shape in enumerate(shapes):
        groups.setdefault(shape, []).append(position)
    return list(groups.values())


def load_pipeline(name: str, folder: Path, *, compiled: bool = False) -> MarigoldNormalsPipeline:
    """Return Marigold's pipeline, silent."""
    with loading(name, folder):
        from diffusers import MarigoldNormalsPipeline

        device, dtype = placement()
        pipeline = MarigoldNormalsPipeline.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline = pipeline.to(device)
    pipeline.unet = settled(pipeline.unet, compiled=compiled)
    return pipeline
