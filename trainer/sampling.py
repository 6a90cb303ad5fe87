"""From noise to pictures: the noise levels of a sampling and Euler's method along them.

What diffusers' ``FlowMatchEulerDiscreteScheduler`` computes, as functions without state; latents stay float32.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch

from trainer.flow import shift_mu, shift_sigmas

Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From noisy latents, B×n×C, and their noise level, a number, to the predicted ε − x, B×n×C."""


def inference_sigmas(steps: int, tokens: int, strength: float = 1.0) -> torch.Tensor:
    """Return the noise levels that a sampling goes through, float32, from the first down to 0.

    Parameters
    ----------
    steps
        Steps from pure noise to data.
    tokens
        Image tokens of one sample, by whose number the levels are shifted.
    strength
        In (0, 1]: the share of the steps that is done, the last ones (SDEdit). 1 begins with pure noise.

    Returns
    -------
    torch.Tensor
        One level more than there are steps; diffusers rounds the number of steps up.

    Raises
    ------
    ValueError
        If no step is left.

    Examples
    --------
    >>> [round(sigma, 3) for sigma in inference_sigmas(2, 256).tolist()]
    [1.0, 0.622, 0.0]
    >>> len(inference_sigmas(30, 4096, strength=0.4))
    13
    """
    if not (steps >= 1 and 0 < strength <= 1):
        raise ValueError(f"{steps} steps at strength {strength}: expected 1 or more, at a strength in (0, 1]")
    shifted = shift_sigmas(torch.linspace(1, 1 / steps, steps), shift_mu(tokens))
    skipped = int(steps - steps * strength)
    return torch.cat([shifted[skipped:].clamp(max=1), torch.zeros(1)])  # 1 may have been rounded up


def integrate(velocity: Velocity, latents: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Return the latents at the last noise level, float32, from those at the first, by Euler's method.

    Parameters
    ----------
    velocity
        What the model predicts.
    latents
        B×n×C at noise level ``sigmas[0]``.
    sigmas
        As :func:`inference_sigmas` gives them.

    Examples
    --------
    >>> clean, noise = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    >>> integrate(lambda latents, sigma: noise - clean, noise, torch.tensor([1.0, 0.5, 0.0])).item()
    0.0
    """
    latents = latents.float()
    for sigma, following in pairwise(sigmas):
        latents = latents + (following - sigma).item() * velocity(latents, sigma).float()
    return latents
