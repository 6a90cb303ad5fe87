"""Batches of mixed grid shapes, padded to the largest as the release does, beside batches of one shape."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence

import torch
from diffusers import FluxTransformer2DModel

from benchmarks.flux_sizes import Shape, Size, random_samples
from trainer.predict import transformer_inputs

SHAPES: tuple[Shape, ...] = tuple((contexts + 1, columns) for contexts in (0, 1, 2) for columns in (2, 3, 4))
"""Grids of the paper: up to two examples, two to four images in a row."""
BATCH = 8
_ROUNDS = 3

Clock = Callable[[Callable[[], object]], float]
"""From what is to be done to the seconds it takes."""


def padded_beside_buckets(transformer: FluxTransformer2DModel, size: Size, device: torch.device, clock: Clock) -> float:
    """Return how many times as long padded batches take for the same samples, forward and backward.

    In a round each shape comes ``BATCH`` times, in batches of its own, or shuffled into batches of all shapes.
    """
    buckets = [[shape] * BATCH for shape in SHAPES]
    order = random.Random(0)
    ratios = []
    for _ in range(_ROUNDS):
        deck = [shape for bucket in buckets for shape in bucket]
        order.shuffle(deck)
        mixed = [deck[start : start + BATCH] for start in range(0, len(deck), BATCH)]
        ours, padded = (
            sum(clock(_forward_backward(transformer, size, shapes, device)) for shapes in batches)
            for batches in (buckets, mixed)
        )
        ratios.append(padded / ours)
    return statistics.median(ratios)


def _forward_backward(
    transformer: FluxTransformer2DModel, size: Size, shapes: Sequence[Shape], device: torch.device
) -> Callable[[], object]:
    """Return forward and backward of one batch; tokens that pad a sample are seen by none and count for nothing."""
    largest = max(shapes, key=_cells)
    samples = random_samples(size, largest, transformer, len(shapes), device)
    tokens = samples.image_tokens // _cells(largest)
    real = torch.tensor([_cells(shape) * tokens for shape in shapes], device=device)
    counts = (torch.arange(samples.image_tokens, device=device) < real[:, None]).float()
    sigmas = torch.full((len(shapes),), 0.5)
    inputs = transformer_inputs(
        transformer, samples.clean, sigmas, samples.conditions, samples.prompts, guidance=1.0
    )  # fmt: skip
    seen = torch.cat([torch.ones(len(shapes), samples.text_tokens, device=device), counts], dim=1).bool()
    # One shape needs no mask, and attention without one has faster kernels.
    masking = None if len(set(shapes)) == 1 else {"attention_mask": seen[:, None, None]}

    def step() -> None:
        prediction = transformer(**inputs, joint_attention_kwargs=masking, return_dict=False)[0]
        errors = (prediction.float() - samples.clean.float()).square().mean(dim=2)
        ((errors * counts).sum(dim=1) / counts.sum(dim=1)).mean().backward()
        transformer.zero_grad(set_to_none=True)

    return step


def _cells(shape: Shape) -> int:
    return shape[0] * shape[1]
