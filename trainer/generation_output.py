"""What a generation leaves behind: its cells and its grid as PNG, and a picture for people with the truth beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from graph200k.storage import Folder
from sampler.columns import Column
from sampler.grid import Grid
from sampler.instructions import Instructions
from sampler.render import render_sample

_WHITE = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A grid with its masked cells generated."""

    name: str
    """What the names of its files begin with."""
    seed: int
    columns: tuple[Column, ...]
    instructions: Instructions
    grid: Grid
    upsampled: Mapping[tuple[int, int], np.ndarray] = field(default_factory=dict)
    """Larger versions of generated cells, uint8 H×W×3, by (row, column)."""

    @property
    def cells(self) -> list[tuple[int, int]]:
        """Return (row, column) of the generated cells."""
        return [(int(row), int(column)) for row, column in np.argwhere(self.grid.masked)]


def write_made(made: Made, out: Path, truth: Grid | None = None) -> dict[str, Any]:
    """Write the pictures of a generation below ``out``, and return what they are as JSON values.

    Parameters
    ----------
    made
        What was generated.
    out
        Folder, made if it is missing.
    truth
        The grid as the dataset has it; its masked cells are shown beside those generated.
    """
    cells = [_write_cell(made, row, column, out) for row, column in made.cells]
    described = {
        "seed": made.seed,
        "prompt": made.instructions.prompt,
        "grid": _save(out, f"{made.name}-grid.png", stacked(made.grid)),
        "cells": cells,
    }
    if truth is None:
        return described
    return described | {"picture": _save(out, f"{made.name}-truth.png", beside_truth(made, truth))}


def stacked(grid: Grid) -> np.ndarray:
    """Return the rows of a grid under each other, uint8 H×W×3; narrower ones end in white.

    Examples
    --------
    >>> rows = (np.zeros((16, 32, 3), np.uint8), np.zeros((16, 64, 3), np.uint8))
    >>> picture = stacked(Grid(rows, np.array([[False, False], [False, True]])))
    >>> picture.shape, int(picture[0, 40, 0]), int(picture[20, 40, 0])
    ((32, 64, 3), 255, 0)
    """
    width = max(row.shape[1] for row in grid.rows)
    spaces = [((0, 0), (0, width - row.shape[1]), (0, 0)) for row in grid.rows]
    return np.concatenate(
        [np.pad(row, space, constant_values=_WHITE) for row, space in zip(grid.rows, spaces, strict=True)]
    )


def beside_truth(made: Made, truth: Grid) -> Image.Image:
    """Return a picture of a generated grid with captions, the truth to the right of each row with generated cells."""
    said = made.instructions
    texts = [("layout", said.layout), ("task", said.task), ("content", said.content)]
    last = len(made.grid.rows) - 1
    pictures = [
        render_sample(*_row_beside_truth(made, truth, row), texts if row == last else []) for row in range(last + 1)
    ]
    whole = Image.new("RGB", (max(each.width for each in pictures), sum(each.height for each in pictures)), "white")
    top = 0
    for picture in pictures:
        whole.paste(picture, (0, top))
        top += picture.height
    return whole


def _row_beside_truth(made: Made, truth: Grid, row: int) -> tuple[Grid, list[str]]:
    """Return one row with the truth of its generated cells behind it, and what its cells are called."""
    wanted = [column for generated_row, column in made.cells if generated_row == row]
    cells = [made.grid.rows[row], *(truth.cell(row, column) for column in wanted)]
    captions = [
        f"{_label(column)}{' (generated)' if number in wanted else ''}" for number, column in enumerate(made.columns)
    ]
    captions += [f"{_label(made.columns[column])} (truth)" for column in wanted]
    return Grid((np.concatenate(cells, axis=1),), np.zeros((1, len(captions)), bool)), captions


def _write_cell(made: Made, row: int, column: int, out: Path) -> dict[str, Any]:
    # Most grids have their gaps in the last row, which then needs no number.
    place = "" if row == len(made.grid.rows) - 1 else f"row{row + 1}-"
    name = f"{made.name}-{place}{_label(made.columns[column], '-')}"
    file = _save(out, f"{name}.png", made.grid.cell(row, column))
    described = {"row": row, "column": column, "node": made.columns[column].node, "file": file}
    if (large := made.upsampled.get((row, column))) is not None:
        described["upsampled"] = _save(out, f"{name}-upsampled.png", large)
    return described


def _label(column: Column, separator: str = " ") -> str:
    return separator.join(part for part in (column.node, column.role) if part)


def _save(out: Path, name: str, picture: np.ndarray | Image.Image) -> str:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.ascontiguousarray(picture))
    with Folder(str(out)).writer(name) as file:
        image.save(file, "PNG")
    return str(out / name)
