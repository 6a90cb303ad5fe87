"""FLUX.1's tools (Black Forest Labs, 2024): Fill, Depth, and Redux, which share text encoders and VAE."""

from __future__ import annotations

import filecmp
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from annotators.generative import (
    GenerativeAnnotator,
    Running,
    batch_size,
    in_batches,
    loading_options,
    settle_pipeline,
)
from annotators.pretrained import bfloat16_placement, loading
from annotators.threads import one_thread

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline, FluxControlPipeline, FluxFillPipeline, FluxPriorReduxPipeline

MULTIPLE = 16
"""Sides of a picture are multiples of this: 8 pixels a latent, 2 latents a token."""

FAMILY = "flux"
"""Name of the family of annotators that share these models on one worker."""

_AT_ONCE = 4
"""Pictures at once on a GPU."""
_SHARED = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")


@dataclass(frozen=True, slots=True)
class FillJob:
    """A picture to be filled in."""

    image: np.ndarray
    """uint8, H×W×3, sides multiples of 16."""
    mask: np.ndarray
    """bool, H×W: what is painted anew."""
    prompt: str


@dataclass(frozen=True, slots=True)
class DepthJob:
    """A picture to be made."""

    depth: np.ndarray
    """uint8, H×W, near is bright; sides multiples of 16."""
    prompt: str = ""
    reference: np.ndarray | None = None
    """uint8, h×w×3: a picture that Redux describes, beside the prompt."""
    reference_scale: float = 1.0
    """Weight of that description."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a picture is denoised."""

    steps: int
    guidance: float


@dataclass(frozen=True, kw_only=True)
class FluxAnnotator(GenerativeAnnotator):
    """Base of annotators that run FLUX.1's tools."""

    quantised: bool = False
    """Whether transformer and T5 are loaded in nf4, for GPUs of 24 GB; needs bitsandbytes."""

    @property
    def running(self) -> Running:
        """Return how its pipelines run."""
        return replace(super().running, quantised=self.quantised)


def load_fill(name: str, folder: Path, running: Running) -> Callable[..., list[np.ndarray]]:
    """Return a function from jobs (:class:`FillJob`), a seed for each, and a :class:`Sampling`, to pictures.

    What comes out has the size of its job, and was painted anew everywhere: what is to stay must be put back.
    """
    return make_fill(_load_pipeline("FluxFillPipeline", name, folder, running))


def make_fill(pipeline: FluxFillPipeline) -> Callable[..., list[np.ndarray]]:
    """Return the function of :func:`load_fill` on a pipeline."""
    size = batch_size(_AT_ONCE)

    def fill(jobs: Sequence[FillJob], seeds: Sequence[int], sampling: Sampling) -> list[np.ndarray]:
        def run(some: Sequence[FillJob], generators: list[torch.Generator]) -> Sequence[np.ndarray]:
            return _fill(pipeline, some, generators, sampling)

        return in_batches(jobs, seeds, lambda job: job.image.shape, run, size)

    return fill


def _fill(
    pipeline: FluxFillPipeline, jobs: Sequence[FillJob], generators: list[torch.Generator], sampling: Sampling
) -> Sequence[np.ndarray]:
    inputs = {
        "prompt": [job.prompt for job in jobs],
        "image": [Image.fromarray(job.image) for job in jobs],
        "mask_image": [Image.fromarray(job.mask.astype(np.uint8) * 255) for job in jobs],
    }
    with one_thread():
        return _pictures(pipeline, inputs, jobs[0].image.shape[:2], generators, sampling)


def load_depth(
    name: str, folder: Path, running: Running, *, redux: tuple[str, Path] | None = None
) -> Callable[..., list[np.ndarray]]:
    """Return a function from jobs (:class:`DepthJob`), a seed for each, and a :class:`Sampling`, to pictures.

    ``redux`` is name and folder of the model that describes references; jobs without one need none.
    """
    pipeline = _load_pipeline("FluxControlPipeline", name, folder, running)
    return make_depth(pipeline, None if redux is None else _load_pipeline("FluxPriorReduxPipeline", *redux, running))


def make_depth(
    pipeline: FluxControlPipeline, describe: FluxPriorReduxPipeline | None
) -> Callable[..., list[np.ndarray]]:
    """Return the function of :func:`load_depth` on pipelines."""
    size = batch_size(_AT_ONCE)

    def shape(job: DepthJob) -> tuple[int, ...]:
        return (*job.depth.shape, job.reference is not None)  # a reference makes more tokens

    def generate(jobs: Sequence[DepthJob], seeds: Sequence[int], sampling: Sampling) -> list[np.ndarray]:
        def run(some: Sequence[DepthJob], generators: list[torch.Generator]) -> Sequence[np.ndarray]:
            return _generate(pipeline, describe, some, generators, sampling)

        return in_batches(jobs, seeds, shape, run, size)

    return generate


