from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from pydantic import ValidationError

from trainer.flow import (
    FlowSettings,
    add_noise,
    draw_noise,
    draw_sigmas,
    guidance_input,
    sample_losses,
    shift_mu,
    shift_sigmas,
    velocity,
)


def seeded(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def test_mu_of_the_largest_grid_at_384_is_extrapolated() -> None:
    # 3 × 4 cells of 24 × 24 tokens: 0.5 + (6912 − 256) / 3840 · 0.65
    assert shift_mu(6912) == pytest.approx(1.6266667)


@pytest.mark.parametrize("tokens", [4, 256, 2304, 6912, 12288])
def test_mu_is_that_of_diffusers(tokens: int) -> None:
    assert shift_mu(tokens) == pytest.approx(calculate_shift(tokens))


def test_a_shift_by_hand() -> None:
    # μ = ln 3, σ = 1/2: 3 / (3 + 2 − 1)
    assert shift_sigmas(torch.tensor([0.5]), math.log(3)).item() == pytest.approx(0.75)


def test_a_shift_leaves_data_and_noise_where_they_are() -> None:
    assert shift_sigmas(torch.tensor([0.0, 1.0]), 1.15).tolist() == [0.0, 1.0]


def test_sigmas_are_shifted_as_the_scheduler_shifts_them() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    sigmas = np.linspace(1.0, 1 / 30, 30)
    scheduler.set_timesteps(sigmas=sigmas, mu=shift_mu(6912))
    ours = shift_sigmas(torch.from_numpy(sigmas).float(), shift_mu(6912))
    torch.testing.assert_close(ours, scheduler.sigmas[:-1])


def test_noise_is_added_as_the_scheduler_adds_it() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler()
    clean, noise = torch.randn(2, 4, 64), torch.randn(2, 4, 64)
    timesteps = scheduler.timesteps[[100, 700]]
    theirs = scheduler.scale_noise(clean, timesteps, noise)
    torch.testing.assert_close(add_noise(clean, noise, timesteps / 1000), theirs)


def test_a_step_along_the_true_velocity_reaches_the_data() -> None:
    clean, noise = torch.randn(1, 4, 64), torch.randn(1, 4, 64)
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    scheduler.set_timesteps(sigmas=[0.6], mu=0.0)
    noisy = add_noise(clean, noise, torch.tensor([0.6]))
    reached = scheduler.step(velocity(clean, noise), scheduler.timesteps[0], noisy, return_dict=False)[0]
    torch.testing.assert_close(reached, clean, rtol=0, atol=1e-5)


def test_noisy_latents_and_velocity_by_hand() -> None:
    clean, noise = torch.tensor([[[2.0]]]), torch.tensor([[[-1.0]]])
    assert add_noise(clean, noise, torch.tensor([0.25])).item() == 1.25
    assert velocity(clean, noise).item() == -3.0


def test_half_of_the_unshifted_noise_levels_are_below_a_half() -> None:
    sigmas = draw_sigmas(seeded(4000), 256, FlowSettings(time_shift="none"))
    # logit-normal(0, 1): the median is 1/2 and 68.3 % lie between sigmoid(−1) and sigmoid(1)
    assert sigmas.median().item() == pytest.approx(0.5, abs=0.02)
    inside = (sigmas > 1 / (1 + math.e)) & (sigmas < math.e / (1 + math.e))
    assert inside.float().mean().item() == pytest.approx(0.683, abs=0.03)


def test_a_larger_grid_sees_more_noise_from_the_same_draw() -> None:
    small, large = (draw_sigmas(seeded(1), tokens, FlowSettings()) for tokens in (1152, 6912))
    drawn = draw_sigmas(seeded(1), 6912, FlowSettings(time_shift="none"))
    assert drawn < small < large
    assert large.item() == pytest.approx(shift_sigmas(drawn, 1.6266667).item())


def test_a_sample_gets_the_same_noise_in_any_batch() -> None:
    together = draw_noise(seeded(3), 6, 64)
    assert together.shape == (3, 6, 64)
    assert torch.equal(together[2:], draw_noise(seeded(3)[2:], 6, 64))
    settings = FlowSettings()
    assert torch.equal(draw_sigmas(seeded(3), 6, settings)[2:], draw_sigmas(seeded(3)[2:], 6, settings))


def test_a_loss_by_hand_weighs_samples_alike_however_many_cells_are_masked() -> None:
    prediction = torch.zeros(2, 4, 1)
    target = torch.tensor([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])[..., None]
    generated = torch.tensor([[False, False, False, True], [True, True, False, False]])
    assert sample_losses(prediction, target, generated, "masked").tolist() == [16.0, 2.5]
    assert sample_losses(prediction, target, generated, "all").tolist() == [7.5, 7.5]


def test_the_loss_on_masked_cells_ignores_the_others() -> None:
    prediction = torch.randn(1, 4, 64, requires_grad=True)
    generated = torch.tensor([[False, True, False, False]])
    sample_losses(prediction, torch.zeros(1, 4, 64), generated, "masked").sum().backward()
    assert prediction.grad.abs().sum(dim=2).nonzero().tolist() == [[0, 1]]


def test_the_loss_is_float32_whatever_the_model_computes_in() -> None:
    half = torch.zeros(1, 2, 64, dtype=torch.bfloat16)
    assert sample_losses(half, half, torch.ones(1, 2, dtype=torch.bool), "all").dtype == torch.float32


def test_a_model_without_the_embedding_gets_no_guidance() -> None:
    assert guidance_input(30.0, 2, embedded=False) is None
    assert guidance_input(30.0, 2, embedded=True).tolist() == [30.0, 30.0]


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        FlowSettings(shift="dynamic")
