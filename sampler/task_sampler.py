"""The indexed sampler: an endless stream of samples in which any can be asked for by its number."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from graph200k.dataset import Dataset
from graph200k.errors import DatasetError, PlanError, UnsafeInputError
from graph200k.schema import Task
from sampler.config import DatasetShare, SamplerConfig
from sampler.draws import Drawer, Draws
from sampler.grid import Grid
from sampler.pool import Pool, PoolTask, dataset_fingerprint
from sampler.samples import Picks, Sample, compose, load_grid

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 100
"""Samples in a row that may be unreadable before the dataset is taken to be broken."""

_DRAWN_AT_ONCE = 64

ContextChooser: TypeAlias = Callable[[Dataset, Task, int, np.ndarray], int]
"""From a dataset, a task, the query's row and the rows that could be shown (int64), to the one of them to show."""


class TaskSampler:
    """An endless, addressable stream of samples from one dataset or a mix.

    Parameters
    ----------
    datasets
        The datasets to draw from.
    config
        Seed, probabilities and sizes.
    shares
        Weight, task weights and held-out tasks of each dataset; by default all alike.
    only
        Names of the tasks to draw, or cloze specs (:mod:`sampler.cloze`); None draws all tasks that are not held out.
    choose
        Picks the in-context examples instead of chance, one call an example: nearest by an embedding, say. It sees the
        records of the example's aspect bucket that serve the task, without the query and what was chosen before.

    Raises
    ------
    PlanError
        If no task can be served.

    Notes
    -----
    ``sampler[i]`` reads the shard indexes and the query's JSON, :meth:`load` the pixels too.

    Examples
    --------
    >>> sampler = TaskSampler([Dataset("data/graph200k")], SamplerConfig(seed=1))  # doctest: +SKIP
    >>> sample, grid = sampler.load(0)  # doctest: +SKIP
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        config: SamplerConfig,
        *,
        shares: Sequence[DatasetShare] | None = None,
        only: Iterable[str] | None = None,
        choose: ContextChooser | None = None,
    ) -> None:
        self.datasets = tuple(datasets)
        self.config = config
        shares = shares or [DatasetShare(data=dataset.folder.shown()) for dataset in self.datasets]
        self.pool = Pool(self.datasets, shares, only, square=config.shape == "square")
        self.skipped: Counter[str] = Counter()
        """What could not be read, and how often, in this process."""
        self._drawer = Drawer(self.pool, config)
        self._drawn: dict[tuple[int, int], Draws] = {}
        self._choose = choose
        described = [config.model_dump_json(), *(share.model_dump_json(exclude={"data"}) for share in shares)]
        described += [*(dataset_fingerprint(dataset) for dataset in self.datasets), str(sorted(only or ()))]
        self.fingerprint: str = hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]
        """16 hex digits: streams with the same fingerprint are the same."""

    def draws(self, start: int, stop: int) -> Draws:
        """Return draws ``start`` to ``stop`` − 1 as arrays: all of a sample but names, text and pixels."""
        return self._drawer.draws(start, stop)

    def __getitem__(self, index: int) -> Sample:
        return self.sample(index)

    def sample(self, index: int, attempt: int = 0) -> Sample:
        """Return sample ``index``; a further ``attempt`` is another sample of the same grid shape."""
        draws, place = self._draws_around(index, attempt)
        entry = self.pool.tasks[int(draws.tasks[place])]
        dataset = self.datasets[entry.dataset]
        rows = int(draws.contexts[place]) + 1
        records = [int(row) for row in draws.records[place, :rows]]
        if self._choose is not None:
            records = _chosen(self._choose, dataset, entry, records, draws.buckets[place])
        picks = Picks(
            index=index,
            attempt=attempt,
            records=tuple(records),
            buckets=tuple(int(bucket) for bucket in draws.buckets[place, :rows]),
            variants=tuple(int(bits) for bits in draws.variants[place, :rows]),
            order=int(draws.order[place]),
            masked=int(draws.masked[place]),
            words=int(draws.words[place]),
        )
        return compose(dataset, entry, picks, self.config)

    def _draws_around(self, index: int, attempt: int) -> tuple[Draws, int]:
        """Return draws that hold this one, and its place in them.

        Drawing many at once costs little more than one (0.7 ms), and neighbours are mostly asked for next.
        """
        start = index - index % _DRAWN_AT_ONCE
        if (start, attempt) not in self._drawn:
            self._drawn = {(start, attempt): self._drawer.draws(start, start + _DRAWN_AT_ONCE, attempt)}
        return self._drawn[start, attempt], index - start

    def grid(self, sample: Sample) -> Grid:
        """Return the pixels of a sample, as :func:`load_grid` does."""
        return load_grid(self.datasets[sample.dataset], sample, self.config.fit)

    def load(self, index: int) -> tuple[Sample, Grid]:
        """Return sample ``index`` with its pixels; one that cannot be read gives way to another of the same shape.

        Raises
        ------
        DatasetError
            If 100 samples in a row cannot be read; it names the last one's shard.
        """
        for attempt in range(MAX_ATTEMPTS):
            try:
                sample = self.sample(index, attempt)
                return sample, self.grid(sample)
            except (DatasetError, UnsafeInputError) as error:
                self.skipped[str(error)] += 1
                logger.warning("sample %d is skipped: %s", index, error)
                last = error
        raise DatasetError(
            f"sample {index}: {MAX_ATTEMPTS} draws in a row cannot be read, the last for this: {last}; "
            "check the dataset with `graph200k verify`"
        )


def _chosen(
    choose: ContextChooser, dataset: Dataset, entry: PoolTask, records: Sequence[int], buckets: np.ndarray
) -> list[int]:
    """Return the rows of a sample with the examples chosen by ``choose``.

    Raises
    ------
    PlanError
        If it chooses a record that it was not offered.
    """
    chosen: list[int] = []
    for bucket in buckets[: len(records) - 1]:
        start, stop = entry.records.borders[bucket : bucket + 2]
        candidates = entry.records.rows(np.arange(start, stop))
        candidates = candidates[~np.isin(candidates, [*chosen, records[-1]])]
        found = int(choose(dataset, entry.task, records[-1], candidates))
        if found not in candidates:
            raise PlanError(f"the context chooser returned row {found}, which is none of the {len(candidates)} offered")
        chosen.append(found)
    return [*chosen, records[-1]]


def read_replay(text: str) -> tuple[int, int]:
    """Return seed and index from ``SEED:INDEX``.

    Raises
    ------
    PlanError
        If it is anything else.

    Examples
    --------
    >>> read_replay("0:17")
    (0, 17)
    """
    seed, colon, index = text.partition(":")
    if not (colon and seed.isdecimal() and index.isdecimal()):
        raise PlanError(f"--replay {text}: expected SEED:INDEX, two numbers as a sample's JSON states them")
    return int(seed), int(index)
