"""A small FLUX.1-Fill with toy text, and its training from scratch: all weights, no LoRA."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from diffusers import FluxTransformer2DModel

from benchmarks.toy_tasks import TASKS, ToyBatch, ToyStream
from graph200k.seeds import derive_seed
from trainer.ema import ExponentialAverage
from trainer.flow import FlowSettings
from trainer.generation_models import GenerationModels
from trainer.latents import GridEncoder
from trainer.prompts import PromptEmbeds
from trainer.step import Model, Prepared, losses_at, training_losses

FLOW = FlowSettings(loss_on="masked", logit_mean=0.8)
"""Noisier than FLUX's: where little is seen of a cell, its conditions matter most."""
CPU = torch.device("cpu")
LEVELS = (0.25, 0.5, 0.75, 1.0)
"""Noise levels that losses are measured at. The last is noise alone, where generation begins: what a model knows of a
cell there, it knows from conditions, examples and instruction."""
_TEXT_WIDTH = 32
_CONTEXTS = (0, 1, 2)


class ToyPrompts:
    """Stands for T5 and CLIP: a fixed random vector for each text, one token long, and 0 for no text."""

    def encode(self, prompts: Sequence[str]) -> PromptEmbeds:
        """Return the embeddings of ``prompts``."""
        vectors = torch.stack([_vector(prompt) for prompt in prompts])
        return PromptEmbeds(vectors[:, None], vectors)


def _vector(prompt: str) -> torch.Tensor:
    if not prompt:
        return torch.zeros(_TEXT_WIDTH)
    return torch.randn(_TEXT_WIDTH, generator=torch.Generator().manual_seed(zlib.crc32(prompt.encode())))


def prompts_of(batch: ToyBatch) -> list[str]:
    """Return the prompt of each grid, "" where the instruction is withheld."""
    return [TASKS[task].name if told else "" for task, told in zip(batch.tasks, batch.instructed, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How large the model is, and how it is trained."""

    width: int = 192
    double_blocks: int = 1
    single_blocks: int = 4
    steps: int = 12_000
    batch: int = 16
    learning_rate: float = 3e-3
    warmup: int = 100
    ema_decay: float = 0.998
    instructed: float = 0.3
    """Share of the samples whose task is told."""
    seed: int = 0


def make_transformer(recipe: Recipe) -> FluxTransformer2DModel:
    """Return an untrained FLUX.1-Fill with the weights that diffusers draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return FluxTransformer2DModel(
            in_channels=384,
            out_channels=64,
            num_layers=recipe.double_blocks,
            num_single_layers=recipe.single_blocks,
            attention_head_dim=32,
            num_attention_heads=recipe.width // 32,
            joint_attention_dim=_TEXT_WIDTH,
            pooled_projection_dim=_TEXT_WIDTH,
            guidance_embeds=False,
            axes_dims_rope=(8, 12, 12),
        )


class ToyModel:
    """A transformer with its encoders.

    Parameters
    ----------
    transformer
        Of :func:`make_transformer`.
    grids
        Encoder of grids.
    """

    def __init__(self, transformer: FluxTransformer2DModel, grids: GridEncoder) -> None:
        self.transformer = transformer
        self.grids = grids
        self.model = Model(transformer, transformer)

    @property
    def generation_models(self) -> GenerationModels:
        """Return what :func:`trainer.generation.generate` runs."""
        return GenerationModels(transformer=self.transformer, grids=self.grids, prompts=ToyPrompts(), device=CPU)

    def prepare(self, batch: ToyBatch, *seeds: str | int) -> Prepared:
        """Return a batch as the transformer takes it."""
        generators = [
            torch.Generator().manual_seed(derive_seed(*seeds, place)) for place in range(len(batch.grids))
        ]  # fmt: skip
        conditions = self.grids.conditions(batch.grids, generators)
        clean = self.grids.targets(batch.grids, conditions, generators)
        return Prepared(conditions, ToyPrompts().encode(prompts_of(batch)), clean, generators)

    @torch.no_grad()
    def masked_losses(self, batches: Sequence[ToyBatch], *, swapped: bool = False) -> np.ndarray:
        """Return the losses of masked cells at each of :data:`LEVELS`, with fixed noise.

        ``swapped`` shows each sample the conditions, all cells that are not masked, of its neighbour in the batch.
        """
        losses = np.zeros((len(batches), len(LEVELS)))
        for number, batch in enumerate(batches):
            for place, sigma in enumerate(LEVELS):
                prepared = self.prepare(batch, "evaluation", number)
                if swapped:
                    shown = prepared.conditions.masked_latents.roll(1, dims=0)
                    prepared = replace(prepared, conditions=replace(prepared.conditions, masked_latents=shown))
                sigmas = torch.full((len(batch.grids),), sigma)
                losses[number, place] = losses_at(self.model, prepared, sigmas, FLOW).mean().item()
        return losses.mean(axis=0)


def learning_rate(step: int, recipe: Recipe) -> float:
    """Return the learning rate of a step: a warm-up, then half a cosine down to 0."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def train(
    model: ToyModel,
    stream: ToyStream,
    recipe: Recipe,
    evaluate: Callable[[int], None],
    *,
    every: int,
) -> list[float]:
    """Train in place and leave the moving average in the weights; return the loss of each step.

    Parameters
    ----------
    model
        To train.
    stream
        To learn from; 0, 1 and 2 contexts take turns.
    recipe
        See :class:`Recipe`.
    evaluate
        Called with the number of steps done, after every ``every`` of them, while the weights are the average.
    every
        See ``evaluate``.
    """
    parameters = dict(model.transformer.named_parameters())
    optimiser = torch.optim.AdamW(parameters.values(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    ema = ExponentialAverage(parameters, recipe.ema_decay)
    losses: list[float] = []
    for step in range(recipe.steps):
        batch = stream.batch(step, recipe.batch, _CONTEXTS[step % len(_CONTEXTS)], recipe.instructed)
        loss = training_losses(model.model, model.prepare(batch, "train", recipe.seed, step), FLOW).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimiser.param_groups[0]["lr"] = learning_rate(step, recipe)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        ema.update()
        losses.append(loss.item())
        if (step + 1) % every == 0 or step + 1 == recipe.steps:
            with ema.applied():
                evaluate(step + 1)
    model.transformer.load_state_dict({name: value for name, value in ema.state_dict().items() if name in parameters})
    return losses
