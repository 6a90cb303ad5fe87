"""Draw what samples are made of, without touching a pixel: sample i is a pure function of (seed, i) and the pool.

The samples of a block have one grid shape (rows, columns, size of each row's cells), and yet every task comes up with
its own probability: a task is drawn for the block and with it as many of its records as the grid has rows; their shape
is kept and the task forgotten. Each sample then draws its task anew from those that could have given the shape,
weighted by how likely they were to. By Bayes' rule that leaves tasks and records distributed as if each sample had been
drawn alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from sampler.config import SamplerConfig
from sampler.hashing import Streams
from sampler.pool import Pool, PoolTask
from sampler.serving import RecordList


class _Stream(IntEnum):
    """Purposes of random numbers; those of rows come last and are counted up."""

    TASK = 0
    CONTEXTS = 1
    ORDER = 2
    REVERSE = 3
    MASKED = 4
    WORDS = 5
    RECORDS = 16
    VARIANTS = 1016


_ATTEMPTS = 2000
"""Streams of one attempt; a redraw uses the next ones."""


@dataclass(frozen=True, slots=True)
class Draws:
    """n consecutive draws as arrays; rows of samples with fewer contexts than the most are filled up with −1."""

    indices: np.ndarray
    """int64, n: index of each sample."""
    tasks: np.ndarray
    """int64, n: position in the pool's tasks."""
    contexts: np.ndarray
    """int64, n: number of in-context examples."""
    buckets: np.ndarray
    """int64, n×R: aspect bucket of each row; the query is row ``contexts``."""
    records: np.ndarray
    """int64, n×R: row of the dataset of each row; the query is row ``contexts``."""
    variants: np.ndarray
    """uint64, n×R: 64 random bits; modulo the number of variants, the variant of each row."""
    order: np.ndarray
    """uint64, n: 64 random bits that the order of the condition columns is made from."""
    masked: np.ndarray
    """int64, n: column of the masked cell, among the columns as shown; the last is what the task generates."""
    words: np.ndarray
    """uint64, n: 64 random bits that phrases and dropouts are chosen by."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Tasks that can fill grids of one shape."""

    tasks: np.ndarray
    """int64, positions in the pool."""
    cumulative: np.ndarray
    """float64, running sum of their probabilities given the shape, ending in 1."""


