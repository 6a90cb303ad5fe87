from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from trainer.flow import shift_mu
from trainer.sampling import inference_sigmas, integrate


@pytest.fixture
def scheduler(tiny_fill: Path) -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler.from_pretrained(tiny_fill, subfolder="scheduler")


@pytest.mark.parametrize("tokens", [4, 256, 6912])
@pytest.mark.parametrize("steps", [1, 7, 30])
def test_noise_levels_are_those_of_the_stock_scheduler(
    scheduler: FlowMatchEulerDiscreteScheduler, steps: int, tokens: int
) -> None:
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist(), mu=shift_mu(tokens))
    torch.testing.assert_close(inference_sigmas(steps, tokens), scheduler.sigmas, rtol=0, atol=1e-6)


def test_a_strength_leaves_the_last_levels() -> None:
    whole = inference_sigmas(10, 256)
    assert torch.equal(inference_sigmas(10, 256, 0.4), whole[6:])
    assert torch.equal(inference_sigmas(10, 256, 0.01), whole[9:])


@pytest.mark.parametrize(("steps", "strength"), [(0, 1.0), (4, 0.0), (4, 1.1)])
def test_levels_of_no_step_are_an_error(steps: int, strength: float) -> None:
    with pytest.raises(ValueError, match="expected 1 or more, at a strength in"):
        inference_sigmas(steps, 256, strength)


def test_integration_takes_the_steps_of_the_stock_scheduler(scheduler: FlowMatchEulerDiscreteScheduler) -> None:
    latents = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    scheduler.set_timesteps(sigmas=torch.linspace(1, 0.2, 5).tolist(), mu=shift_mu(256))
    theirs = latents
    for timestep in scheduler.timesteps:
        theirs = scheduler.step(theirs.sin() + timestep / 1000, timestep, theirs, return_dict=False)[0]
    ours = integrate(lambda noisy, sigma: noisy.sin() + sigma, latents, inference_sigmas(5, 256))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_a_true_velocity_leads_from_noise_to_data_in_any_number_of_steps() -> None:
    clean, noise = torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), -1.0)
    for steps in (1, 3, 30):
        assert integrate(lambda *_: noise - clean, noise, inference_sigmas(steps, 64)).item() == pytest.approx(3.0)
