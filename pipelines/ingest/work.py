"""One unit of work: read a few items, transcode them, leave one or more parts behind."""

from __future__ import annotations

from dataclasses import dataclass

from graph200k.codecs import Limits
from graph200k.errors import SourceError, UnsafeInputError
from graph200k.parts import PartRow, failure_row, write_part
from graph200k.storage import Folder
from pipelines.ingest.failure import ANNOTATOR, failure_class
from pipelines.ingest.plan import PlannedItem
from pipelines.ingest.source import Source, open_source
from pipelines.ingest.transcode import transcode

FLUSH_BYTES = 64 * 2**20
"""Encoded bytes held before a unit writes a part early: 32 photographs of a camera are half a gigabyte."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A few consecutive items of one shard, and where they come from and go to."""

    data: str
    """URL of the dataset."""
    run: str
    kind: str
    location: str
    limits: Limits
    shard: int
    items: list[PlannedItem]


@dataclass(frozen=True, slots=True)
class UnitResult:
    """How many items were dealt with, and how many of them gave no record."""

    done: int
    failed: int


def run_unit(unit: Unit) -> UnitResult:
    """Deal with every item of a unit; what one of them does wrong is a row, never an exception.

    Raises
    ------
    OutputError
        If a part cannot be written.
    DatasetError
        If the run that asked for it is over.
    """
    folder, source = Folder(unit.data), open_source(unit.kind, unit.location, unit.limits)
    pending: list[PartRow] = []
    size = failed = 0
    for item in unit.items:
        rows = item_rows(source, item)
        failed += all(row.node is None for row in rows)
        pending.extend(rows)
        size += sum(len(row.data or b"") for row in rows)
        if size > FLUSH_BYTES:
            _write(folder, unit, pending)
            pending, size = [], 0
    if pending:
        _write(folder, unit, pending)
    return UnitResult(len(unit.items), failed)


def item_rows(source: Source, item: PlannedItem) -> list[PartRow]:
    """Return the rows of one item: its members, or its failure."""
    if item.locator is None:
        return [_failure(item, item.label, item.error, item.message)]
    try:
        rows, problems = transcode(source.read(item.item), item.key, item.ordinal, source.limits, source.catalogue)
    except (UnsafeInputError, SourceError) as error:
        return [_failure(item, item.label, failure_class(error), str(error))]
    except MemoryError:
        return [_failure(item, item.label, "oom", "out of memory while it was decoded")]
    left_out = [_failure(item, f"{item.label} ({found.name})", found.error, found.message) for found in problems]
    return [*rows, *left_out]


def write_failure(folder: Folder, run: str, shard: int, item: PlannedItem, error: str, message: str) -> None:
    """Write the failure of one item as a part of its own."""
    write_part(folder, run, shard, part_name(item.ordinal), [_failure(item, item.label, error, message)])


def part_name(ordinal: int) -> str:
    """Return the name of the part that begins with this item."""
    return f"ingest-{ordinal:06d}"


def _failure(item: PlannedItem, key: str, error: str, message: str) -> PartRow:
    return failure_row(item.ordinal, key, ANNOTATOR, item.fingerprint, error, message)


def _write(folder: Folder, unit: Unit, rows: list[PartRow]) -> None:
    write_part(folder, unit.run, unit.shard, part_name(rows[0].ordinal), rows)