class Drawer:
    """Draws from a pool.

    Parameters
    ----------
    pool
        Tasks with their probabilities and records.
    config
        Seed, probabilities of contexts and of reverse generation, length of a block.
    """

    def __init__(self, pool: Pool, config: SamplerConfig) -> None:
        self._tasks: Sequence[PoolTask] = pool.tasks
        self._config = config
        self._streams = Streams("samples", config.seed)
        self._blocks = Streams("blocks", config.seed)
        self._cumulative = _cumulative(np.array([entry.weight for entry in pool.tasks]))
        self._columns = np.array([len(entry.columns) for entry in pool.tasks])
        # Many tasks share a list: what is computed for one is computed for all.
        unique = {id(entry.records): entry.records for entry in pool.tasks}
        self._lists: list[RecordList] = list(unique.values())
        places = {key: position for position, key in enumerate(unique)}
        self._list_of = np.array([places[id(entry.records)] for entry in pool.tasks])
        self._counts = np.array([np.diff(records.borders) for records in self._lists])
        self._contexts = self._context_probabilities()
        self._shapes: dict[bytes, _Shape] = {}

    @property
    def max_rows(self) -> int:
        """Return the most rows a grid can have."""
        return len(self._config.contexts)

    def draws(self, start: int, stop: int, attempt: int = 0) -> Draws:
        """Return draws ``start`` to ``stop`` − 1, the same as if drawn one by one.

        Parameters
        ----------
        start, stop
            Range of indices.
        attempt
            0, or how many draws of these indices could not be read: another one of the same grid shape.
        """
        indices = np.arange(start, stop)
        blocks, inverse = np.unique(indices // self._config.shape_block, return_inverse=True)
        contexts, columns, buckets = (values[inverse] for values in self._block_shapes(blocks))
        base = attempt * _ATTEMPTS
        tasks = self._tasks_given_shape(indices, contexts, columns, buckets, base)
        records = self._records(indices, tasks, contexts, buckets, base)
        streams = self._streams
        reverse = streams.uniform(indices, base + _Stream.REVERSE) < self._config.reverse
        others = streams.below(indices, base + _Stream.MASKED, columns - 1)
        variants = [streams.bits(indices, base + _Stream.VARIANTS + row) for row in range(self.max_rows)]
        return Draws(
            indices=indices,
            tasks=tasks,
            contexts=contexts,
            buckets=buckets,
            records=records,
            variants=np.stack(variants, axis=1),
            order=streams.bits(indices, base + _Stream.ORDER),
            masked=np.where(reverse, others, columns - 1),
            words=streams.bits(indices, base + _Stream.WORDS),
        )

    def _context_probabilities(self) -> np.ndarray:
        """Return lists×(C+1): cumulative probabilities of 0, 1, … examples.

        A number that a list has too few records for counts as the most that it allows.
        """
        wanted = np.array(self._config.contexts) / sum(self._config.contexts)
        result = np.zeros((len(self._lists), len(wanted)))
        for number, probability in enumerate(wanted):
            possible = np.minimum(number, self._counts.sum(1) - 1)
            result[np.arange(len(result)), possible] += probability
        return np.cumsum(result, axis=1)

    def _block_shapes(self, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return contexts, columns and buckets (n×R) of each block."""
        tasks = _choose(self._cumulative, self._blocks.uniform(blocks, _Stream.TASK))
        lists = self._list_of[tasks]
        number = self._blocks.uniform(blocks, _Stream.CONTEXTS)
        contexts = (number[:, None] >= self._contexts[lists, :-1]).sum(1)
        taken = np.full((len(blocks), self.max_rows), np.iinfo(np.int64).max)
        buckets = np.full((len(blocks), self.max_rows), -1)
        sizes = self._counts.sum(1)[lists]
        for row in range(self.max_rows):
            there = np.flatnonzero(row <= contexts)
            free = self._blocks.below(blocks[there], _Stream.RECORDS + row, sizes[there] - row)
            taken[there, row] = _skip(free, np.sort(taken[there, :row], axis=1))
            for which in np.unique(lists[there]):
                chosen = there[lists[there] == which]
                buckets[chosen, row] = self._lists[which].bucket(taken[chosen, row])
        return contexts, self._columns[tasks], buckets

    def _tasks_given_shape(
        self, indices: np.ndarray, contexts: np.ndarray, columns: np.ndarray, buckets: np.ndarray, base: int
    ) -> np.ndarray:
        numbers = self._streams.uniform(indices, base + _Stream.TASK)
        keys, first, inverse = np.unique(
            np.column_stack([contexts, columns, buckets]), axis=0, return_index=True, return_inverse=True
        )
        tasks = np.empty(len(indices), np.int64)
        for position, group in _groups(inverse.reshape(-1), len(keys)):
            example = first[position]
            shape = self._shape(int(contexts[example]), int(columns[example]), buckets[example])
            tasks[group] = shape.tasks[_choose(shape.cumulative, numbers[group])]
        return tasks

    def _shape(self, contexts: int, columns: int, buckets: np.ndarray) -> _Shape:
        key = np.array([contexts, columns, *buckets], np.int16).tobytes()
        if key not in self._shapes:
            likely = self._likelihoods(contexts, buckets[: contexts + 1])[self._list_of]
            weights = np.array([entry.weight for entry in self._tasks]) * likely * (self._columns == columns)
            tasks = np.flatnonzero(weights)
            self._shapes[key] = _Shape(tasks, _cumulative(weights[tasks]))
        return self._shapes[key]

    def _likelihoods(self, contexts: int, buckets: np.ndarray) -> np.ndarray:
        """Return how likely each list is to give so many contexts and, drawing different records, these buckets."""
        steps = np.diff(self._contexts, axis=1, prepend=0.0)
        likely = steps[:, contexts]
        sizes = self._counts.sum(1)
        for row, bucket in enumerate(buckets):
            before = int((buckets[:row] == bucket).sum())
            likely = likely * np.maximum(self._counts[:, bucket] - before, 0) / np.maximum(sizes - row, 1)
        return likely

    def _records(
        self, indices: np.ndarray, tasks: np.ndarray, contexts: np.ndarray, buckets: np.ndarray, base: int
    ) -> np.ndarray:
        """Return the rows of the dataset (n×R), different ones within a sample."""
        positions = np.full((len(indices), self.max_rows), np.iinfo(np.int64).max)
        rows = np.full((len(indices), self.max_rows), -1)
        lists = self._list_of[tasks]
        for row in range(self.max_rows):
            there = np.flatnonzero(row <= contexts)
            bucket = buckets[there, row]
            same = buckets[there, :row] == bucket[:, None]
            counts = self._counts[lists[there], bucket] - same.sum(1)
            free = self._streams.below(indices[there], base + _Stream.RECORDS + row, counts)
            begins = np.array([records.borders[:-1] for records in self._lists])[lists[there], bucket]
            earlier = np.where(same, positions[there, :row], np.iinfo(np.int64).max)
            positions[there, row] = _skip(free + begins, np.sort(earlier, axis=1))
        for which, group in _groups(lists, len(self._lists)):
            there = positions[group] < np.iinfo(np.int64).max
            found = rows[group]
            found[there] = self._lists[which].rows(positions[group][there])
            rows[group] = found
        return rows


def _cumulative(weights: np.ndarray) -> np.ndarray:
    sums = np.cumsum(weights)
    result: np.ndarray = sums / sums[-1]
    return result


def _choose(cumulative: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.searchsorted(cumulative, numbers, side="right")
    found[found == len(cumulative)] -= 1  # a sum of floats may end just below 1
    return found


def _skip(free: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Return the positions that are number ``free`` among those not in ``taken`` (n×k, each row ascending)."""
    positions = free.copy()
    for column in range(taken.shape[1]):
        positions += positions >= taken[:, column]
    return positions


def _groups(labels: np.ndarray, number: int) -> list[tuple[int, np.ndarray]]:
    """Return, for each label from 0 to ``number`` − 1 that occurs, where it does."""
    sorting = np.argsort(labels, kind="stable")
    borders = np.searchsorted(labels[sorting], np.arange(number + 1))
    return [(label, sorting[borders[label] : borders[label + 1]]) for label in np.unique(labels)]
