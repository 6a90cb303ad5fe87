"""One encoder from grids to what FLUX sees, used by training and by generation, and the way back to pictures.

Each row of a grid is one image for the VAE, its cells side by side: cells encoded alone would differ, for the VAE's
attention and group norms see the whole image. For the same reason a row with masked cells is encoded twice: once with
its cells filled, which is what the model may see, and once with the truth, which is what it should make.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from sampler.grid import Grid
from trainer.cache import TensorCache, content_key
from trainer.codec import LatentCodec
from trainer.packing import (
    GridShape,
    image_ids,
    pack_latents,
    pack_mask,
    row_token_sizes,
    split_rows,
    unpack_latents,
)
from trainer.settings import Settings

FILLS = {"grey": 0.0, "black": -1.0}
"""Value of a masked pixel in [−1, 1] by name."""


class LatentSettings(Settings):
    """How grids become latents; the same in training and in generation."""

    fill: Literal["grey", "black"] = "grey"
    """What hides a masked cell: mid-grey is FLUX.1-Fill's convention and what the release trains with, black is what
    its pipelines and diffusers' show at inference."""
    posterior: Literal["sample", "mode"] = "sample"
    """Whether latents are drawn from the VAE's distribution, as diffusers and the release do, or are its mean."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the model is told about B grids of one shape with n image tokens."""

    shape: GridShape
    masked_latents: torch.Tensor
    """B×n×64: the grids' latents with masked cells filled."""
    mask: torch.Tensor
    """B×n×256: 1 where a pixel is to be generated."""
    image_ids: torch.Tensor
    """n×3: see :func:`trainer.packing.image_ids`."""

    @property
    def generated(self) -> torch.Tensor:
        """Return bool, B×n: the tokens to generate. Cells are whole tokens, so no token is half masked."""
        return self.mask[..., 0] > 0

    def model_input(self, noisy: torch.Tensor) -> torch.Tensor:
        """Return the 384 channels that FLUX.1-Fill sees, B×n×384, from its noisy latents, B×n×64."""
        return torch.cat([noisy, self.masked_latents.to(noisy), self.mask.to(noisy)], dim=2)

    def to(self, device: torch.device | str) -> Conditions:
        """Return the same on a device."""
        return Conditions(
            self.shape, self.masked_latents.to(device), self.mask.to(device), self.image_ids.to(device)
        )  # fmt: skip


