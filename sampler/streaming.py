"""Samples from one pass over the shards, for object stores: every record is a query once an epoch.

Records go through a bounded shuffle buffer in the order of the tars, and examples come from what the buffer holds. The
state is a few numbers: what the buffer held is computed from them, and only that is read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from graph200k.dataset import Dataset
from graph200k.errors import DatasetError, PlanError, UnsafeInputError
from sampler.config import DatasetShare, SamplerConfig, TaskWeights
from sampler.damage import Counts, Damage, member_nodes
from sampler.grid import Grid
from sampler.pool import Pool, PoolTask, dataset_fingerprint
from sampler.reading import BufferedDataset
from sampler.samples import Sample, compose, load_grid
from sampler.shuffle import ShuffleBuffer, deal
from sampler.stream_picks import StreamPicker

Loaded: TypeAlias = tuple[Sample, Grid]


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamSettings:
    """How much a stream holds, and how it makes batches; part of its fingerprint.

    Raises
    ------
    PlanError
        If a number is below 1.
    """

    capacity: int = 256
    """Records in the shuffle buffer."""
    batch_size: int = 1
    """Samples of one grid shape in a batch; with more than 1, examples have the aspect bucket of their query, because
    samples whose rows have shapes of their own would hardly ever meet an equal one."""
    waiting: int = 32
    """Samples that wait for others of their shape; when there are so many, the one that waited longest goes out with
    those of its shape, in a batch that is smaller."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise PlanError(f"{name} is {value}; a stream needs at least 1")


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """Samples of one grid shape, and where the stream stands after them."""

    loaded: tuple[Loaded, ...]
    state: dict[str, Any]
    """JSON values to go on from: see :meth:`TaskStream.batches`."""


class TaskStream:
    """Samples of one dataset in the order of its shards, shuffled by a bounded buffer.

    Parameters
    ----------
    data
        Folder or URL of the dataset.
    config
        Seed, probabilities and sizes, as for :class:`sampler.task_sampler.TaskSampler`; ``shape_block`` has no effect.
    settings
        Size of the buffer and of the batches.
    share
        Task weights and held-out tasks.
    only
        Names of the tasks to draw; None draws all that are not held out.

    Raises
    ------
    PlanError
        If no task can be served.

    Notes
    -----
    Each reader needs as much memory as the members that tasks can use of ``capacity`` records have bytes on disk,
    ``waiting`` decoded grids, and what the file system reads ahead (50 MB on S3).
    """

    def __init__(
        self,
        data: str,
        config: SamplerConfig,
        *,
        settings: StreamSettings | None = None,
        share: DatasetShare | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        self.dataset = Dataset(data)
        self.config = config
        self.settings = settings or StreamSettings()
        share = share or DatasetShare(data=data)
        self.pool = Pool([self.dataset], [share], only, square=config.shape == "square")
        self.counts = Counts()
        weights = share.weights if only is None else TaskWeights()
        self._picker = StreamPicker(self.dataset, self.pool, weights, config, one_bucket=self.settings.batch_size > 1)
        self._served = self._picker.served()
        self._nodes = _nodes_read(self.dataset, self.pool.tasks)
        described = [config.model_dump_json(exclude={"shape_block"}), share.model_dump_json(exclude={"data"})]
        described += [json.dumps(asdict(self.settings)), dataset_fingerprint(self.dataset), str(sorted(only or ()))]
        self.fingerprint: str = hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]
        """16 hex digits: streams with the same fingerprint are the same."""

    def batches(
        self, *, part: int = 0, parts: int = 1, epochs: int | None = None, state: dict[str, Any] | None = None
    ) -> Iterator[StreamBatch]:
        """Yield the batches of one of ``parts`` readers; together they have every record as a query once an epoch.

        Parameters
        ----------
        part, parts
            Number of this reader, and how many there are: ranks × workers. Each reads shards that no other reads.
        epochs
            Epochs after which to end; None never ends.
        state
            Of a batch of the same part: go on behind that batch.

        Raises
        ------
        PlanError
            If the state is of another stream, or of other parts.
        DatasetError
            If a shard is missing, or 100 damaged members come without a sample in between; it names the shard.
        """
        place = self._place(part, parts, state)
        source = BufferedDataset(self.dataset, self._nodes)
        try:
            while epochs is None or place["epoch"] < epochs:
                yield from _Epoch(self, source, place).batches()
                place = place | {"epoch": place["epoch"] + 1, "emitted": 0, "waiting": []}
        finally:
            source.close()

    def rows(self, epoch: int, part: int, parts: int) -> np.ndarray:
        """Return the rows of the dataset that a reader reads in an epoch, in the order it reads them, int64."""
        numbers = self.dataset.shard_numbers
        shards = np.unique(numbers)
        mine = shards[deal(len(shards), seed=self.config.seed, epoch=epoch, part=part, parts=parts)]
        ranges = [np.arange(*np.searchsorted(numbers, [shard, shard + 1])) for shard in mine]
        return np.concatenate([np.zeros(0, np.int64), *ranges])

    def _place(self, part: int, parts: int, state: dict[str, Any] | None) -> dict[str, Any]:
        here = {"fingerprint": self.fingerprint, "part": part, "parts": parts}
        if not 0 <= part < parts:
            raise PlanError(f"part {part} of {parts}; parts are numbered from 0")
        if state is None:
            return here | {"epoch": 0, "emitted": 0, "waiting": []}
        if differing := [name for name in here if state[name] != here[name]]:
            found = ", ".join(f"{name} {state[name]} (now {here[name]})" for name in differing)
            raise PlanError(
                f"the state was saved by a stream of another {found}; a stream goes on with the dataset, the settings "
                "and the number of ranks and workers that it was saved with"
            )
        return dict(state)


