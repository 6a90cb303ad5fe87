"""Samples: what a draw stands for, in names that people and trainers use, and how to turn it into pixels."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from annotators.degradations import degradations
from graph200k.catalogue import Storage
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError, PlanError, UnsafeInputError
from graph200k.record import Edit, RecordInfo
from graph200k.schema import Task
from graph200k.seeds import derive_rng
from sampler.cells import Cell, load_row, variants
from sampler.columns import Column
from sampler.config import DatasetShare, SamplerConfig
from sampler.draws import Drawer, Draws
from sampler.fit import Fit
from sampler.grid import Grid, cell_size
from sampler.instructions import Instructions, instruct
from sampler.pool import Pool, PoolTask, dataset_fingerprint

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 100
"""Samples in a row that may be unreadable before the dataset is taken to be broken."""

ContextChooser: TypeAlias = Callable[[Dataset, Task, int, np.ndarray], int]
"""From a dataset, a task, the query's row and the rows that could be shown (int64), to the one of them to show."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One cloze task: which images stand where, which of them are to be generated, and the instructions."""

    seed: int
    index: int
    attempt: int
    """How many draws of this index could not be read."""
    dataset: int
    """Position of the dataset in the mix."""
    data: str
    """Its folder or URL."""
    task: Task
    columns: tuple[Column, ...]
    """As shown: the conditions in an order drawn for the sample, what the task generates last."""
    records: tuple[int, ...]
    """Row of the dataset of each grid row; the query last."""
    rows: tuple[tuple[Cell, ...], ...]
    masked: tuple[tuple[int, int], ...]
    """(row, column) of the cells to generate."""
    cell_sizes: tuple[tuple[int, int], ...]
    """(height, width) of the cells of each row, in pixels."""
    instructions: Instructions

    def to_json(self) -> dict[str, Any]:
        """Return the sample as JSON values: one line of ``graph200k sample-tasks``."""
        return {
            "seed": self.seed,
            "index": self.index,
            "attempt": self.attempt,
            "data": self.data,
            "task": self.task.name,
            "meta_task": self.task.meta_task,
            "path": list(self.task.path),
            "columns": [".".join(part for part in (column.node, column.role) if part) for column in self.columns],
            "rows": [[_cell_json(cell) for cell in row] for row in self.rows],
            "masked": [list(place) for place in self.masked],
            "cell_sizes": [list(size) for size in self.cell_sizes],
            "layout": self.instructions.layout,
            "instruction": self.instructions.task,
            "content": self.instructions.content,
        }


def _cell_json(cell: Cell) -> dict[str, Any]:
    described = {"key": cell.key, "node": cell.node, "variant": cell.variant, "role": cell.role}
    return described if cell.params is None else described | {"params": dict(cell.params)}


@dataclass(frozen=True, slots=True)
class Picks:
    """What was picked for a sample of a task, as numbers."""

    index: int
    attempt: int
    records: tuple[int, ...]
    """Rows of the dataset, one a grid row; the query last."""
    buckets: tuple[int, ...]
    """Aspect bucket of each grid row."""
    variants: tuple[int, ...]
    """Of each grid row, the bits that the variants are chosen by."""
    order: int
    """Bits that the order of the condition columns is made from."""
    masked: int
    """Column of the query's cell to generate, among the columns as shown."""
    words: int
    """64 bits that phrases and dropouts are chosen by."""


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
        Names of the tasks to draw; None draws all that are not held out.
    choose
        Picks the in-context examples instead of chance, one call an example: nearest by an embedding, say. It sees the
        records of the example's aspect bucket that serve the task, without the query and what was chosen before.

    Raises
    ------
    PlanError
        If no task can be served.

    Notes
    -----
    ``sampler[i]`` reads the shard indexes and the query's JSON (0.3 ms on a warm cache), :meth:`load` the pixels too.

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
        draws = self._drawer.draws(index, index + 1, attempt)
        entry = self.pool.tasks[int(draws.tasks[0])]
        dataset = self.datasets[entry.dataset]
        rows = int(draws.contexts[0]) + 1
        records = [int(row) for row in draws.records[0, :rows]]
        if self._choose is not None:
            records = _chosen(self._choose, dataset, entry, records, draws.buckets[0])
        picks = Picks(
            index=index,
            attempt=attempt,
            records=tuple(records),
            buckets=tuple(int(bucket) for bucket in draws.buckets[0, :rows]),
            variants=tuple(int(bits) for bits in draws.variants[0, :rows]),
            order=int(draws.order[0]),
            masked=int(draws.masked[0]),
            words=int(draws.words[0]),
        )
        return compose(dataset, entry, picks, self.config)

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


