"""Samples: what was drawn, in names that people and trainers use, and how to turn it into pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotators.degradations import degradations
from graph200k.catalogue import Storage
from graph200k.dataset import Dataset
from graph200k.record import Edit, RecordInfo
from graph200k.schema import Task
from graph200k.seeds import derive_rng
from sampler.cells import Cell, load_row
from sampler.cloze import ClozeTask
from sampler.columns import Column
from sampler.config import SamplerConfig
from sampler.fit import Fit
from sampler.grid import Grid, cell_size
from sampler.instructions import Instructions, instruct
from sampler.pool import PoolTask


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


def compose(dataset: Dataset, entry: PoolTask, picks: Picks, config: SamplerConfig) -> Sample:
    """Return the sample that was picked; reads the query's JSON and the indexes of the records' shards.

    Raises
    ------
    DatasetError
        If they are damaged or gone.
    """
    columns = shown_columns(entry, picks.order)
    asked = range(len(columns) - len(entry.task.targets), len(columns))
    # A spec says itself what is generated; for a task of the graph that is drawn, for it may be reversed.
    hidden = asked if isinstance(entry.task, ClozeTask) else (picks.masked,)
    rows = tuple(
        cells_of(dataset, record, columns, bits, (config.seed, picks.index, picks.attempt, row))
        for row, (record, bits) in enumerate(zip(picks.records, picks.variants, strict=True))
    )
    masked = tuple((len(rows) - 1, column) for column in hidden)
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
    given = len(entry.columns) - len(entry.task.targets)
    left = list(entry.columns[:given])
    order = []
    while left:
        bits, place = divmod(bits, len(left))
        order.append(left.pop(place))
    return (*order, *entry.columns[given:])


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
            found = dataset.variants(record, column.node)
            variant = found[bits % len(found)]
        if entry.storage is Storage.ONLINE:
            params = degradations[column.node]().draw(derive_rng("online", *stream))
        cells.append(Cell(key, column.node, variant, column.role, params))
    return tuple(cells)


def _edit(info: RecordInfo, cells: Sequence[Cell]) -> Edit | None:
    """Return what the edited image among ``cells`` shows, if there is one and it is known."""
    shown = {(cell.node, cell.variant or 0) for cell in cells}
    return next((edit for edit in info.edits if (edit.node, edit.variant) in shown), None)
