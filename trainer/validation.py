"""Validation: masked-cell losses by task and number of contexts, and pictures, always on the same samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from graph200k.dataset import Dataset
from graph200k.seeds import derive_seed
from sampler.batch import Batch, collate
from sampler.config import ALL_SAID, MixConfig
from sampler.grid import Grid
from sampler.pool import held_out_tasks
from sampler.task_sampler import TaskSampler
from trainer.config import ValidationSettings
from trainer.flow import FlowSettings
from trainer.step import Encoders, Model, losses_at, prepare

LOSS = "validation/loss"
"""Mean over the tasks that are trained: what the best checkpoint is best in."""
TRAINED, HELD_OUT = "trained", "held_out"
_GAP_PX = 8
_WHITE = 255

Painter: TypeAlias = Callable[[Batch, Sequence[int]], Sequence[Grid]]
"""From samples of one grid shape and a seed each, to their grids with the masked cells as the model makes them now."""

Place: TypeAlias = tuple[str, int, int]
"""Kind of task, number of contexts, and number among those."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The loss of one sample."""

    kind: str
    """``trained`` or ``held_out``: what its task is to the run."""
    contexts: int
    """How many it has; fewer than asked for where its task has too few records."""
    task: str
    loss: float


class Validation:
    """The samples of a run's validations; their pixels are read anew each time.

    Parameters
    ----------
    mix
        Datasets and sampler settings of the training.
    settings
        How many samples, and at which noise levels.
    flow
        Objective of the training; here the loss is that of masked cells in any case.
    accelerator
        The ranks that share the samples.
    """

    def __init__(
        self, mix: MixConfig, settings: ValidationSettings, flow: FlowSettings, accelerator: Accelerator
    ) -> None:
        self._settings = settings
        self._flow = flow.model_copy(update={"loss_on": "masked"})
        self._accelerator = accelerator
        self._samplers = validation_samplers(mix, settings)

    @torch.no_grad()
    def measure(self, model: Model, encoders: Encoders) -> dict[str, float]:
        """Return mean losses of masked cells by name: of all that is trained, by kind and contexts, and by task.

        All ranks call it, and all get the whole result.
        """
        found: list[Measured] = []
        for (kind, *_), batch, first_time in self._share(self._settings.samples):
            loss = self._loss(model, encoders, batch)
            sample = batch.samples[0]
            if first_time:
                found.append(Measured(kind, len(sample.rows) - 1, sample.task.name, loss))
        return summarise(gather_object(found))

    @torch.no_grad()
    def draw(self, paint: Painter) -> dict[str, np.ndarray]:
        """Return pictures by name, uint8, H×W×3: a grid as the model completes it, and beside it the truth."""
        found: list[tuple[str, np.ndarray]] = []
        for (kind, _, number), batch, first_time in self._share(self._settings.pictures):
            sample = batch.samples[0]
            (made,) = paint(batch, [derive_seed("picture", self._settings.seed, sample.index)])
            if first_time:
                name = f"{kind}-C{len(sample.rows) - 1}-{number}-{sample.task.name.replace(',', '-')}"
                found.append((name, beside(made, batch.grids()[0])))
        return dict(gather_object(found))

    def _loss(self, model: Model, encoders: Encoders, batch: Batch) -> float:
        seeds = ("validation", self._settings.seed)
        prepared = prepare(batch, encoders, seeds=seeds, device=self._accelerator.device)
        losses = [
            losses_at(model, prepared, torch.tensor([sigma]), self._flow).item() for sigma in self._settings.sigmas
        ]
        return fmean(losses)

    def _share(self, each: int) -> Iterator[tuple[Place, Batch, bool]]:
        """Yield this rank's share of the samples, and whether each is seen for the first time.

        All ranks get the same number, for a sharded model runs on all of them together; some come twice for that.
        """
        ranks, rank = self._accelerator.num_processes, self._accelerator.process_index
        places = [(kind, contexts, number) for kind, contexts in self._samplers for number in range(each)]
        for position in range(rank, -(-len(places) // ranks) * ranks, ranks):
            kind, contexts, number = place = places[position % len(places)]
            sampler = self._samplers[kind, contexts]
            # One of each block: the samples of a block share their shape.
            loaded = sampler.load(number * sampler.config.shape_block)
            yield place, collate([loaded]), position < len(places)


def summarise(found: Sequence[Measured]) -> dict[str, float]:
    """Return the means of losses by name.

    Examples
    --------
    >>> found = [Measured("trained", 0, "canny,target", 0.5), Measured("held_out", 2, "hed,target", 1.5)]
    >>> for name, loss in summarise(found).items():
    ...     print(name, loss)
    validation/loss 0.5
    validation/trained/C0 0.5
    validation/task/canny,target 0.5
    validation/held_out/C2 1.5
    validation/task/hed,target 1.5
    """
    groups: defaultdict[str, list[float]] = defaultdict(list)
    for each in found:
        if each.kind == TRAINED:
            groups[LOSS].append(each.loss)
        groups[f"validation/{each.kind}/C{each.contexts}"].append(each.loss)
        groups[f"validation/task/{each.task}"].append(each.loss)
    return {name: fmean(losses) for name, losses in groups.items()}


def beside(made: Grid, truth: Grid) -> np.ndarray:
    """Return two grids side by side, uint8, H×W×3, on white."""
    pictures = [np.vstack(_as_wide(grid.rows)) for grid in (made, truth)]
    gap = np.full((len(pictures[0]), _GAP_PX, 3), _WHITE, np.uint8)
    return np.hstack([pictures[0], gap, pictures[1]])


def _as_wide(rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    width = max(row.shape[1] for row in rows)
    return [
        np.pad(row, ((0, _GAP_PX), (0, width - row.shape[1]), (0, 0)), constant_values=_WHITE) for row in rows
    ]  # fmt: skip


def validation_samplers(mix: MixConfig, settings: ValidationSettings) -> Mapping[tuple[str, int], TaskSampler]:
    """Return samplers of trained and of held-out tasks for each number of contexts, with all their instructions."""
    datasets = [Dataset(share.data) for share in mix.datasets]
    shares = zip(mix.datasets, datasets, strict=True)
    held_out = sorted({name for share, dataset in shares for name in held_out_tasks(share, dataset.catalogue)})
    kinds = {TRAINED: None} | ({HELD_OUT: held_out} if held_out else {})
    always = {"seed": settings.seed, "reverse": 0.0, "instructions": ALL_SAID}
    return {
        (kind, contexts): TaskSampler(
            datasets,
            mix.sampler.model_copy(update=always | {"contexts": (*(0.0,) * contexts, 1.0)}),
            shares=mix.datasets,
            only=only,
        )
        for contexts in settings.contexts
        for kind, only in kinds.items()
    }
