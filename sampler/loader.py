"""Samples by index for torch: a data set, and batches that have one grid shape on all ranks at each step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset, Sampler

from graph200k.errors import PlanError
from sampler.batch import Batch, collate
from sampler.grid import Grid
from sampler.samples import Sample
from sampler.task_sampler import TaskSampler
from sampler.worker_signals import outlive_signals

__all__ = ["Batch", "ClozeDataset", "ClozeLoader", "ShapeBatches", "collate"]


class ClozeDataset(Dataset[tuple[Sample, Grid]]):
    """All samples of a sampler by index: ``dataset[i]`` depends on the seed, i and the data, and on nothing else.

    There is no last index. A worker process opens the files it reads; what it cannot read gives way to another sample
    of the same shape, with a line in its log.
    """

    def __init__(self, sampler: TaskSampler) -> None:
        self.sampler = sampler

    def __getitem__(self, index: int) -> tuple[Sample, Grid]:
        return self.sampler.load(index)


class ShapeBatches(Sampler[list[int]]):
    """Indices of one rank's batches: consecutive samples, dealt so that all ranks have one grid shape at each step.

    Step s is the samples from s·ranks·batch on; rank r has the r-th run of ``batch_size`` of them.

    Parameters
    ----------
    shape_block
        ``SamplerConfig.shape_block`` of the stream.
    batch_size
        Samples a rank a step.
    rank, world_size
        Number of this rank, and how many there are.
    position
        Index of the first sample of the first step.
    steps
        How many batches to give; None never ends.

    Raises
    ------
    PlanError
        If a step would reach over two blocks, whose shapes differ, or a number is out of its range.
    """

    def __init__(
        self,
        *,
        shape_block: int,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        position: int = 0,
        steps: int | None = None,
    ) -> None:
        if batch_size < 1 or not 0 <= rank < world_size:
            raise PlanError(
                f"batch_size {batch_size}, rank {rank} of world_size {world_size}; expected 1 or more, and ranks from 0"
            )
        self._step = step = world_size * batch_size
        if shape_block % step:
            raise PlanError(
                f"{world_size} ranks × {batch_size} samples = {step} do not divide the shape block of {shape_block}; "
                f"set shape_block to a multiple of {step}, or change the batch size"
            )
        if position < 0:
            raise PlanError(f"position {position}; streams begin at 0")
        if position % step:
            raise PlanError(
                f"position {position} is no multiple of {world_size} ranks × {batch_size} samples = {step}; go on from "
                f"{position - position % step}, or with a batch size whose steps end there"
            )
        self._start, self._batch, self._rank, self._steps = position, batch_size, rank, steps

    def __iter__(self) -> Iterator[list[int]]:
        done = 0
        while self._steps is None or done < self._steps:
            first = self._start + done * self._step + self._rank * self._batch
            yield list(range(first, first + self._batch))
            done += 1


class ClozeLoader:
    """Batches of one rank, from worker processes, with a position that can be saved and resumed.

    Parameters
    ----------
    sampler
        Where samples come from.
    batch_size, rank, world_size
        As in :class:`ShapeBatches`.
    workers
        Processes that read and decode; 0 does it in this one. The stream is the same for any number.
    pin_memory
        Whether batches go through page-locked memory.

    Examples
    --------
    >>> loader = ClozeLoader(sampler, batch_size=2, workers=4)  # doctest: +SKIP
    >>> for batch in loader.batches(100): ...  # doctest: +SKIP
    >>> loader.position  # doctest: +SKIP
    200
    """

    def __init__(
        self,
        sampler: TaskSampler,
        *,
        batch_size: int = 1,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        if workers < 0:
            raise PlanError(f"workers {workers}; expected 0 or more")
        self.sampler = sampler
        self.position = 0
        """Index of the first sample that no batch given out holds, over all ranks: the whole state of the stream."""
        self._shape = {"batch_size": batch_size, "rank": rank, "world_size": world_size}
        self._options: dict[str, Any] = {
            "num_workers": workers,
            "pin_memory": pin_memory,
            "collate_fn": collate,
            "worker_init_fn": outlive_signals,
        }
        self._indices(None)

    def batches(self, steps: int | None = None) -> Iterator[Batch]:
        """Yield the next ``steps`` batches, or batches without end.

        What workers had read ahead when the iteration is left is thrown away and read again next time.
        """
        loader = DataLoader(ClozeDataset(self.sampler), batch_sampler=self._indices(steps), **self._options)
        for batch in loader:
            # Before the batch is used: a state saved while it is being used must not give it out again.
            self.position += self._shape["batch_size"] * self._shape["world_size"]
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return the position, and the fingerprint of the stream that it is a position in."""
        return {"position": self.position, "fingerprint": self.sampler.fingerprint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved position; ranks and workers may be other ones.

        Raises
        ------
        PlanError
            If the position belongs to another stream, or steps of the present size never end there.
        """
        if missing := {"position", "fingerprint"} - state.keys():
            raise PlanError(f"no {' and no '.join(sorted(missing))} in the state; expected what state_dict() returned")
        if state["fingerprint"] != self.sampler.fingerprint:
            raise PlanError(
                f"the position was saved from stream {state['fingerprint']}, this one is {self.sampler.fingerprint}: "
                "the dataset, its settings or the tasks have changed; start from 0, or go back to what it was"
            )
        before, self.position = self.position, int(state["position"])
        try:
            self._indices(None)
        except PlanError:
            self.position = before
            raise

    def _indices(self, steps: int | None) -> ShapeBatches:
        block = self.sampler.config.shape_block
        return ShapeBatches(shape_block=block, position=self.position, steps=steps, **self._shape)
