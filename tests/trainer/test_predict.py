from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxFillPipeline, VisualClozePipeline
from PIL import Image

from sampler.grid import Grid
from trainer.codec import VaeCodec
from trainer.flow import FlowSettings, add_noise, draw_noise, draw_sigmas, sample_losses, shift_mu, velocity
from trainer.latents import GridEncoder, LatentSettings
from trainer.lora import LoraSettings, add_lora, lora_parameters
from trainer.models import ModelSettings, load_scheduler, load_text, load_transformer, load_vae
from trainer.optimiser import OptimiserSettings, clip_gradients, make_optimiser
from trainer.packing import token_count
from trainer.predict import transformer_inputs
from trainer.prompts import PromptEncoder

MakeGrid = Callable[..., Grid]


def seeded(seed: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed)]


def test_two_steps_of_sampling_are_those_of_the_stock_pipeline(
    pipeline: FluxFillPipeline, tiny_fill: Path, codec: VaeCodec, make_grid: MakeGrid
) -> None:
    grid = make_grid([(32, 48), (48, 32)], [[0, 0, 0], [0, 0, 1]])
    stock = VisualClozePipeline(**pipeline.components, resolution=40).generation_pipe
    stock.set_progress_bar_config(disable=True)
    images = [[Image.fromarray(grid.cell(row, column)) for column in range(3)] for row in range(2)]
    images[1][2] = None
    theirs = stock("do it", "a cat", images, 2, generator=seeded(5)[0], output_type="latent").images

    # The stock pipeline makes a tuple of its layout instruction.
    layout = ("A grid layout with 2 rows and 3 columns, displaying 6 images arranged side by side.",)
    prompt = f"{layout} do it The last image of the last row depicts: a cat"
    prompts = PromptEncoder(load_text(tiny_fill, ModelSettings(dtype="float32"))).encode([prompt])
    generators = seeded(5)
    conditions = GridEncoder(codec, LatentSettings(fill="black")).conditions([grid], generators)
    tokens = token_count(grid.shape)
    latents = draw_noise(generators, tokens, 64)
    scheduler = load_scheduler(tiny_fill)
    scheduler.set_timesteps(sigmas=[1.0, 0.5], mu=shift_mu(tokens))
    for timestep in scheduler.timesteps:
        inputs = transformer_inputs(
            pipeline.transformer, latents, timestep[None] / 1000, conditions, prompts, guidance=30.0
        )
        with torch.no_grad():
            predicted = pipeline.transformer(**inputs, return_dict=False)[0]
        latents = scheduler.step(predicted, timestep, latents, return_dict=False)[0]
    assert theirs.std() > 0.1
    torch.testing.assert_close(latents, theirs, rtol=0, atol=1e-4)


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
