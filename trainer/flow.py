"""Rectified flow as FLUX is trained: noise level, noisy latents, what the model predicts, and the loss.

In FLUX's convention σ runs from 0 (data) to 1 (noise), x_σ = (1 − σ)·x + σ·ε, and the model predicts ε − x. All
functions are pure; randomness comes in as a ``torch.Generator``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch

from trainer.settings import Settings

_BASE_TOKENS, _BASE_MU = 256, 0.5
_MAX_TOKENS, _MAX_MU = 4096, 1.15


class FlowSettings(Settings):
    """The objective."""

    time_shift: Literal["dynamic", "none"] = "dynamic"
    """``dynamic`` shifts σ by the sample's own number of image tokens (paper, Sec. 4.3); the released script does not
    shift."""
    logit_mean: float = 0.0
    """Mean of logit σ before the shift."""
    logit_std: float = 1.0
    """Standard deviation of logit σ before the shift."""
    guidance: float = 1.0
    """Guidance that the model is told while it is trained; 1 in the release (30 at inference)."""
    loss_on: Literal["all", "masked"] = "all"
    """Tokens whose error counts: all of them as in the release, or those of masked cells."""


def shift_mu(tokens: int) -> float:
    """Return μ of FLUX's time shift for a number of image tokens: linear, and extrapolated beyond 4096.

    Examples
    --------
    >>> shift_mu(256), shift_mu(4096), round(shift_mu(6912), 3)
    (0.5, 1.15, 1.627)
    """
    slope = (_MAX_MU - _BASE_MU) / (_MAX_TOKENS - _BASE_TOKENS)
    return tokens * slope + (_BASE_MU - slope * _BASE_TOKENS)


def shift_sigmas(sigmas: torch.Tensor, mu: float) -> torch.Tensor:
    """Return e^μ / (e^μ + 1/σ − 1), in (0, 1): more noise for larger images, whose neighbours tell more of a pixel.

    Examples
    --------
    >>> shift_sigmas(torch.tensor([0.5, 1.0]), 0.0).tolist()
    [0.5, 1.0]
    """
    # Multiplied out by σ, for 1/σ overflows where σ is 0.
    factor = math.exp(mu)
    return factor * sigmas / (1 + (factor - 1) * sigmas)


def draw_sigmas(generators: Sequence[torch.Generator], tokens: int, settings: FlowSettings) -> torch.Tensor:
    """Return one noise level for each generator, float32, B in (0, 1), on the CPU.

    Logit-normal, then shifted for ``tokens``, the image tokens of each of the samples. One generator a sample, so that
    what a sample gets depends neither on its batch nor on the number of ranks.
    """
    normal = torch.cat([torch.randn(1, generator=generator) for generator in generators])
    sigmas = torch.sigmoid(settings.logit_mean + settings.logit_std * normal)
    return shift_sigmas(sigmas, shift_mu(tokens)) if settings.time_shift == "dynamic" else sigmas


def draw_noise(generators: Sequence[torch.Generator], tokens: int, channels: int) -> torch.Tensor:
    """Return standard normal noise, float32, B×tokens×channels, on the CPU, one generator a sample."""
    return torch.cat([torch.randn(1, tokens, channels, generator=generator) for generator in generators])


def add_noise(clean: torch.Tensor, noise: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Return (1 − σ)·x + σ·ε, computed in float32.

    Parameters
    ----------
    clean, noise
        B×n×C.
    sigmas
        B.
    """
    share = sigmas.float()[:, None, None]
    return (1 - share) * clean.float() + share * noise.float()


def velocity(clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return what the model should predict, ε − x, float32: the derivative of x_σ with respect to σ."""
    return noise.float() - clean.float()


def sample_losses(
    prediction: torch.Tensor, target: torch.Tensor, generated: torch.Tensor, loss_on: Literal["all", "masked"]
) -> torch.Tensor:
    """Return the mean squared error of each sample, float32, B.

    Every sample weighs the same however many of its cells are masked: the mean of these over a batch, and over the
    batches of one optimiser step, does not depend on how samples are split between ranks.

    Parameters
    ----------
    prediction, target
        B×n×C.
    generated
        bool, B×n: tokens of masked cells, at least one a sample where ``loss_on`` is ``masked``.
    loss_on
        See :class:`FlowSettings`.

    Examples
    --------
    >>> prediction, target = torch.zeros(1, 2, 1), torch.tensor([[[1.0], [3.0]]])
    >>> generated = torch.tensor([[False, True]])
    >>> [sample_losses(prediction, target, generated, on).item() for on in ("all", "masked")]
    [5.0, 9.0]
    """
    errors = (prediction.float() - target.float()).square().mean(dim=2)
    if loss_on == "all":
        return errors.mean(dim=1)
    return (errors * generated).sum(dim=1) / generated.sum(dim=1)


def guidance_input(guidance: float, batch: int, *, embedded: bool) -> torch.Tensor | None:
    """Return what the transformer takes as ``guidance``, float32, B; None if it was built without the embedding."""
    return torch.full((batch,), guidance) if embedded else None
