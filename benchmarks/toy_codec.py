"""A latent codec that is fitted in a second: principal components of 8×8 patches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import conv2d, conv_transpose2d

from trainer.packing import LATENT_PX

CHANNELS = 16


class PatchCodec:
    """A :class:`trainer.codec.LatentCodec`: 16 principal components of each patch of 8×8 pixels.

    Their variances are 1 in the mean and differ by the square root of what they are in pixels: at 1 each, detail that
    is hardly seen would be most of what there is to learn.

    Parameters
    ----------
    mean
        Of patches in [−1, 1], 1×3×1×1: one colour.
    components
        16×3×8×8, of unit length.
    scales
        What one unit of each latent is in pixels, 16.
    """

    def __init__(self, mean: torch.Tensor, components: torch.Tensor, scales: torch.Tensor) -> None:
        self._mean = mean
        self._encoding = components / scales[:, None, None, None]
        self._decoding = components * scales[:, None, None, None]

    @classmethod
    def fit(cls, images: Sequence[np.ndarray]) -> PatchCodec:
        """Return the codec of images, uint8 H×W×3 with sides that are multiples of 8."""
        patches = torch.cat([_patches(image) for image in images])
        mean = patches.mean(dim=(0, 2, 3), keepdim=True)
        flat = (patches - mean).flatten(1)
        variances, vectors = torch.linalg.eigh(flat.T @ flat / len(flat))
        components = vectors[:, -CHANNELS:].T.flip(0).reshape(CHANNELS, 3, LATENT_PX, LATENT_PX)
        kept = variances[-CHANNELS:].flip(0).sqrt()
        return cls(mean, components.contiguous(), (kept * kept.mean()).sqrt())

    @property
    def identity(self) -> str:
        """Return the digest of the components."""
        return hashlib.sha256(self._mean.numpy().tobytes() + self._encoding.numpy().tobytes()).hexdigest()

    @property
    def device(self) -> torch.device:
        """Return the CPU."""
        return self._mean.device

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the latents themselves, B×16×H/8×W/8: there is no doubt about them."""
        return conv2d(pixels - self._mean, self._encoding, stride=LATENT_PX)

    def latents(self, moments: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Return ``moments``."""
        return moments

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return pixels."""
        return conv_transpose2d(latents, self._decoding, stride=LATENT_PX) + self._mean


def _patches(image: np.ndarray) -> torch.Tensor:
    height, width = image.shape[0] // LATENT_PX, image.shape[1] // LATENT_PX
    blocks = torch.from_numpy(image.astype(np.float32) / 127.5 - 1).reshape(height, LATENT_PX, width, LATENT_PX, 3)
    return blocks.permute(0, 2, 4, 1, 3).reshape(height * width, 3, LATENT_PX, LATENT_PX)
