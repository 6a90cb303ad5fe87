"""Tiny models of FLUX, saved once a session and loaded anew for each test that changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, FluxFillPipeline, FluxTransformer2DModel
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from sampler.grid import Grid
from trainer.adapters import Adapter
from trainer.codec import VaeCodec
from trainer.generation_models import GenerationModels, load_models
from trainer.latents import LatentSettings
from trainer.models import ModelSettings
from trainer.placement import PlacementSettings
from trainer.tiny import save_tiny_flux


@pytest.fixture(scope="session", autouse=True)
def quiet() -> Iterator[None]:
    """No progress bars of a dozen steps."""
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    yield
    diffusers_logging.enable_progress_bar()
    transformers_logging.enable_progress_bar()


@pytest.fixture(scope="session")
def tiny_fill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny FLUX.1-Fill."""
    return save_tiny_flux(tmp_path_factory.mktemp("flux") / "fill")


@pytest.fixture(scope="session")
def tiny_dev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny FLUX.1-dev."""
    return save_tiny_flux(tmp_path_factory.mktemp("flux") / "dev", "dev")


@pytest.fixture(scope="session")
def pipeline(tiny_fill: Path) -> FluxFillPipeline:
    """The tiny FLUX.1-Fill as diffusers loads it; not to be changed."""
    return FluxFillPipeline.from_pretrained(tiny_fill)


@pytest.fixture(scope="session")
def codec(tiny_fill: Path) -> VaeCodec:
    return VaeCodec(AutoencoderKL.from_pretrained(tiny_fill, subfolder="vae"))


@pytest.fixture
def transformer(tiny_fill: Path) -> FluxTransformer2DModel:
    """A transformer of the test's own."""
    return FluxTransformer2DModel.from_pretrained(tiny_fill, subfolder="transformer")


@pytest.fixture
def make_grid() -> Callable[..., Grid]:
    """Draw a grid of random pixels from the sizes of its rows' cells and its mask."""

    def make(sizes: list[tuple[int, int]], masked: list[list[int]], seed: int = 0) -> Grid:
        rng = np.random.default_rng(seed)
        columns = len(masked[0])
        rows = tuple(
            rng.integers(0, 256, (height, columns * width, 3), dtype=np.uint8) for height, width in sizes
        )  # fmt: skip
        return Grid(rows, np.array(masked, dtype=bool))

    return make


@pytest.fixture
def model_inputs() -> Callable[..., dict[str, torch.Tensor]]:
    """Random inputs of the transformer for two samples of 2 × 3 tokens, or of other ``sides``, and 5 tokens of text."""

    def make(channels: int = 384, seed: int = 0, sides: tuple[int, int] = (2, 3)) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        rows, columns = (torch.arange(float(side)) for side in sides)
        return {
            "hidden_states": torch.randn(2, len(rows) * len(columns), channels, generator=generator),
            "encoder_hidden_states": torch.randn(2, 5, 32, generator=generator),
            "pooled_projections": torch.randn(2, 32, generator=generator),
            "timestep": torch.tensor([0.3, 0.8]),
            "guidance": torch.tensor([1.0, 1.0]),
            "img_ids": torch.cartesian_prod(torch.ones(1), rows, columns),
            "txt_ids": torch.zeros(5, 3),
        }

    return make


@pytest.fixture(scope="session")
def load_generation(tiny_fill: Path, tiny_dev: Path) -> Callable[..., GenerationModels]:
    """Give a tiny model for generation, in float32, with settings of its latents and LoRAs on it; not to be changed."""
    folders = {"fill": tiny_fill, "dev": tiny_dev}

    @cache
    def load(
        kind: str = "fill", adapters: tuple[Adapter, ...] = (), offload: str = "none", **latents: str
    ) -> GenerationModels:
        base = ModelSettings(base=str(folders[kind]), dtype="float32")
        placing = PlacementSettings(device="cpu", offload=offload)
        return load_models(base, LatentSettings(**latents), placing, adapters)

    return load