def compose(dataset: Dataset, entry: PoolTask, picks: Picks, config: SamplerConfig) -> Sample:
    """Return the sample that was picked; reads the query's JSON and the indexes of the records' shards.

    Raises
    ------
    DatasetError
        If they are damaged or gone.
    """
    columns = shown_columns(entry, picks.order)
    rows = tuple(
        cells_of(dataset, record, columns, bits, (config.seed, picks.index, picks.attempt, row))
        for row, (record, bits) in enumerate(zip(picks.records, picks.variants, strict=True))
    )
    masked = ((len(rows) - 1, picks.masked),)
    info = dataset.info(picks.records[-1])
    instructions = instruct(
        entry.task,
        columns,
        masked,
        rows=len(rows),
        text=info.text,
        edit=_edit(info, rows[-1]),
        picks=picks.words,
        config=config.instructions,
        catalogue=dataset.catalogue,
    )
    return Sample(
        seed=config.seed,
        index=picks.index,
        attempt=picks.attempt,
        dataset=entry.dataset,
        data=dataset.folder.shown(),
        task=entry.task,
        columns=columns,
        records=picks.records,
        rows=rows,
        masked=masked,
        cell_sizes=tuple(cell_size(bucket, config.area_px) for bucket in picks.buckets),
        instructions=instructions,
    )


def load_grid(dataset: Dataset, sample: Sample, fit: Fit) -> Grid:
    """Return the pixels of a sample, the true image in the masked cells.

    Raises
    ------
    DatasetError
        If a member is damaged or gone.
    ImageDecodeError
        If one is no image.
    """
    masked = np.zeros((len(sample.rows), len(sample.columns)), bool)
    for row, column in sample.masked:
        masked[row, column] = True
    pixels = tuple(
        load_row(dataset, record, cells, size, fit)
        for record, cells, size in zip(sample.records, sample.rows, sample.cell_sizes, strict=True)
    )
    return Grid(pixels, masked)


def shown_columns(entry: PoolTask, bits: int) -> tuple[Column, ...]:
    """Return the columns with the conditions in an order chosen by ``bits``."""
    left = list(entry.columns[:-1])
    order = []
    while left:
        bits, place = divmod(bits, len(left))
        order.append(left.pop(place))
    return (*order, entry.columns[-1])


def cells_of(
    dataset: Dataset, record: int, columns: Sequence[Column], bits: int, stream: tuple[int, ...]
) -> tuple[Cell, ...]:
    """Return the images of a record that fill a row.

    Parameters
    ----------
    bits
        What the variants are chosen by.
    stream
        What the parameters of online degradations are a function of.
    """
    key = str(dataset.keys[record])
    cells = []
    for column in columns:
        entry = dataset.catalogue[column.node]
        variant, params = None, None
        if entry.has_variants:
            found = variants(dataset, record, column.node)
            variant = found[bits % len(found)]
        if entry.storage is Storage.ONLINE:
            params = degradations[column.node]().draw(derive_rng("online", *stream))
        cells.append(Cell(key, column.node, variant, column.role, params))
    return tuple(cells)


def _edit(info: RecordInfo, cells: Sequence[Cell]) -> Edit | None:
    """Return what the edited image among ``cells`` shows, if there is one and it is known."""
    shown = {(cell.node, cell.variant or 0) for cell in cells}
    return next((edit for edit in info.edits if (edit.node, edit.variant) in shown), None)


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
