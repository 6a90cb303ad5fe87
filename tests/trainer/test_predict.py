from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from sampler.grid import Grid
from trainer.codec import VaeCodec
from trainer.flow import FlowSettings, add_noise, draw_noise, draw_sigmas, sample_losses, velocity
from trainer.latents import GridEncoder, LatentSettings
from trainer.lora import LoraSettings, add_lora, lora_parameters
from trainer.models import ModelSettings, load_text, load_transformer, load_vae
from trainer.optimiser import OptimiserSettings, clip_gradients, make_optimiser
from trainer.packing import token_count
from trainer.predict import transformer_inputs
from trainer.prompts import PromptEncoder

MakeGrid = Callable[..., Grid]


def seeded(seed: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["tiny_fill", "tiny_dev"])
def test_forty_steps_on_one_sample_lower_its_loss(
    kind: str, dtype: str, request: pytest.FixtureRequest, make_grid: MakeGrid
) -> None:
    folder, models, flow = request.getfixturevalue(kind), ModelSettings(dtype=dtype), FlowSettings(loss_on="masked")
    transformer = load_transformer(folder, models)
    add_lora(transformer, LoraSettings(rank=16), torch.Generator().manual_seed(0))
    grid = make_grid([(32, 32), (32, 32)], [[0, 0], [0, 1]])
    encoder = GridEncoder(VaeCodec(load_vae(folder, models)), LatentSettings())
    conditions = encoder.conditions([grid], seeded(0))
    clean = encoder.targets([grid], conditions, seeded(0))
    prompts = PromptEncoder(load_text(folder, models)).encode(["a cat"])
    sigmas = draw_sigmas(seeded(1), token_count(grid.shape), flow)
    noise = draw_noise(seeded(2), *clean.shape[1:])
    inputs = transformer_inputs(
        transformer, add_noise(clean, noise, sigmas), sigmas, conditions, prompts, guidance=flow.guidance
    )

    parameters = lora_parameters(transformer).values()
    settings = OptimiserSettings(learning_rate=1e-2)
    optimiser = make_optimiser(parameters, settings)
    losses = []
    for _ in range(40):
        predicted = transformer(**inputs, return_dict=False)[0]
        loss = sample_losses(predicted, velocity(clean, noise), conditions.generated, flow.loss_on).mean()
        optimiser.zero_grad()
        loss.backward()
        clip_gradients(parameters, settings)
        optimiser.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.5 * losses[0]
