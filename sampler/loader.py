"""Samples as torch tensors: the indexed data set with batches of one grid shape on all ranks, and the streamed one."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, get_worker_info

from graph200k.errors import PlanError
from sampler.grid import Grid
from sampler.samples import Sample
from sampler.streaming import TaskStream
from sampler.task_sampler import TaskSampler


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
        If a step would reach over two blocks, whose shapes differ.
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
        self._step = step = world_size * batch_size
        if shape_block % step:
            raise PlanError(
                f"{world_size} ranks × {batch_size} samples = {step} do not divide the shape block of {shape_block}; "
                f"set shape_block to a multiple of {step}, or change the batch size"
            )
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
        self.sampler = sampler
        self.position = 0
        """Index of the first sample that no batch given out holds, over all ranks: the whole state of the stream."""
        self._shape = {"batch_size": batch_size, "rank": rank, "world_size": world_size}
        self._options: dict[str, Any] = {
            "num_workers": workers,
            "pin_memory": pin_memory,
            "collate_fn": collate,
            "worker_init_fn": _outlive_sigterm,
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


class StreamingDataset(IterableDataset[tuple[Batch, dict[str, Any]]]):
    """Batches of a stream with the state behind each, without end; every worker process reads shards of its own.

    Give it to a DataLoader with ``batch_size=None``: it makes batches itself, for the workers to hold shapes apart.

    Parameters
    ----------
    stream
        Where batches come from.
    rank, world_size
        Number of this rank, and how many there are.
    given
        How many batches the rank was given before: the worker whose turn it is goes first.
    states
        State behind the last batch of each part, by its number; a part that has none begins at the beginning.
    """

    def __init__(
        self,
        stream: TaskStream,
        *,
        rank: int = 0,
        world_size: int = 1,
        given: int = 0,
        states: Mapping[int, dict[str, Any]] | None = None,
    ) -> None:
        self.stream = stream
        self._rank, self._world_size, self._given, self._states = rank, world_size, given, dict(states or {})

    def __iter__(self) -> Iterator[tuple[Batch, dict[str, Any]]]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        part, parts = self._rank * workers + (worker + self._given) % workers, self._world_size * workers
        for batch in self.stream.batches(part=part, parts=parts, state=self._states.get(part)):
            yield collate(batch.loaded), batch.state


class StreamLoader:
    """Batches of one rank from a stream, from worker processes, with a state that can be saved and resumed.

    Ranks have grids of shapes of their own at each step; :class:`ClozeLoader` keeps them alike.

    Parameters
    ----------
    stream
        Where batches come from; its settings say how large they are.
    rank, world_size
        Number of this rank, and how many there are.
    workers
        Processes that read and decode, each with a buffer of its own; 0 does it in this one.
    pin_memory
        Whether batches go through page-locked memory.

    Examples
    --------
    >>> loader = StreamLoader(TaskStream("s3://bucket/data", SamplerConfig()), workers=4)  # doctest: +SKIP
    >>> for batch in loader: ...  # doctest: +SKIP
    """

    def __init__(
        self, stream: TaskStream, *, rank: int = 0, world_size: int = 1, workers: int = 0, pin_memory: bool = False
    ) -> None:
        self.stream = stream
        self._ranks = {"rank": rank, "world_size": world_size}
        self._workers, self._pin_memory = workers, pin_memory
        self._given = 0
        self._states: dict[int, dict[str, Any]] = {}

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end, behind the last one given; what workers read ahead is read again next time."""
        dataset = StreamingDataset(self.stream, given=self._given, states=self._states, **self._ranks)
        loader: Iterable[tuple[Batch, dict[str, Any]]] = DataLoader(
            dataset, batch_size=None, num_workers=self._workers, pin_memory=self._pin_memory, collate_fn=_as_it_is
        )
        for batch, state in loader:
            self._given += 1
            self._states[state["part"]] = state
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return JSON values to go on from: a rank saves its own."""
        counts = {**self._ranks, "workers": self._workers, "fingerprint": self.stream.fingerprint}
        return counts | {"given": self._given, "parts": list(self._states.values())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises
        ------
        PlanError
            If the stream, the number of ranks or workers, or the rank is another one.
        """
        here = self.state_dict()
        names = ("fingerprint", "rank", "world_size", "workers")
        if differing := [f"{name} {state[name]} (now {here[name]})" for name in names if state[name] != here[name]]:
            raise PlanError(
                f"the state was saved with {', '.join(differing)}; a stream goes on as it was begun: with the same "
                "dataset, settings, ranks and workers"
            )
        self._given = int(state["given"])
        self._states = {found["part"]: found for found in state["parts"]}


def _as_it_is(item: Any) -> Any:
    return item  # torch's default would turn the numbers of a state into tensors


def _outlive_sigterm(worker: int) -> None:
    """Let a worker process end when its loader says so: schedulers send SIGTERM to all processes of a run at once.

    One that died of it would raise in the trainer, which is about to save what it has.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
