"""Fill the masked cells of grids: FLUX on stock parts, with any set of cells, several shapes, and a seed a grid.

Given the same latents it computes what diffusers' ``VisualClozePipeline`` does where that is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pydantic import Field

from sampler.grid import Grid
from trainer.flow import draw_noise
from trainer.generation_models import GenerationModels
from trainer.latents import Conditions
from trainer.packing import GridShape, token_count
from trainer.predict import transformer_inputs
from trainer.prompts import PromptEmbeds
from trainer.sampling import inference_sigmas, integrate
from trainer.settings import Settings

_TOKEN_CHANNELS = 64


class GenerationSettings(Settings):
    """How cells are generated."""

    steps: int = Field(default=30, ge=1)
    """Steps of Euler's method."""
    guidance: float = Field(default=30.0, ge=0)
    """What the model is told; 30 in the release, although it trains with 1."""
    batch: int = Field(default=1, ge=1)
    """Most grids at a time; only grids of one shape go together. It costs memory and changes rounding alone."""


def generate(
    models: GenerationModels,
    grids: Sequence[Grid],
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: GenerationSettings,
) -> list[Grid]:
    """Return grids with their masked cells generated, and all other pixels as they were given.

    Parameters
    ----------
    models
        What to run.
    grids
        Of any shapes, with any cells masked; what stands in those is not looked at.
    prompts
        One a grid; see :class:`sampler.instructions.Instructions`.
    seeds
        One a grid, from which its latents and noise are drawn, whatever stands beside it.
    settings
        Steps, guidance, batch.

    Raises
    ------
    ValueError
        If the lists differ in length, or if a grid has nothing to generate.
    """
    if not len(grids) == len(prompts) == len(seeds):
        raise ValueError(f"{len(grids)} grids, {len(prompts)} prompts and {len(seeds)} seeds; expected as many of each")
    if not all(grid.masked.any() for grid in grids):
        raise ValueError("a grid has no masked cell, so there is nothing to generate")
    made: dict[int, Grid] = {}
    for numbers in batches_of_one_shape([grid.shape for grid in grids], settings.batch):
        batch = [grids[number] for number in numbers]
        embeds = encode_prompts(models, [prompts[number] for number in numbers])
        filled = _generate_batch(models, batch, embeds, [seeds[number] for number in numbers], settings)
        made |= dict(zip(numbers, filled, strict=True))
    return [made[number] for number in range(len(grids))]


def batches_of_one_shape(shapes: Sequence[GridShape], size: int) -> list[list[int]]:
    """Return positions of grids in batches of at most ``size``, all of a batch of one shape, in order of appearance.

    Examples
    --------
    >>> square, wide = (2, ((16, 16),)), (2, ((16, 32),))
    >>> batches_of_one_shape([square, wide, square, square], 2)
    [[0, 2], [3], [1]]
    """
    groups: dict[GridShape, list[int]] = {}
    for number, shape in enumerate(shapes):
        groups.setdefault(shape, []).append(number)
    return [group[start : start + size] for group in groups.values() for start in range(0, len(group), size)]


def encode_prompts(models: GenerationModels, prompts: Sequence[str]) -> PromptEmbeds:
    """Return the embeddings of prompts on the transformer's device."""
    with models.text_at_work():
        return models.prompts.encode(prompts).to(models.device)


@torch.no_grad()
def denoise(
    models: GenerationModels,
    latents: torch.Tensor,
    conditions: Conditions,
    embeds: PromptEmbeds,
    sigmas: torch.Tensor,
    guidance: float,
) -> torch.Tensor:
    """Return clean latents, float32, B×n×64, from noisy ones at noise level ``sigmas[0]``.

    The dev variant is shown its conditions anew, clean, at every step.
    """
    conditions = conditions.to(models.device)

    def velocity(noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        inputs = transformer_inputs(
            models.transformer, noisy, sigma.expand(len(noisy)), conditions, embeds, guidance=guidance
        )
        predicted: torch.Tensor = models.transformer(**inputs, return_dict=False)[0]
        return predicted

    with models.transformer_at_work():
        return integrate(velocity, latents.to(models.device), sigmas)


def _generate_batch(
    models: GenerationModels,
    grids: Sequence[Grid],
    embeds: PromptEmbeds,
    seeds: Sequence[int],
    settings: GenerationSettings,
) -> list[Grid]:
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    with models.codec_at_work():
        conditions = models.grids.conditions(grids, generators)
    shape, tokens = conditions.shape, token_count(conditions.shape)
    noise = draw_noise(generators, tokens, _TOKEN_CHANNELS)
    sigmas = inference_sigmas(settings.steps, tokens)
    latents = denoise(models, noise, conditions, embeds, sigmas, settings.guidance)
    # Context rows are made too, but nobody wants them.
    wanted = [row for row in range(len(shape[1])) if any(grid.masked[row].any() for grid in grids)]
    with models.codec_at_work():
        pictures = models.grids.decode(latents, shape, wanted)
    return [_filled(grid, dict(zip(wanted, rows, strict=True))) for grid, rows in zip(grids, pictures, strict=True)]


def _filled(grid: Grid, pictures: Mapping[int, np.ndarray]) -> Grid:
    """Return a grid with the masked cells of some rows out of ``pictures`` of these rows."""
    rows = tuple(
        np.where(grid.pixel_mask(number)[..., None], pictures[number], row) if number in pictures else row.copy()
        for number, row in enumerate(grid.rows)
    )
    return Grid(rows, grid.masked)
