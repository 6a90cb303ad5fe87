"""The grid of images with a hole that a model completes, and the sizes of its cells (paper, Sec. 4.1 and Eq. 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SIDE_MULTIPLE_PX = 16
"""Sides of cells are multiples of this: a FLUX token covers 16×16 pixels."""

ASPECTS: tuple[tuple[int, int], ...] = ((9, 16), (2, 3), (3, 4), (1, 1), (4, 3), (3, 2), (16, 9))
"""Width to height of the aspect buckets, from portrait to landscape."""

SQUARE = ASPECTS.index((1, 1))
"""The bucket of square cells."""


def cell_size(bucket: int, area_px: int) -> tuple[int, int]:
    """Return (height, width) of the cells of an aspect bucket, multiples of 16 of about ``area_px`` pixels.

    Examples
    --------
    >>> cell_size(SQUARE, 384**2), cell_size(0, 384**2)
    ((384, 384), (512, 288))
    """
    width, height = ASPECTS[bucket]
    unit = math.sqrt(area_px / (width * height)) / SIDE_MULTIPLE_PX
    return round(height * unit) * SIDE_MULTIPLE_PX, round(width * unit) * SIDE_MULTIPLE_PX


def aspect_buckets(sizes: np.ndarray) -> np.ndarray:
    """Return the nearest aspect bucket of each (width, height), int8; distance is between the ratios' logarithms.

    Examples
    --------
    >>> aspect_buckets(np.array([[1024, 1024], [1600, 900], [700, 1000]]))
    array([3, 6, 1], dtype=int8)
    """
    ratios = np.log([width / height for width, height in ASPECTS])
    borders = (ratios[1:] + ratios[:-1]) / 2
    found: np.ndarray = np.searchsorted(borders, np.log(sizes[:, 0] / sizes[:, 1])).astype(np.int8)
    return found


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of images, all of one task: in-context examples first, the query last.

    Raises
    ------
    ValueError
        If the rows are not R arrays that split into as many cells as ``masked`` has columns.
    """

    rows: tuple[np.ndarray, ...]
    """R arrays, uint8, H×(L·W)×3 RGB: the L cells of a row side by side. Rows may differ in H and W."""
    masked: np.ndarray
    """bool, R×L: the cells to generate. The true image stands in ``rows`` where it is known."""

    def __post_init__(self) -> None:
        columns = self.masked.shape[1] if self.masked.ndim == 2 else 0
        if columns == 0 or len(self.rows) != len(self.masked) or any(row.shape[1] % columns for row in self.rows):
            shapes = ", ".join(str(row.shape) for row in self.rows)
            raise ValueError(f"rows of shapes {shapes} do not fill a mask of shape {self.masked.shape}")

    @property
    def columns(self) -> int:
        """Return L, the number of cells in a row."""
        return int(self.masked.shape[1])

    @property
    def shape(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        """Return L and (height, width) of the cells of each row: what must agree within a batch."""
        return self.columns, tuple((row.shape[0], row.shape[1] // self.columns) for row in self.rows)

    def cell(self, row: int, column: int) -> np.ndarray:
        """Return a view of one cell, uint8 H×W×3."""
        width = self.rows[row].shape[1] // self.columns
        return self.rows[row][:, column * width : (column + 1) * width]

    def pixel_mask(self, row: int) -> np.ndarray:
        """Return bool, H×(L·W): True on the pixels of a row that are to be generated."""
        height, width = self.rows[row].shape[:2]
        cells = np.repeat(self.masked[row], width // self.columns)
        return np.broadcast_to(cells, (height, width))
