"""The optimiser of the LoRA's weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

import torch

from graph200k.errors import PlanError
from trainer.settings import Settings


class OptimiserSettings(Settings):
    """AdamW as the paper and its release use it (Sec. 4.3)."""

    learning_rate: float = 1e-4
    """Step size, constant."""
    weight_decay: float = 0.0
    """Share of a weight taken off a step, times the learning rate."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decays of the averages of the gradient and of its square."""
    clip: float = 2.0
    """Largest norm of the gradient of all weights together; a longer one is shortened to it."""
    eight_bit: bool = False
    """Keep Adam's averages in 8 bits, through bitsandbytes: 2.5 GB instead of 10 at rank 256. Matrices of less than
    4096 weights keep theirs in float32."""


def make_optimiser(parameters: Iterable[torch.nn.Parameter], settings: OptimiserSettings) -> torch.optim.Optimizer:
    """Return AdamW over ``parameters``, fused into one kernel.

    Raises
    ------
    PlanError
        If 8 bits are asked for and bitsandbytes is not installed.
    """
    common: dict[str, Any] = {
        "lr": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "betas": settings.betas,
    }
    if not settings.eight_bit:
        return torch.optim.AdamW(parameters, fused=True, **common)
    if importlib.util.find_spec("bitsandbytes") is None:
        raise PlanError("optimiser.eight_bit = true needs bitsandbytes; pip install bitsandbytes")
    from bitsandbytes.optim import AdamW8bit

    return AdamW8bit(parameters, **common)


def clip_gradients(parameters: Iterable[torch.nn.Parameter], settings: OptimiserSettings) -> torch.Tensor:
    """Shorten the gradient of all ``parameters`` together to the largest norm allowed; return its norm before."""
    return torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
