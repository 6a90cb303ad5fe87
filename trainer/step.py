"""One micro-batch: from a batch of grids to the loss of each sample (paper, Sec. 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import FluxTransformer2DModel

from graph200k.seeds import derive_seed
from sampler.batch import Batch
from sampler.samples import Sample
from trainer.flow import FlowSettings, add_noise, draw_noise, draw_sigmas, sample_losses, velocity
from trainer.latents import Conditions, GridEncoder
from trainer.packing import token_count
from trainer.predict import transformer_inputs
from trainer.prompts import PromptEmbeds, PromptEncoder


@dataclass(frozen=True)
class Encoders:
    """The frozen encoders of pictures and of prompts."""

    grids: GridEncoder
    prompts: PromptEncoder


@dataclass(frozen=True)
class Model:
    """A transformer, and what is called to run it."""

    transformer: FluxTransformer2DModel
    run: torch.nn.Module
    """The transformer itself, or what wraps it so that its gradients are averaged over the ranks."""


@dataclass(frozen=True)
class Prepared:
    """B samples as the model takes them, on the model's device."""

    conditions: Conditions
    prompts: PromptEmbeds
    clean: torch.Tensor
    """B×n×64: latents of the grids with the truth in every cell."""
    generators: list[torch.Generator]
    """One a sample, on the CPU; what is drawn next is noise."""

    @property
    def image_tokens(self) -> int:
        """Return n, the image tokens of each sample."""
        return int(self.clean.shape[1])

    @property
    def text_tokens(self) -> int:
        """Return the text tokens of each sample."""
        return int(self.prompts.sequence.shape[1])


def prepare(batch: Batch, encoders: Encoders, *, seeds: tuple[str | int, ...], device: torch.device) -> Prepared:
    """Encode a batch.

    Everything random about a sample comes from ``seeds`` and its index, whatever batch and rank it is in.
    """
    generators = [torch.Generator().manual_seed(derive_seed(*seeds, sample.index)) for sample in batch.samples]
    grids, keep = batch.grids(), [_come_again(sample) for sample in batch.samples]
    conditions = encoders.grids.conditions(grids, generators, keep=keep)
    clean = encoders.grids.targets(grids, conditions, generators, keep=keep)
    prompts = encoders.prompts.encode(batch.prompts)
    return Prepared(conditions.to(device), prompts.to(device), clean.to(device), generators)


def training_losses(model: Model, prepared: Prepared, flow: FlowSettings) -> torch.Tensor:
    """Return the loss of each sample at a noise level of its own, float32, B."""
    sigmas = draw_sigmas(prepared.generators, prepared.image_tokens, flow)
    return losses_at(model, prepared, sigmas, flow)


def losses_at(model: Model, prepared: Prepared, sigmas: torch.Tensor, flow: FlowSettings) -> torch.Tensor:
    """Return the loss of each sample at the noise levels ``sigmas`` (B), float32, B; draws the noise."""
    clean = prepared.clean
    noise = draw_noise(prepared.generators, *clean.shape[1:]).to(clean.device)
    sigmas = sigmas.to(clean.device)
    noisy = add_noise(clean, noise, sigmas)
    inputs = transformer_inputs(
        model.transformer, noisy, sigmas, prepared.conditions, prepared.prompts, guidance=flow.guidance
    )
    prediction = model.run(**inputs, return_dict=False)[0]
    return sample_losses(prediction, velocity(clean, noise), prepared.conditions.generated, flow.loss_on)


def padding_share(batch: Batch, image_tokens: int) -> float:
    """Return the share of a batch's image tokens that belong to no sample: 0 as long as it has one grid shape."""
    own = sum(token_count((len(sample.columns), sample.cell_sizes)) for sample in batch.samples)
    return 1 - own / (image_tokens * len(batch.samples))


def _come_again(sample: Sample) -> list[bool]:
    """Return for each row whether the same pixels will be seen again: not if a degradation was drawn for it."""
    return [all(cell.params is None for cell in row) for row in sample.rows]
