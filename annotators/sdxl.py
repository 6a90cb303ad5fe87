"""InstantStyle (H. Wang et al., 2024, arXiv 2404.02733): SDXL with an IP-Adapter in the one block that sees style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from annotators.generative import Running, batch_size, in_batches, settle_pipeline
from annotators.pretrained import bfloat16_placement, loading
from annotators.threads import one_thread

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionXLControlNetPipeline

MULTIPLE = 64
"""Sides of a picture are multiples of this, as SDXL saw them."""

STYLE_BLOCK = {"up": {"block_0": [0.0, 1.0, 0.0]}}
"""The block that carries style, by InstantStyle's analysis, at full scale; all others get nothing of the reference."""

_AT_ONCE = 4
_ADAPTER_FOLDER = "sdxl_models"
_ADAPTER_FILE = "ip-adapter_sdxl.safetensors"


@dataclass(frozen=True, slots=True)
class StyleJob:
    """A picture to be stylised."""

    structure: np.ndarray
    """uint8, H×W: Canny's edges; sides multiples of 64."""
    reference: np.ndarray
    """uint8, h×w×3: what it shall look like."""
    prompt: str


@dataclass(frozen=True, slots=True)
class StyleSampling:
    """How a picture is denoised."""

    steps: int
    guidance: float
    style_scale: float
    """Weight of the reference in the style block."""
    structure_scale: float
    """Weight of the ControlNet."""
    negative_prompt: str


def load_style_pipeline(
    folders: dict[str, Path], running: Running
) -> tuple[StableDiffusionXLControlNetPipeline, Callable[..., list[np.ndarray]]]:
    """Return the pipeline, and a function from jobs (:class:`StyleJob`), a seed for each, and how, to pictures.

    ``folders`` holds those of ``sdxl``, ``sdxl_canny`` and ``ip_adapter``.
    """
    _, dtype = bfloat16_placement()
    with loading("sdxl_canny", folders["sdxl_canny"]):
        from diffusers import ControlNetModel, StableDiffusionXLControlNetPipeline

        controlnet = ControlNetModel.from_pretrained(folders["sdxl_canny"], dtype=dtype, use_safetensors=True)
    with loading("sdxl", folders["sdxl"]):
        pipeline = StableDiffusionXLControlNetPipeline.from_pretrained(
            folders["sdxl"], controlnet=controlnet, dtype=dtype, use_safetensors=True, add_watermarker=False
        )
    with loading("ip_adapter", folders["ip_adapter"]):
        pipeline.load_ip_adapter(str(folders["ip_adapter"]), subfolder=_ADAPTER_FOLDER, weight_name=_ADAPTER_FILE)
    settle_pipeline(pipeline, running, "unet")
    return pipeline, make_stylise(pipeline)


def make_stylise(pipeline: StableDiffusionXLControlNetPipeline) -> Callable[..., list[np.ndarray]]:
    """Return the function of :func:`load_style_pipeline` on a pipeline with its adapter."""
    size = batch_size(_AT_ONCE)

    def stylise(jobs: Sequence[StyleJob], seeds: Sequence[int], sampling: StyleSampling) -> list[np.ndarray]:
        pipeline.set_ip_adapter_scale(_scaled(sampling.style_scale))

        def run(some: Sequence[StyleJob], generators: list[torch.Generator]) -> Sequence[np.ndarray]:
            return _stylise(pipeline, some, generators, sampling)

        return in_batches(jobs, seeds, lambda job: job.structure.shape, run, size)

    return stylise


def _scaled(scale: float) -> dict[str, dict[str, list[float]]]:
    return {
        part: {block: [scale * weight for weight in weights] for block, weights in blocks.items()}
        for part, blocks in STYLE_BLOCK.items()
    }


def _stylise(
    pipeline: StableDiffusionXLControlNetPipeline,
    jobs: Sequence[StyleJob],
    generators: list[torch.Generator],
    sampling: StyleSampling,
) -> Sequence[np.ndarray]:
    import torch

    height, width = jobs[0].structure.shape
    with one_thread(), torch.inference_mode():
        images = pipeline(
            prompt=[job.prompt for job in jobs],
            negative_prompt=[sampling.negative_prompt] * len(jobs),
            image=[Image.fromarray(job.structure).convert("RGB") for job in jobs],
            ip_adapter_image_embeds=[_embed(pipeline, jobs)],
            height=height,
            width=width,
            num_inference_steps=sampling.steps,
            guidance_scale=sampling.guidance,
            controlnet_conditioning_scale=sampling.structure_scale,
            generator=generators,
            output_type="np",
        ).images
    return list(np.rint(np.nan_to_num(images).clip(0, 1) * 255).astype(np.uint8))


def _embed(pipeline: StableDiffusionXLControlNetPipeline, jobs: Sequence[StyleJob]) -> torch.Tensor:
    """Return embeddings of the references (2·N×1×channels), those of no picture first.

    Given several pictures, the pipeline would take them for several references of each.
    """
    import torch

    references = [Image.fromarray(job.reference) for job in jobs]
    seen, unseen = pipeline.encode_image(references, pipeline._execution_device, 1, None)
    return torch.cat([unseen, seen])[:, None]
