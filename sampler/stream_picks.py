"""Pick a task for a record that comes along in a stream, and its in-context examples among the records held beside it.

Every pick is a function of the seed, the sample's index and the records held; what is known to be damaged only strikes
candidates off a fixed order, so that it does not matter when damage was found.
"""

from __future__ import annotations

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


class _Stream(IntEnum):
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
        self._contexts = np.cumsum(config.contexts) / sum(config.contexts)
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

    def wanted_contexts(self, index: int) -> int:
        """Return how many examples sample ``index`` should have."""
        number = self._samples.uniform(np.array([index]), _Stream.CONTEXTS)[0]
        return min(int(np.searchsorted(self._contexts, number, side="right")), len(self._contexts) - 1)

    def pick(self, index: int, query: int, held: np.ndarray, readable: Readable) -> tuple[PoolTask, Picks] | None:
        """Return a task for the record at row ``query`` and what fills its grid; None if damage leaves it no task.

        Parameters
        ----------
        index
            Index of the sample.
        query
            Row of the dataset.
        held
            int64, rows of the records that can be examples; the query may be among them.
        readable
            Says what is not known to be damaged.
        """
        bits = self._variant_bits(index, np.array([query]))[0]
        for attempt, position in enumerate(self._ordered_tasks(index, query)):
            entry = self._tasks[position]
            if not readable(query, entry, bits):
                continue
            examples = self._examples(index, position, query, held, readable)
            records = np.array([*examples, query])
            one = np.array([index])
            columns = len(entry.columns)
            reverse = self._samples.uniform(one, _Stream.REVERSE)[0] < self._config.reverse
            other = self._samples.below(one, _Stream.MASKED, np.array([columns - 1]))[0]
            return entry, Picks(
                index=index,
                attempt=attempt,
                records=tuple(int(row) for row in records),
                buckets=tuple(int(bucket) for bucket in self._row_buckets(position, records)),
                variants=tuple(self._variant_bits(index, records)),
                order=int(self._samples.bits(one, _Stream.ORDER)[0]),
                masked=int(other) if reverse else columns - 1,
                words=int(self._samples.bits(one, _Stream.WORDS)[0]),
            )
        return None

    def _examples(self, index: int, position: int, query: int, held: np.ndarray, readable: Readable) -> list[int]:
        """Return up to as many rows as are wanted, no two of equal content, in an order drawn for the sample."""
        wanted = self.wanted_contexts(index)
        if wanted == 0:
            return []
        need, entry = self._needs[position], self._tasks[position]
        fits = (self._availability[held] & need) == need
        if self._one_bucket:
            fits &= self._row_buckets(position, held) == self._row_buckets(position, np.array([query]))[0]
        candidates = held[fits]
        candidates = candidates[np.argsort(self._example_order.bits(candidates, index), kind="stable")]
        seen, chosen = {int(self._contents[query])}, []
        for row in candidates.tolist():
            content = int(self._contents[row])
            if content not in seen and readable(row, entry, self._variant_bits(index, np.array([row]))[0]):
                seen.add(content)
                chosen.append(row)
                if len(chosen) == wanted:
                    break
        return chosen

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

    def _variant_bits(self, index: int, rows: np.ndarray) -> list[int]:
        return [int(bits) for bits in self._variants.bits(rows, index)]
