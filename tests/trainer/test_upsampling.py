from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxFillPipeline, FluxTransformer2DModel, VisualClozePipeline
from PIL import Image

from trainer.adapters import Adapter
from trainer.generation import GenerationSettings
from trainer.generation_models import GenerationModels
from trainer.lora import LoraSettings, add_lora, lora_parameters, save_lora
from trainer.upsampling import UpsamplingSettings, upsample, upsampled_size

Load = Callable[..., GenerationModels]

STEPS = GenerationSettings(steps=5)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)


@pytest.mark.parametrize("fill", ["grey", "black"])
def test_it_is_the_stock_upsampling_whatever_hides_cells_in_grids(
    pipeline: FluxFillPipeline, load_generation: Load, picture: np.ndarray, fill: str
) -> None:
    stock = VisualClozePipeline(**pipeline.components, resolution=40).upsampling_pipe
    stock.set_progress_bar_config(disable=True)
    theirs = stock(
        prompt=["a cat"],
        image=[Image.fromarray(picture)],
        mask_image=[Image.new("RGB", (48, 32), (255, 255, 255))],
        height=64,
        width=96,
        strength=0.5,
        num_inference_steps=STEPS.steps,
        guidance_scale=STEPS.guidance,
        generator=[torch.Generator().manual_seed(3)],
        output_type="np",
    ).images[0]
    settings = UpsamplingSettings(size=(64, 96), strength=0.5)
    (ours,) = upsample(load_generation(fill=fill), [picture], ["a cat"], [3], settings, STEPS)
    assert np.abs(ours / 255.0 - theirs).max() < 0.5 / 255 + 1e-4


def test_a_lower_strength_adds_less_noise_and_takes_fewer_steps(
    load_generation: Load, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = load_generation()
    levels: list[float] = []
    forward = models.transformer.forward
    monkeypatch.setattr(
        models.transformer, "forward", lambda **inputs: levels.append(inputs["timestep"].item()) or forward(**inputs)
    )
    upsample(models, [picture], [""], [0], UpsamplingSettings(size=(64, 96), strength=1.0), STEPS)
    assert len(levels) == 5
    assert levels[0] == 1.0
    whole = levels.copy()
    levels.clear()
    upsample(models, [picture], [""], [0], UpsamplingSettings(size=(64, 96), strength=0.2), STEPS)
    assert levels == whole[4:]


def test_the_dev_variant_upsamples_too(load_generation: Load, picture: np.ndarray) -> None:
    (large,) = upsample(load_generation("dev"), [picture], [""], [0], UpsamplingSettings(size=(64, 96)), STEPS)
    assert large.shape == (64, 96, 3)
    assert large.std() > 1


def test_loras_can_be_left_out_of_it(
    load_generation: Load, picture: np.ndarray, transformer: FluxTransformer2DModel, tmp_path: Path
) -> None:
    add_lora(transformer, LoraSettings(rank=4), torch.Generator().manual_seed(0))
    for parameter in lora_parameters(transformer).values():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    save_lora(transformer, tmp_path)
    adapted, base = load_generation(adapters=(Adapter(tmp_path),)), load_generation()

    def run(models: GenerationModels, *, adapters: bool) -> np.ndarray:
        settings = UpsamplingSettings(size=(64, 96), adapters=adapters)
        return upsample(models, [picture], [""], [0], settings, STEPS)[0]

    of_base = run(base, adapters=True)
    assert np.array_equal(run(adapted, adapters=False), of_base)
    assert not np.array_equal(run(adapted, adapters=True), of_base)


def test_an_area_keeps_the_aspect_ratio_and_a_size_is_taken_as_it_is() -> None:
    assert upsampled_size((384, 384), UpsamplingSettings(area_px=1024**2)) == (1024, 1024)
    assert upsampled_size((32, 48), UpsamplingSettings(size=(70, 64))) == (64, 64)