class GridEncoder:
    """Encodes grids with a codec under one set of settings; a cache is optional."""

    def __init__(self, codec: LatentCodec, settings: LatentSettings, cache: TensorCache | None = None) -> None:
        self.codec = codec
        self.settings = settings
        self._cache = cache

    def conditions(
        self, grids: Sequence[Grid], generators: Sequence[torch.Generator], *, keep: Sequence[Sequence[bool]] = ()
    ) -> Conditions:
        """Return what the model is told about grids of one shape.

        Parameters
        ----------
        grids
            B grids.
        generators
            One a grid, from which its latents are drawn, row by row; unused where ``posterior`` is ``mode``.
        keep
            B×R: rows to look up in the cache and to keep there. By default all; name the rows that will come again,
            for those with a freshly drawn degradation never do.

        Raises
        ------
        ValueError
            If the grids differ in shape.
        """
        shape = _common_shape(grids)
        fill = FILLS[self.settings.fill]
        masked_latents = _join(
            [self._row_tokens(_filled(grid, row, fill), generator, _kept(keep, number, row)) for row in _rows(grid)]
            for number, (grid, generator) in enumerate(zip(grids, generators, strict=True))
        )
        mask = _join([pack_mask(_pixel_mask(grid, row)[None]) for row in _rows(grid)] for grid in grids)
        return Conditions(shape, masked_latents, mask.to(masked_latents), image_ids(shape).to(masked_latents.device))

    def targets(
        self,
        grids: Sequence[Grid],
        conditions: Conditions,
        generators: Sequence[torch.Generator],
        *,
        keep: Sequence[Sequence[bool]] = (),
    ) -> torch.Tensor:
        """Return the latents of the grids with the truth in every cell, B×n×64.

        Rows without a masked cell are taken from ``conditions``; the others are encoded, and drawn, once more. ``keep``
        as for :meth:`conditions`.
        """
        known = split_rows(conditions.masked_latents, conditions.shape)
        return _join(
            [
                self._row_tokens(_pixels(grid.rows[row]), generator, _kept(keep, number, row))
                if grid.masked[row].any()
                else known[row][number : number + 1]
                for row in _rows(grid)
            ]
            for number, (grid, generator) in enumerate(zip(grids, generators, strict=True))
        )

    def decode(
        self, tokens: torch.Tensor, shape: GridShape, rows: Sequence[int] | None = None
    ) -> list[list[np.ndarray]]:
        """Return the pictures of latents: for each of B grids the rows asked for, uint8 H×(L·W)×3 RGB.

        Parameters
        ----------
        tokens
            B×n×64.
        shape
            Of the grids.
        rows
            Numbers of the rows to decode, 0 the first; by default all.
        """
        split, sizes = split_rows(tokens, shape), row_token_sizes(shape)
        chosen = range(len(sizes)) if rows is None else rows
        return [
            [_picture(self.codec.decode(unpack_latents(split[row][number : number + 1], sizes[row]))) for row in chosen]
            for number in range(len(tokens))
        ]

    def _row_tokens(self, pixels: torch.Tensor, generator: torch.Generator, keep: bool) -> torch.Tensor:
        drawn = generator if self.settings.posterior == "sample" else None
        return pack_latents(self.codec.latents(self._moments(pixels, keep), drawn))

    def _moments(self, pixels: torch.Tensor, keep: bool) -> torch.Tensor:
        if self._cache is None or not keep:
            return self.codec.encode(pixels)
        # The filled pixels are hashed, so that what hides a cell is part of the key.
        key = content_key("row", self.codec.identity, str(tuple(pixels.shape)), pixels.numpy().tobytes())
        found = self._cache.get(key)
        if found is None:
            found = {"moments": self.codec.encode(pixels).cpu()}
            self._cache.put(key, found)
        return found["moments"].to(self.codec.device)


def _common_shape(grids: Sequence[Grid]) -> GridShape:
    shapes = {grid.shape for grid in grids}
    if len(shapes) != 1:
        raise ValueError(f"a batch has one grid shape, for all its samples share their positions; found {shapes}")
    return shapes.pop()


def _kept(keep: Sequence[Sequence[bool]], number: int, row: int) -> bool:
    return bool(keep[number][row]) if len(keep) else True


def _pixels(row: np.ndarray) -> torch.Tensor:
    """Return a row in [−1, 1], float32, 1×3×H×W, by the same arithmetic as diffusers' image processors."""
    scaled = torch.from_numpy(row.astype(np.float32) / 255.0)
    return (2.0 * scaled - 1.0).permute(2, 0, 1)[None].contiguous()


def _filled(grid: Grid, row: int, fill: float) -> torch.Tensor:
    return torch.where(_pixel_mask(grid, row), fill, _pixels(grid.rows[row]))


def _pixel_mask(grid: Grid, row: int) -> torch.Tensor:
    return torch.from_numpy(grid.pixel_mask(row).copy())  # a view of one value a cell, which torch does not take


def _rows(grid: Grid) -> range:
    return range(len(grid.rows))


def _join(grids: Iterable[list[torch.Tensor]]) -> torch.Tensor:
    """Return the tokens of B grids, each given row by row, as one batch."""
    return torch.cat([torch.cat(rows, dim=1) for rows in grids])


def _picture(pixels: torch.Tensor) -> np.ndarray:
    scaled = (pixels[0].float() / 2 + 0.5).clamp(0, 1).permute(1, 2, 0)
    return (scaled * 255).round().to(torch.uint8).cpu().numpy()
