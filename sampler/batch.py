"""Samples of one grid shape as torch tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from graph200k.errors import PlanError
from sampler.grid import Grid
from sampler.samples import Sample


@dataclass(frozen=True, slots=True)
class Batch:
    """B samples of one grid shape."""

    rows: tuple[torch.Tensor, ...]
    """R tensors, uint8, B×3×H×(L·W) RGB, the query last."""
    masked: torch.Tensor
    """bool, B×R×L: the cells to generate."""
    prompts: tuple[str, ...]
    """B prompts, "" where the instructions were dropped."""
    samples: tuple[Sample, ...]

    @property
    def columns(self) -> int:
        """Return L, the number of cells in a row."""
        return int(self.masked.shape[2])

    def grids(self) -> tuple[Grid, ...]:
        """Return the B grids; their pixels are views of the tensors'."""
        pixels = [rows.permute(0, 2, 3, 1).numpy() for rows in self.rows]
        masked = self.masked.numpy()
        return tuple(Grid(tuple(row[number] for row in pixels), masked[number]) for number in range(len(masked)))

    def to(self, device: torch.device | str) -> Batch:
        """Return a copy on a device."""
        return Batch(tuple(row.to(device) for row in self.rows), self.masked.to(device), self.prompts, self.samples)

    def pin_memory(self) -> Batch:
        """Return a copy in page-locked memory, for a DataLoader with ``pin_memory``."""
        return Batch(tuple(row.pin_memory() for row in self.rows), self.masked.pin_memory(), self.prompts, self.samples)


def collate(loaded: Sequence[tuple[Sample, Grid]]) -> Batch:
    """Return samples of one grid shape as a batch.

    Raises
    ------
    PlanError
        If their shapes differ.
    """
    grids = [grid for _, grid in loaded]
    if shapes := {grid.shape for grid in grids[1:]} - {grids[0].shape}:
        raise PlanError(f"grids of {1 + len(shapes)} shapes in one batch; expected one: take batches from ShapeBatches")
    rows = tuple(
        torch.stack([torch.from_numpy(row).permute(2, 0, 1) for row in height])
        for height in zip(*(grid.rows for grid in grids), strict=True)
    )
    masked = torch.stack([torch.from_numpy(grid.masked) for grid in grids])
    samples = tuple(sample for sample, _ in loaded)
    return Batch(rows, masked, tuple(sample.instructions.prompt for sample in samples), samples)
