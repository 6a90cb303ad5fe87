"""Samples of a stream for torch: batches made in worker processes, each of which reads shards of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from graph200k.errors import PlanError
from sampler.batch import Batch, collate
from sampler.streaming import TaskStream
from sampler.worker_signals import outlive_signals

__all__ = ["Batch", "StreamLoader", "StreamingDataset"]


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
            dataset,
            batch_size=None,
            num_workers=self._workers,
            pin_memory=self._pin_memory,
            collate_fn=_as_it_is,
            worker_init_fn=outlive_signals,
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
