"""Pixels to latents and back: what a grid's encoder needs of an autoencoder, and FLUX's VAE as one."""

from __future__ import annotations

from typing import Protocol

import torch
from diffusers import AutoencoderKL

from trainer.identity import module_digest


class LatentCodec(Protocol):
    """An autoencoder that makes latents of 16 channels at an eighth of the size."""

    @property
    def identity(self) -> str:
        """Return what changes whenever the latents of an image would."""

    @property
    def device(self) -> torch.device:
        """Return where moments and latents lie."""

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what is known of the latents of pixels in [−1, 1], B×3×H×W: B×M×H/8×W/8, fit for a cache."""

    def latents(self, moments: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Return B×16×H/8×W/8 latents, drawn if there is a generator, else the most likely."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return the pixels of latents in about [−1, 1], B×3×H×W."""


class VaeCodec:
    """FLUX's VAE, frozen: latents are (z − 0.1159) · 0.3611, shift and scale of its configuration."""

    def __init__(self, vae: AutoencoderKL) -> None:
        self._vae = vae.requires_grad_(False).eval()
        self._identity: str | None = None

    @property
    def identity(self) -> str:
        """Return the digest of the weights and their dtype; reads all of them at the first call."""
        self._identity = self._identity or module_digest(self._vae)
        return self._identity

    @property
    def device(self) -> torch.device:
        """Return where the VAE lies."""
        return self._vae.device

    @torch.no_grad()
    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return mean and log variance of z, B×32×H/8×W/8."""
        pixels = pixels.to(device=self._vae.device, dtype=self._vae.dtype)
        return self._vae.encode(pixels).latent_dist.parameters

    @torch.no_grad()
    def latents(self, moments: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Return latents drawn from their distribution as FLUX was trained, or its mean without a generator."""
        mean, log_variance = moments.chunk(2, dim=1)
        z = mean
        if generator is not None:
            # As diffusers draws: on the generator's device, so that a seed gives the same latents on any machine.
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=generator.device)
            z = mean + torch.exp(0.5 * log_variance.clamp(-30.0, 20.0)) * noise.to(mean.device)
        return (z - self._vae.config.shift_factor) * self._vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return pixels."""
        latents = latents.to(device=self._vae.device, dtype=self._vae.dtype)
        z = latents / self._vae.config.scaling_factor + self._vae.config.shift_factor
        return self._vae.decode(z, return_dict=False)[0]
