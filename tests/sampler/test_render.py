"""The picture of a sample shows what the model sees, and nothing of what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from sampler.grid import Grid
from sampler.render import render_sample

TEXT = [("layout", "A grid."), ("task", "Do it " * 60), ("content", "")]


def grid_of(*sizes: tuple[int, int], columns: int = 2, hole: tuple[int, int] = (0, 0)) -> Grid:
    """Return a grid of rows of cells of these sizes, all in one green that nothing else has."""
    rows = tuple(np.full((height, columns * width, 3), (1, 200, 2), np.uint8) for height, width in sizes)
    masked = np.zeros((len(sizes), columns), bool)
    masked[hole] = True
    return Grid(rows, masked)


def green(picture: np.ndarray) -> int:
    return int((picture == (1, 200, 2)).all(axis=2).sum())


def test_shown_cells_are_there_pixel_by_pixel_and_the_hole_is_not() -> None:
    grid = grid_of((64, 48), (48, 80), hole=(1, 0))
    picture = np.asarray(render_sample(grid, ["[IMAGE1]", "[IMAGE2]"], TEXT))
    assert green(picture) == 2 * 64 * 48 + 48 * 80


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 2), (3, 4)])
def test_pictures_are_wide_and_high_enough_for_everything(rows: int, columns: int) -> None:
    grid = grid_of(*[(384, 384)] * rows, columns=columns)
    captions = [f"[IMAGE{number + 1}] a caption" for number in range(columns)]
    picture = np.asarray(render_sample(grid, captions, TEXT))
    assert green(picture) == (rows * columns - 1) * 384 * 384
    assert (picture[:, -4:] == 255).all() and (picture[-4:] == 255).all()  # nothing runs over the border


def test_longer_instructions_make_the_picture_higher_not_wider() -> None:
    grid = grid_of((64, 64))
    short, long = (render_sample(grid, ["[IMAGE1]"] * 2, [("task", "word " * n)]) for n in (1, 200))
    assert (long.width, long.height > short.height + 100) == (short.width, True)


@pytest.mark.parametrize("width", [96, 192, 288])
def test_a_caption_stays_over_its_cell(width: int) -> None:
    captions = ["[IMAGE1] instant_style reference", "[IMAGE2]"]
    picture = np.asarray(render_sample(grid_of((64, width)), captions, []))
    assert (picture[:28, 12 : 12 + width] < 100).any()
    assert (picture[:28, 12 + width : 24 + width] == 255).all()  # between the two cells


def test_a_caption_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="1 captions for 2 columns"):
        render_sample(grid_of((64, 64)), ["[IMAGE1]"], [])
