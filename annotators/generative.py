"""What annotators that generate pictures share: how often they try, what passes, and how their pipelines run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from annotators.batching import BatchSize
from annotators.pretrained import PretrainedAnnotator, bfloat16_placement, placement
from annotators.screening import Screen, load_clip, load_nsfw_filter
from graph200k.errors import PlanError

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

J = TypeVar("J")

_OFF_NSFW, _OFF_CLIP = 1.0, 0.0
_RECORDS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Running:
    """How a pipeline of diffusers is run."""

    quantised: bool = False
    """Whether transformer and T5 are loaded in nf4 (4 bits a weight), by bitsandbytes."""
    offload: bool = False
    """Whether each network is on the GPU only while it works."""
    compiled: bool = False
    """Whether torch compiles the denoising network, on GPUs."""


@dataclass(frozen=True, kw_only=True)
class GenerativeAnnotator(PretrainedAnnotator):
    """Base of annotators that generate pictures."""

    companions: ClassVar[tuple[str, ...]] = ("nsfw",)

    tries: int = 3
    """Most pictures made of one variant; after that it is missing."""
    max_nsfw: float = _OFF_NSFW
    """Probability of not being safe for work above which a picture is rejected; at 1 no filter is loaded."""
    offload: bool = field(default=False, metadata={"parameter": False})
    """Whether networks wait in the machine's memory while others work, for GPUs of 24 GB."""

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise PlanError(f"{self.name}: tries = {self.tries}; expected 1 or more")

    @property
    def models_used(self) -> tuple[str, ...]:
        """Return the names of its models, without those of gates that are off."""
        return tuple(name for name in self.model_names() if name != "nsfw" or self.max_nsfw < _OFF_NSFW)

    @property
    def running(self) -> Running:
        """Return how its pipelines run."""
        return Running(offload=self.offload, compiled=self.compiled)

    def screen(self) -> Screen:
        """Return the gates that models hold, as far as they are on."""
        is_on = "nsfw" in self.models_used
        return Screen(load_nsfw_filter("nsfw", self.folder("nsfw")) if is_on else None, self.max_nsfw)


@dataclass(frozen=True, kw_only=True)
class PromptedAnnotator(GenerativeAnnotator):
    """Base of annotators that generate what a prompt says."""

    companions: ClassVar[tuple[str, ...]] = ("nsfw", "clip")

    min_agreement: float = _OFF_CLIP
    """Cosine of picture and prompt in CLIP below which a picture is rejected (0.2 is lenient); at 0 none is loaded."""

    @property
    def models_used(self) -> tuple[str, ...]:
        """Return the names of its models, without those of gates that are off."""
        return tuple(name for name in super().models_used if name != "clip" or self.min_agreement > _OFF_CLIP)

    def screen(self) -> Screen:
        """Return the gates that models hold, as far as they are on."""
        is_on = "clip" in self.models_used
        agreement = load_clip("clip", self.folder("clip")) if is_on else None
        return replace(super().screen(), agreement=agreement, min_agreement=self.min_agreement)


def settle_pipeline(pipeline: DiffusionPipeline, running: Running, network: str) -> None:
    """Put a pipeline where it runs, quietly; ``network`` is its attribute with the denoising network."""
    import torch

    device, _ = bfloat16_placement()
    pipeline.set_progress_bar_config(disable=True)
    if running.offload and device.type == "cuda":
        pipeline.enable_model_cpu_offload()
    elif not running.quantised:
        pipeline.to(device)
    if running.compiled and device.type == "cuda":
        setattr(pipeline, network, torch.compile(getattr(pipeline, network)))


def loading_options(running: Running) -> dict[str, Any]:
    """Return what ``from_pretrained`` of a pipeline takes to load it that way."""
    _, dtype = bfloat16_placement()
    options: dict[str, Any] = {"dtype": dtype}
    if running.quantised:
        from diffusers import PipelineQuantizationConfig

        options["quantization_config"] = PipelineQuantizationConfig(
            quant_backend="bitsandbytes_4bit",
            quant_kwargs={"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype},
            components_to_quantize=["transformer", "text_encoder_2"],
        )
        options["device_map"] = "cuda"
    return options


def in_batches(
    jobs: Sequence[J],
    seeds: Sequence[int],
    shape: Callable[[J], tuple[int, ...]],
    run: Callable[[Sequence[J], list[torch.Generator]], Sequence[np.ndarray]],
    size: BatchSize,
) -> list[np.ndarray]:
    """Return what a pipeline makes of jobs, in order, those of one shape together, as many as fit into memory.

    Each job has a generator of its own, on the CPU whatever the pipeline runs on, so that its noise depends neither on
    the GPU nor on who is in a batch with it.
    """
    import torch

    groups: dict[tuple[int, ...], list[int]] = {}
    for position, job in enumerate(jobs):
        groups.setdefault(shape(job), []).append(position)
    made: dict[int, np.ndarray] = {}
    for positions in groups.values():

        def at_once(some: Sequence[int]) -> Sequence[np.ndarray]:
            generators = [torch.Generator().manual_seed(seeds[position]) for position in some]
            return run([jobs[position] for position in some], generators)

        made.update(zip(positions, size.map(positions, at_once), strict=True))
    return [made[position] for position in range(len(jobs))]


def records_at_once() -> int:
    """Return how many records are worth handing over together: with their variants, some batches of pictures."""
    return _RECORDS_AT_ONCE if placement()[0].type == "cuda" else 1


def batch_size(on_gpu: int) -> BatchSize:
    """Return how many pictures are made at once: so many on a GPU, one on a CPU, which gains nothing from more."""
    return BatchSize(on_gpu if placement()[0].type == "cuda" else 1)
