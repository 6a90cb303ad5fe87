"""Which records can serve a task: one sorted order of all records, in which every task's records are a few runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sampler.grid import ASPECTS, SQUARE, aspect_buckets


@dataclass(frozen=True, slots=True)
class RecordList:
    """Records that can serve a need, as runs in a shared order; a position in the list names one of them.

    Positions are sorted by aspect bucket, so the records of a bucket are a range of positions.
    """

    runs: np.ndarray
    """int64, position at which each run begins, and the length of the list at the end."""
    places: np.ndarray
    """int64, where each run begins in ``order``."""
    borders: np.ndarray
    """int64, position at which each aspect bucket begins, and the length of the list at the end."""
    order: np.ndarray
    """int32, rows of the dataset; shared by all lists of it."""

    def __len__(self) -> int:
        return int(self.runs[-1])

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return the rows of the dataset at these positions, int32."""
        run = np.searchsorted(self.runs, positions, side="right") - 1
        found: np.ndarray = self.order[self.places[run] + positions - self.runs[run]]
        return found

    def bucket(self, positions: np.ndarray) -> np.ndarray:
        """Return the aspect buckets of the records at these positions, int64."""
        found: np.ndarray = np.searchsorted(self.borders, positions, side="right") - 1
        return found


class RecordLists:
    """Record lists of one dataset, made when first asked for and shared by tasks of equal needs.

    Records are sorted once by (aspect bucket, availability mask). All records between two changes serve the same
    tasks, so a list is a handful of runs in that order: the cost of a list does not grow with the dataset.

    Parameters
    ----------
    availability
        uint64, one mask a record.
    sizes
        int32, n×2: width and height of each target.
    contents
        uint64, equal for exact duplicates; of those, the record that can serve most is kept and the others are never
        drawn, so that an example can never be a copy of the query.
    """

    def __init__(self, availability: np.ndarray, sizes: np.ndarray, contents: np.ndarray) -> None:
        kept = _without_duplicates(contents, np.bitwise_count(availability))
        self.duplicates = len(availability) - len(kept)
        buckets, masks = aspect_buckets(sizes[kept]), availability[kept]
        sorting = np.lexsort((masks, buckets))
        self._order = kept[sorting]
        buckets, masks = buckets[sorting], masks[sorting]
        changes = (masks[1:] != masks[:-1]) | (buckets[1:] != buckets[:-1])
        self._starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(masks)]])[len(masks) == 0 :]
        self._buckets, self._masks = buckets[self._starts[:-1]], masks[self._starts[:-1]]
        self._lists: dict[tuple[int, bool], RecordList] = {}

    def serving(self, need: int, *, square: bool) -> RecordList:
        """Return the records whose masks have all bits of ``need``; with ``square``, all in the square bucket."""
        if (need, square) not in self._lists:
            wanted = np.uint64(need)
            chosen = np.flatnonzero((self._masks & wanted) == wanted)
            lengths = np.diff(self._starts)[chosen]
            counts = np.bincount(self._buckets[chosen], lengths, len(ASPECTS)).astype(np.int64)
            if square:
                counts = np.where(np.arange(len(ASPECTS)) == SQUARE, counts.sum(), 0)
            self._lists[need, square] = RecordList(
                runs=_running_sum(lengths),
                places=self._starts[chosen],
                borders=_running_sum(counts),
                order=self._order,
            )
        return self._lists[need, square]


def _running_sum(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _without_duplicates(contents: np.ndarray, richness: np.ndarray) -> np.ndarray:
    """Return the rows to keep, int32 and ascending: of equal contents the richest, of equally rich ones the first."""
    sorting = np.lexsort((-richness.astype(np.int16), contents))
    first = np.ones(len(contents), bool)
    first[1:] = contents[sorting][1:] != contents[sorting][:-1]
    return np.sort(sorting[first]).astype(np.int32)
