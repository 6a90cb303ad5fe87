from __future__ import annotations

import importlib.util

import pytest
import torch

from graph200k.errors import PlanError
from trainer.optimiser import OptimiserSettings, clip_gradients, make_optimiser


def test_the_first_step_of_adam_by_hand() -> None:
    # Whatever the gradient's size, the first step is the learning rate; the decay takes off lr · 0.5 · weight.
    weight = torch.nn.Parameter(torch.tensor([2.0, -4.0]))
    optimiser = make_optimiser([weight], OptimiserSettings(learning_rate=0.1, weight_decay=0.5))
    weight.grad = torch.tensor([3.0, -0.01])
    optimiser.step()
    expected = torch.tensor([2.0 - 0.1 - 0.1, -4.0 + 0.1 + 0.2])
    torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=1e-5)


def test_a_long_gradient_is_shortened_and_a_short_one_left() -> None:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    for gradient, expected in (((3.0, 4.0), (1.2, 1.6)), ((0.3, 0.4), (0.3, 0.4))):
        for weight, value in zip(weights, gradient, strict=True):
            weight.grad = torch.tensor([value])
        norm = clip_gradients(weights, OptimiserSettings(clip=2.0))
        assert norm.item() == pytest.approx(5.0 if gradient[0] == 3.0 else 0.5)
        assert [weight.grad.item() for weight in weights] == pytest.approx(expected, abs=1e-5)


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="it is installed")
def test_eight_bits_without_the_library_name_it() -> None:
    with pytest.raises(PlanError, match="pip install bitsandbytes"):
        make_optimiser([torch.nn.Parameter(torch.zeros(1))], OptimiserSettings(eight_bit=True))
