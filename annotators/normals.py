"""Surface normals from one image, by Marigold (B. Ke et al., arXiv 2505.09358), a diffusion model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Resources
from annotators.pretrained import PretrainedAnnotator, loading, placement
from annotators.threads import one_thread

if TYPE_CHECKING:
    from diffusers import MarigoldNormalsPipeline


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
        pipeline = load_pipeline(self.pretrained, self.folder())

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            import torch

            with one_thread():
                (normals,) = pipeline(
                    Image.fromarray(images["target"]),
                    num_inference_steps=self.steps,
                    processing_resolution=self.processing_resolution,
                    # On the CPU on every machine: the noise then is the same whatever the GPU.
                    generator=torch.Generator().manual_seed(int(rng.integers(2**63))),
                ).prediction
            return [Annotation("normal", normal_map(normals))]

        return annotate


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


def load_pipeline(name: str, folder: Path) -> MarigoldNormalsPipeline:
    """Return Marigold's pipeline, silent."""
    with loading(name, folder):
        from diffusers import MarigoldNormalsPipeline

        device, dtype = placement()
        pipeline = MarigoldNormalsPipeline.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)
