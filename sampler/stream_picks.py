"""Pick a task for a record that comes along in a stream, and its in-context examples among the records held beside it.

Every pick is a function of the seed, the sample's index and the records held; what is known to be damaged only strikes
candidates off a fixed order, so that it does not matter when damage was found.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import TypeAlias

import numpy as np

from graph200k.dataset import Dataset
from sampler.config import SamplerConfig, TaskWeights
from sampler.grid import SQUARE, aspect_buckets
from sampler.hashing import Streams
from sampler.pool import TURNED, Pool, PoolTask, task_need
from sampler.samples import Picks
from sampler.weights import task_probabilities

Readable: TypeAlias = Callable[[int, PoolTask, int], bool]
"""From a row of the dataset, a task and the bits its variants are chosen by, to whether no damage is known there."""


class _Purpose(IntEnum):
    """Purposes of the random numbers of a sample."""

    CONTEXTS = 0
    ORDER = 1
    REVERSE = 2
    MASKED = 3
    WORDS = 4


class StreamPicker:
    """Picks tasks and examples for the records of one dataset.

    Parameters
    ----------
    dataset
        Where the records are.
    pool
        Its tasks.
    weights
        How often tasks are drawn.
    config
        Seed, probabilities of contexts and of reverse generation, shape of cells.
    one_bucket
        Whether examples must have the aspect bucket of the query.
    """

    def __init__(
        self, dataset: Dataset, pool: Pool, weights: TaskWeights, config: SamplerConfig, *, one_bucket: bool
    ) -> None:
        self._tasks = pool.tasks
        self._weights, self._config, self._one_bucket = weights, config, one_bucket
        self._needs = np.array([task_need(entry.task, dataset.catalogue) for entry in pool.tasks], np.uint64)
        self._square = np.array(
            [config.shape == "square" or not TURNED.isdisjoint(entry.task.path) for entry in pool.tasks]
        )
        self._availability, self._contents = dataset.availability, dataset.content_ids()
        self._buckets = aspect_buckets(dataset.sizes)
        # Without the last: a sum of floats may end just below 1.
        self._contexts = np.cumsum(config.contexts)[:-1] / sum(config.contexts)
        self._samples = Streams("stream samples", config.seed)
        self._task_order = Streams("stream tasks", config.seed)
        self._example_order = Streams("stream examples", config.seed)
        self._variants = Streams("stream variants", config.seed)
        self._served: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def served(self) -> np.ndarray:
        """Return a boolean array: which records can serve a task."""
        masks, inverse = np.unique(self._availability, return_inverse=True)
        found: np.ndarray = np.array([len(self._tasks_of(int(mask))[0]) > 0 for mask in masks], bool)[inverse]
        return found

    def pick(self, index: int, query: int, held: np.ndarray, readable: Readable) -> tuple[PoolTask, Picks, int] | None:
        """Return a task for a record, what fills its grid, and how many examples are missing.

        None if damage leaves the record no task.

        Parameters
        ----------
        index
            Index of the sample.
        query
            Row of the record in the dataset.
        held
            int64, rows of the records that can be examples; the query may be among them.
        readable
            Says what is not known to be damaged.
        """
        bits = self._samples.bits(index * len(_Purpose) + np.arange(len(_Purpose)), 0)
        uniform = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
        wanted = int(np.searchsorted(self._contexts, uniform[_Purpose.CONTEXTS], side="right"))
        own = int(self._variants.bits(np.array([query]), index)[0])
        for attempt, position in enumerate(self._ordered_tasks(index, query)):
            entry = self._tasks[position]
            if not readable(query, entry, own):
                continue
            examples = self._examples(index, position, query, held, readable)
            chosen = [*itertools.islice(examples, wanted), (query, own)]
            records = tuple(row for row, _ in chosen)
            last = len(entry.columns) - 1
            reverse = uniform[_Purpose.REVERSE] < self._config.reverse
            picks = Picks(
                index=index,
                attempt=attempt,
                records=records,
                buckets=tuple(self._row_buckets(position, np.array(records)).tolist()),
                variants=tuple(variant for _, variant in chosen),
                order=int(bits[_Purpose.ORDER]),
                masked=int(uniform[_Purpose.MASKED] * last) if reverse else last,
                words=int(bits[_Purpose.WORDS]),
            )
            return entry, picks, wanted + 1 - len(chosen)
        return None

    def _examples(
        self, index: int, position: int, query: int, held: np.ndarray, readable: Readable
    ) -> Iterator[tuple[int, int]]:
        """Yield rows that can be examples, of different content, with their variant bits, in the sample's own order."""
        need, entry = self._needs[position], self._tasks[position]
        fits = (self._availability[held] & need) == need
        if self._one_bucket:
            fits &= self._row_buckets(position, held) == self._row_buckets(position, np.array([query]))[0]
        candidates = held[fits]
        candidates = candidates[np.argsort(self._example_order.bits(candidates, index), kind="stable")]
        seen = {int(self._contents[query])}
        for row, bits in zip(candidates.tolist(), self._variants.bits(candidates, index).tolist(), strict=True):
            content = int(self._contents[row])
            if content not in seen and readable(row, entry, bits):
                seen.add(content)
                yield row, bits

    def _ordered_tasks(self, index: int, query: int) -> Iterator[int]:
        """Yield the positions of the tasks a record can serve, in the order that weighted draws would bring them up."""
        positions, probabilities = self._tasks_of(int(self._availability[query]))
        # The smallest of exponential variables with these rates is each task's with its probability; the rest follow
        # as if drawn again without it.
        waits = -np.log1p(-self._task_order.uniform(positions, index)) / probabilities
        yield from positions[np.argsort(waits, kind="stable")].tolist()

    def _tasks_of(self, mask: int) -> tuple[np.ndarray, np.ndarray]:
        """Return positions and probabilities of the tasks that records of an availability mask can serve."""
        if mask not in self._served:
            positions = np.flatnonzero((np.uint64(mask) & self._needs) == self._needs)
            tasks = [self._tasks[position].task for position in positions]
            probabilities = task_probabilities(tasks, self._weights) if tasks else np.zeros(0)
            self._served[mask] = positions[probabilities > 0], probabilities[probabilities > 0]
        return self._served[mask]

    def _row_buckets(self, position: int, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), SQUARE) if self._square[position] else self._buckets[rows]