def _generate(
    pipeline: FluxControlPipeline,
    describe: FluxPriorReduxPipeline | None,
    jobs: Sequence[DepthJob],
    generators: list[torch.Generator],
    sampling: Sampling,
) -> Sequence[np.ndarray]:
    import torch

    with one_thread(), torch.inference_mode():
        embeds, pooled = _condition(pipeline, describe, jobs)
        control = [Image.fromarray(job.depth).convert("RGB") for job in jobs]
        inputs = {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled, "control_image": control}
        return _pictures(pipeline, inputs, jobs[0].depth.shape, generators, sampling)


def _condition(
    pipeline: FluxControlPipeline, describe: FluxPriorReduxPipeline | None, jobs: Sequence[DepthJob]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return T5's tokens, followed by those of Redux, and CLIP's vector, for each job.

    Redux' own pipeline adds up the descriptions of all pictures of a batch into one; hence its parts are called here.
    Without a prompt there are zeros in its place, as in that pipeline.
    """
    import torch

    device, _ = bfloat16_placement()
    embeds, pooled, _ = pipeline.encode_prompt([job.prompt for job in jobs], device=device)
    has_prompt = torch.tensor([bool(job.prompt) for job in jobs], device=device)
    embeds, pooled = embeds * has_prompt[:, None, None], pooled * has_prompt[:, None]
    references = [job.reference for job in jobs if job.reference is not None]
    if not references:
        return embeds, pooled
    assert describe is not None and len(references) == len(jobs)
    seen = describe.encode_image([Image.fromarray(reference) for reference in references], device, 1)
    described = describe.image_embedder(seen).image_embeds.to(embeds.dtype)
    scales = torch.tensor([job.reference_scale for job in jobs], device=device, dtype=embeds.dtype)
    return torch.cat([embeds, described * scales[:, None, None]], dim=1), pooled


def _pictures(
    pipeline: DiffusionPipeline,
    inputs: Mapping[str, Any],
    size: tuple[int, ...],
    generators: list[torch.Generator],
    sampling: Sampling,
) -> Sequence[np.ndarray]:
    """Return the pictures of one size that a pipeline makes; not a number, from an overflow, becomes black."""
    height, width = size
    made = pipeline(
        **inputs,
        height=height,
        width=width,
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.guidance,
        generator=generators,
        output_type="np",
    ).images
    return list(np.rint(np.nan_to_num(made).clip(0, 1) * 255).astype(np.uint8))


@functools.cache
def _loaded() -> dict[tuple[str, Path, Running], DiffusionPipeline]:
    """Return the pipelines of this process: a worker runs the annotators of one stage, which share them."""
    return {}


def _load_pipeline(kind: str, name: str, folder: Path, running: Running) -> Any:
    """Return a pipeline of diffusers, the very one if it is loaded; parts equal to another's are that one's."""
    found = _loaded()
    key = (kind, folder, running)
    if key not in found:
        with loading(name, folder):
            import diffusers

            cls = getattr(diffusers, kind)
            if kind == "FluxPriorReduxPipeline":
                # Its text encoders are Depth's, which is asked for prompts; it would load them a second time.
                parts = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"))
                _, dtype = bfloat16_placement()
                pipeline = cls.from_pretrained(folder, dtype=dtype, use_safetensors=True, **parts)
                settle_pipeline(pipeline, Running(offload=running.offload), "")
            else:
                options = loading_options(running)
                pipeline = cls.from_pretrained(
                    folder, use_safetensors=True, **options, **_shared_parts(folder, running)
                )
                settle_pipeline(pipeline, running, "transformer")
        found[key] = pipeline
    return found[key]


def _shared_parts(folder: Path, running: Running) -> dict[str, Any]:
    """Return the parts of a pipeline that another one of this process has, by name.

    Not where they are moved to and fro: each pipeline moves its own.
    """
    parts: dict[str, Any] = {}
    for (_, other, how), pipeline in _loaded().items():
        if how == running and not running.offload:
            parts |= {
                part: getattr(pipeline, part)
                for part in _SHARED
                if part not in parts and hasattr(pipeline, part) and _is_same(folder / part, other / part)
            }
    return parts


def _is_same(first: Path, second: Path) -> bool:
    """Return whether two folders hold the same files: reading 10 GB takes no longer than loading them twice would."""
    names = sorted(path.name for path in first.iterdir()) if first.is_dir() and second.is_dir() else []
    if not names or names != sorted(path.name for path in second.iterdir()):
        return False
    _, differing, errors = filecmp.cmpfiles(first, second, names, shallow=False)
    return not differing and not errors
