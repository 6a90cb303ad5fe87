"""How FLUX lays out images as tokens: 2×2 latent pixels a token, a grid's rows one after the other.

One token covers 16×16 pixels: the VAE makes one latent pixel of 8×8, and packing one token of 2×2 of those. All
functions are pure and agree with diffusers' pipelines where those are right.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sampler.grid import SIDE_MULTIPLE_PX

LATENT_PX = 8
"""Pixels a side of one latent pixel."""

GridShape = tuple[int, tuple[tuple[int, int], ...]]
"""L, and (height, width) in pixels of the cells of each row: :attr:`sampler.grid.Grid.shape`."""


def row_token_sizes(shape: GridShape) -> tuple[tuple[int, int], ...]:
    """Return (height, width) in tokens of every row, its L cells side by side.

    Examples
    --------
    >>> row_token_sizes((2, ((384, 384), (512, 288))))
    ((24, 48), (32, 36))
    """
    columns, sizes = shape
    return tuple((height // SIDE_MULTIPLE_PX, columns * width // SIDE_MULTIPLE_PX) for height, width in sizes)


def token_count(shape: GridShape) -> int:
    """Return the number of image tokens of a grid.

    Examples
    --------
    >>> token_count((4, ((384, 384),) * 3))
    6912
    """
    return sum(height * width for height, width in row_token_sizes(shape))


def pack_latents(latents: torch.Tensor) -> torch.Tensor:
    """Return the tokens of a latent image, row by row of tokens.

    Parameters
    ----------
    latents
        B×C×h×w with even h and w.

    Returns
    -------
    torch.Tensor
        B×(h/2·w/2)×4C; a token's 4C channels are ordered (C, 2, 2).

    Examples
    --------
    >>> pack_latents(torch.arange(8.0).reshape(1, 1, 2, 4)).tolist()
    [[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]]
    """
    batch, channels, height, width = latents.shape
    blocks = latents.reshape(batch, channels, height // 2, 2, width // 2, 2)
    return blocks.permute(0, 2, 4, 1, 3, 5).reshape(batch, (height // 2) * (width // 2), channels * 4)


def unpack_latents(tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the latent image of tokens: the inverse of :func:`pack_latents`.

    Parameters
    ----------
    tokens
        B×n×4C.
    size
        (height, width) in tokens, whose product is n.

    Returns
    -------
    torch.Tensor
        B×C×2·height×2·width.
    """
    batch, _, channels = tokens.shape
    height, width = size
    blocks = tokens.reshape(batch, height, width, channels // 4, 2, 2)
    return blocks.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels // 4, 2 * height, 2 * width)


def pack_mask(mask: torch.Tensor) -> torch.Tensor:
    """Return the mask channels of FLUX.1-Fill: 8×8 pixels to 64 channels of a latent pixel, then packed like latents.

    Parameters
    ----------
    mask
        B×H×W in pixels, H and W multiples of 16; 1 (or True) is what is to be generated.

    Returns
    -------
    torch.Tensor
        float32, B×(H/16·W/16)×256.
    """
    batch, height, width = mask.shape
    rows, columns = height // LATENT_PX, width // LATENT_PX
    blocks = mask.float().reshape(batch, rows, LATENT_PX, columns, LATENT_PX)
    return pack_latents(blocks.permute(0, 2, 4, 1, 3).reshape(batch, LATENT_PX**2, rows, columns))


def image_ids(shape: GridShape) -> torch.Tensor:
    """Return the positions of a grid's tokens for FLUX's 3-D rotary embedding.

    Returns
    -------
    torch.Tensor
        float32, n×3: row of the grid (1 … R; 0 is the text's), then y and x in tokens over the whole row.

    Examples
    --------
    >>> image_ids((2, ((16, 16), (16, 32)))).int().tolist()
    [[1, 0, 0], [1, 0, 1], [2, 0, 0], [2, 0, 1], [2, 0, 2], [2, 0, 3]]
    """
    rows = [
        torch.cartesian_prod(torch.tensor([float(row)]), torch.arange(float(height)), torch.arange(float(width)))
        for row, (height, width) in enumerate(row_token_sizes(shape), start=1)
    ]
    return torch.cat(rows)


def text_ids(length: int) -> torch.Tensor:
    """Return the positions of ``length`` text tokens, float32, length×3: all 0, as FLUX was trained."""
    return torch.zeros(length, 3)


def split_rows(tokens: torch.Tensor, shape: GridShape) -> Sequence[torch.Tensor]:
    """Return the tokens of each row of a grid, R views of B×n_r×C."""
    return tokens.split([height * width for height, width in row_token_sizes(shape)], dim=1)