class _Epoch:
    """One reader's pass over its shards."""

    def __init__(self, stream: TaskStream, source: BufferedDataset, place: dict[str, Any]) -> None:
        self._stream, self._source, self._place = stream, source, place
        part, parts, epoch = place["part"], place["parts"], place["epoch"]
        rows = stream.rows(epoch, part, parts)
        self._rows = rows[stream._served[rows]]
        stream.counts.unserved += len(rows) - len(self._rows)
        names = (stream.config.seed, epoch, part, parts)
        self._buffer = ShuffleBuffer(len(self._rows), stream.settings.capacity, *names)
        self._damage = Damage(source, stream.counts)
        self._groups = _ShapeGroups(stream.settings)

    def batches(self) -> Iterator[StreamBatch]:
        """Yield what comes behind the place the stream stands at."""
        buffer, emitted, waiting = self._buffer, self._place["emitted"], frozenset(self._place["waiting"])
        while buffer.turns < min([emitted, *waiting]):
            buffer.advance()
        for ordinal in sorted(buffer.slots):
            self._source.hold(int(self._rows[ordinal]))
        while buffer.live:
            turn, done = buffer.turns, None
            if turn >= emitted or turn in waiting:
                loaded = self._load(int(self._rows[buffer.slots[buffer.slot]]))
                done = loaded and self._groups.add(turn, loaded)
            self._advance()
            if done:
                yield self._batch(done)
        while done := self._groups.pop_oldest():
            yield self._batch(done)
        for ordinal in buffer.slots:
            self._release(ordinal)

    def _advance(self) -> None:
        given = self._buffer.slots[self._buffer.slot]
        following = self._buffer.advance()
        if following is not None:
            self._release(given)
            self._source.hold(int(self._rows[following]))

    def _release(self, ordinal: int) -> None:
        self._source.release(int(self._rows[ordinal]))
        self._damage.forget(int(self._rows[ordinal]))

    def _batch(self, loaded: Iterable[Loaded]) -> StreamBatch:
        state = self._place | {"emitted": self._buffer.turns, "waiting": self._groups.turns()}
        return StreamBatch(tuple(loaded), state)

    def _load(self, query: int) -> Loaded | None:
        """Return a sample for the query and its pixels, None if too much of it is damaged."""
        stream, source = self._stream, self._source
        index = self._place["epoch"] * len(source) + query
        held = self._rows[self._buffer.slots]
        while True:
            picked = None
            if not self._damage.has_json(query):
                picked = stream._picker.pick(index, query, held, self._damage.is_readable)
            if picked is None:
                stream.counts.unreadable += 1
                return None
            entry, picks, missing = picked
            try:
                sample = compose(source, entry, picks, stream.config)
                grid = load_grid(source, sample, stream.config.fit)
            except (DatasetError, UnsafeInputError):
                if not self._damage.find(picks.records):
                    raise
                continue
            self._damage.in_a_row = 0
            stream.counts.fewer_contexts += missing > 0
            return sample, grid


class _ShapeGroups:
    """Samples that wait for others of their grid shape, the group of the longest waiting first."""

    def __init__(self, settings: StreamSettings) -> None:
        self._size, self._most = settings.batch_size, settings.waiting
        self._groups: dict[object, list[tuple[int, Loaded]]] = {}

    def add(self, turn: int, loaded: Loaded) -> list[Loaded] | None:
        """Let a sample wait, and return a batch if one is complete or too many wait."""
        shape = loaded[1].shape
        group = self._groups.setdefault(shape, [])
        group.append((turn, loaded))
        if len(group) == self._size:
            return [waited for _, waited in self._groups.pop(shape)]
        return self.pop_oldest() if len(self.turns()) >= self._most else None

    def pop_oldest(self) -> list[Loaded]:
        """Return the group whose first sample has waited longest, [] if none waits."""
        if not self._groups:
            return []
        return [waited for _, waited in self._groups.pop(next(iter(self._groups)))]

    def turns(self) -> list[int]:
        """Return the turns of the samples that wait, ascending."""
        return sorted(turn for group in self._groups.values() for turn, _ in group)


def _nodes_read(dataset: Dataset, tasks: Iterable[PoolTask]) -> frozenset[str]:
    """Return the node types of which any task reads members."""
    return frozenset(source for entry in tasks for node in entry.task.path for source in member_nodes(dataset, node))
