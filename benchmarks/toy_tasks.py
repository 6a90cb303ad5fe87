"""Seven tasks on small crops of photographs: rotations, colours, degradations and their repair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from annotators.degradations import degrade, replay
from sampler.grid import Grid

CELL_PX = 32
_LEAST_CROP_PX = 96


@dataclass(frozen=True, kw_only=True)
class Change:
    """A degradation by name, with parameters or freshly drawn ones."""

    name: str
    params: Mapping[str, Any] | None = None

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image under it, uint8 H×W×3."""
        if self.params is None:
            return degrade(image, self.name, rng)[0]
        return replay(image, self.name, dict(self.params))


@dataclass(frozen=True, kw_only=True)
class ToyTask:
    """What is shown of a photograph and what is to be made of it; None is the photograph itself."""

    name: str
    shown: Change | None = None
    made: Change | None = None


_SWAP = {"kind": "permute", "order": [1, 2, 0]}
_DARK = {"factor": 0.3}
TASKS = (
    ToyTask(name="turn left", made=Change(name="rotate90")),
    ToyTask(name="upside down", made=Change(name="rotate180")),
    ToyTask(name="grey", made=Change(name="gray")),
    ToyTask(name="swap channels", made=Change(name="color_distortion", params=_SWAP)),
    ToyTask(name="darken", made=Change(name="low_light", params=_DARK)),
    ToyTask(name="brighten", shown=Change(name="low_light", params=_DARK)),
    ToyTask(name="denoise", shown=Change(name="gaussian_noise")),
)
"""All but the last two cannot be told from what is shown of the query: a photograph as it is."""


def crop(photograph: np.ndarray, rng: np.random.Generator, *, vary: bool) -> np.ndarray:
    """Return a square of a photograph at the size of a cell, mirrored or not.

    ``vary`` turns it and puts its channels into any order: there are few photographs to learn from.
    """
    height, width = photograph.shape[:2]
    side = int(rng.integers(_LEAST_CROP_PX, min(height, width) + 1))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    cell = cv2.resize(photograph[top : top + side, left : left + side], (CELL_PX,) * 2, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        cell = cell[:, ::-1]
    if vary:
        cell = np.rot90(cell, rng.integers(4))[..., rng.permutation(3)]
    return np.ascontiguousarray(cell)


def make_row(cell: np.ndarray, task: ToyTask, rng: np.random.Generator) -> np.ndarray:
    """Return what is shown of a crop and what is made of it, side by side."""
    return np.hstack([change(cell, rng) if change else cell for change in (task.shown, task.made)])


@dataclass(frozen=True)
class ToyBatch:
    """Grids of one shape."""

    grids: tuple[Grid, ...]
    tasks: tuple[int, ...]
    """Number of each grid's task."""
    instructed: tuple[bool, ...]
    """Whether the model is told the task."""


class ToyStream:
    """Batches by number: each is the same whenever it is asked for, its queries also for any number of contexts.

    Parameters
    ----------
    photographs
        To crop from, uint8 H×W×3.
    seed
        Of all that is drawn.
    vary
        See :func:`crop`.
    """

    def __init__(self, photographs: Sequence[np.ndarray], seed: int, *, vary: bool) -> None:
        self._photographs = photographs
        self._seed = seed
        self._vary = vary

    def batch(self, number: int, size: int, contexts: int, instructed: float) -> ToyBatch:
        """Return a batch.

        Parameters
        ----------
        number
            Which one.
        size
            Grids in it; tasks take turns.
        contexts
            Rows above the query's.
        instructed
            Share of the grids whose task is told.
        """
        places = range(number * size, (number + 1) * size)
        tasks = [place % len(TASKS) for place in places]
        grids = [self._grid(TASKS[task], place, contexts) for task, place in zip(tasks, places, strict=True)]
        told = np.random.default_rng((self._seed, number)).random(size) < instructed
        return ToyBatch(tuple(grids), tuple(tasks), tuple(told.tolist()))

    def _grid(self, task: ToyTask, place: int, contexts: int) -> Grid:
        """Return a grid of different photographs."""
        order = np.random.default_rng((self._seed, place, 0)).permutation(len(self._photographs))
        rows = []
        for number, photograph in enumerate(order[: contexts + 1]):
            rng = np.random.default_rng((self._seed, place, 1 + number))
            rows.append(make_row(crop(self._photographs[photograph], rng, vary=self._vary), task, rng))
        masked = np.zeros((contexts + 1, 2), dtype=bool)
        masked[-1, -1] = True
        return Grid(tuple(reversed(rows)), masked)  # the query was drawn first
