"""Larger pictures out of generated ones: noise is added to the enlarged picture and taken away again (SDEdit).

FLUX sees each picture alone, as it was trained: at row 0, all of it masked, with a caption for a prompt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from pydantic import Field

from sampler.grid import SIDE_MULTIPLE_PX, Grid
from trainer.adapters import without_adapters
from trainer.flow import add_noise
from trainer.generation import GenerationSettings, denoise, encode_prompts
from trainer.generation_models import GenerationModels
from trainer.latents import GridEncoder, LatentSettings
from trainer.packing import LATENT_PX, pack_latents, token_count
from trainer.sampling import inference_sigmas
from trainer.settings import Settings

_LATENT_CHANNELS = 16


class UpsamplingSettings(Settings):
    """How pictures are enlarged."""

    area_px: int = Field(default=1024**2, ge=64**2)
    """Area of the result, of about the picture's aspect ratio."""
    size: tuple[int, int] | None = None
    """Height and width of the result in place of its area, rounded down to multiples of 16; may stretch the picture."""
    strength: float = Field(default=0.4, gt=0, le=1)
    """Share of the steps that is done: how far the picture is noised, and may change."""
    adapters: bool = True
    """Whether the LoRAs act here too, as in the release's pipeline; without them the base draws the details."""


def upsampled_size(size: tuple[int, int], settings: UpsamplingSettings) -> tuple[int, int]:
    """Return height and width of a picture of ``size`` (height, width) once it is enlarged, multiples of 16.

    Examples
    --------
    >>> upsampled_size((512, 288), UpsamplingSettings(area_px=1024**2))
    (1360, 768)
    """
    if settings.size is not None:
        height, width = (max(1, side // SIDE_MULTIPLE_PX) for side in settings.size)
    else:
        unit = math.sqrt(settings.area_px / (size[0] * size[1])) / SIDE_MULTIPLE_PX
        height, width = (max(1, round(side * unit)) for side in size)
    return height * SIDE_MULTIPLE_PX, width * SIDE_MULTIPLE_PX


def upsample(
    models: GenerationModels,
    pictures: Sequence[np.ndarray],
    captions: Sequence[str],
    seeds: Sequence[int],
    settings: UpsamplingSettings,
    sampling: GenerationSettings,
) -> list[np.ndarray]:
    """Return pictures enlarged, one after the other.

    Parameters
    ----------
    models
        What to run.
    pictures
        uint8, H×W×3 RGB.
    captions
        What each shows, "" if that is not known.
    seeds
        One a picture.
    settings
        Size and strength.
    sampling
        Steps and guidance.
    """
    quiet = nullcontext() if settings.adapters else without_adapters(models.transformer)
    with quiet:
        return [
            _upsample_one(models, picture, caption, seed, settings, sampling)
            for picture, caption, seed in zip(pictures, captions, seeds, strict=True)
        ]


def _upsample_one(
    models: GenerationModels,
    picture: np.ndarray,
    caption: str,
    seed: int,
    settings: UpsamplingSettings,
    sampling: GenerationSettings,
) -> np.ndarray:
    pixels = _enlarged(picture, upsampled_size(picture.shape[:2], settings))
    given, masked = (Grid((pixels,), np.array([[is_masked]])) for is_masked in (False, True))
    encoder = _grey(models.grids)
    generators = [torch.Generator().manual_seed(seed)]
    embeds = encode_prompts(models, [caption])
    with models.codec_at_work():
        clean = encoder.conditions([given], generators).masked_latents
        noise = _image_noise(generators[0], pixels.shape[:2])
        conditions = encoder.conditions([masked], generators)
    positions = conditions.image_ids.clone()
    positions[:, 0] = 0  # rows count from 1 in a grid alone
    conditions = replace(conditions, image_ids=positions)
    sigmas = inference_sigmas(sampling.steps, token_count(given.shape), settings.strength)
    noisy = add_noise(clean, noise.to(clean.device), sigmas[:1].to(clean.device))
    latents = denoise(models, noisy, conditions, embeds, sigmas, sampling.guidance)
    with models.codec_at_work():
        return encoder.decode(latents, given.shape)[0][0]


def _grey(encoder: GridEncoder) -> GridEncoder:
    """Return the encoder with FLUX.1-Fill's own fill, whatever the LoRA was trained with."""
    return GridEncoder(encoder.codec, LatentSettings(fill="grey", posterior=encoder.settings.posterior))


def _image_noise(generator: torch.Generator, size: tuple[int, int]) -> torch.Tensor:
    """Return noise for the picture, 1×n×64, drawn pixel by latent pixel as diffusers does for one image."""
    latent_size = (size[0] // LATENT_PX, size[1] // LATENT_PX)
    return pack_latents(torch.randn(1, _LATENT_CHANNELS, *latent_size, generator=generator))


def _enlarged(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.LANCZOS))
