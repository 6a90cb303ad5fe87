from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sampler.columns import Column
from sampler.grid import Grid
from sampler.instructions import Instructions
from trainer.generation_output import Made, beside_truth, write_made


def made(upsampled: bool = False) -> Made:
    """Two rows of two cells, of which (0, 1) and (1, 0) were generated: grey 50, 100, 150 and 200."""
    cells = [np.full((32, 48, 3), grey, np.uint8) for grey in (50, 100, 150, 200)]
    rows = (np.concatenate(cells[:2], axis=1), np.concatenate(cells[2:], axis=1))
    large = {(1, 0): np.full((64, 96, 3), 7, np.uint8)} if upsampled else {}
    return Made(
        name="5",
        seed=5,
        columns=(Column("canny"), Column("redux_style", "image")),
        instructions=Instructions("two rows", "do it", ""),
        grid=Grid(rows, np.array([[False, True], [True, False]])),
        upsampled=large,
    )


def test_every_generated_cell_is_a_file_and_the_grid_is_another(tmp_path: Path) -> None:
    described = write_made(made(upsampled=True), tmp_path)
    assert described == {
        "seed": 5,
        "prompt": "two rows do it",
        "grid": str(tmp_path / "5-grid.png"),
        "cells": [
            {"row": 0, "column": 1, "node": "redux_style", "file": str(tmp_path / "5-row1-redux_style-image.png")},
            {
                "row": 1,
                "column": 0,
                "node": "canny",
                "file": str(tmp_path / "5-canny.png"),
                "upsampled": str(tmp_path / "5-canny-upsampled.png"),
            },
        ],
    }
    greys = {path.name: np.unique(np.asarray(Image.open(path))).tolist() for path in tmp_path.iterdir()}
    assert greys == {
        "5-grid.png": [50, 100, 150, 200],
        "5-row1-redux_style-image.png": [100],
        "5-canny.png": [150],
        "5-canny-upsampled.png": [7],
    }


def test_the_truth_of_generated_cells_stands_to_the_right_of_their_row() -> None:
    truth = Grid(tuple(np.full((32, 96, 3), grey, np.uint8) for grey in (11, 22)), made().grid.masked)
    picture = np.asarray(beside_truth(made(), truth))
    for grey, cells in {50: 1, 100: 1, 150: 1, 200: 1, 11: 1, 22: 1}.items():
        places = np.argwhere((picture == grey).all(axis=2))
        flat = [place for place in places if (picture[place[0] : place[0] + 2, place[1] : place[1] + 2] == grey).all()]
        assert len(flat) >= 0.9 * cells * 32 * 48

    def left(grey: int) -> float:
        return float(np.median(np.argwhere((picture == grey).all(axis=2))[:, 1]))

    assert left(50) < left(100) < left(11)
    assert left(150) < left(200) < left(22)
