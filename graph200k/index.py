"""The parquet tables beside the shards: where every member lies, what every record has, what failed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graph200k.catalogue import GRAPH200K, Catalogue
from graph200k.errors import DatasetError
from graph200k.record import Member, availability
from graph200k.storage import Folder

INDEX_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("node", pa.string()),
        ("variant", pa.int16()),
        ("role", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("hash", pa.binary(16)),
        ("annotator", pa.string()),
        ("fingerprint", pa.string()),
        ("usable", pa.bool_()),
    ]
)
"""One row a member, in the order of the tar."""

RECORDS_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("shard", pa.int32()),
        ("available", pa.uint64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("source", pa.string()),
        ("source_hash", pa.binary(16)),
    ]
)
"""One row a record, in the order of the shards; opening a dataset reads the first five columns."""

FAILURES_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("annotator", pa.string()),
        ("fingerprint", pa.string()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("when", pa.timestamp("ms", tz="UTC")),
        ("count", pa.int32()),
    ]
)
"""One row a (key, annotator) that failed last time it was tried; ``annotator`` is ``ingest`` for bad sources."""


def write_table(folder: Folder, name: str, table: pa.Table) -> None:
    """Write a parquet file; equal tables give equal bytes."""
    with folder.writer(name) as file:
        pq.write_table(table, file, compression="zstd", store_schema=False)


def read_table(folder: Folder, name: str, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file and check its columns.

    Raises
    ------
    DatasetError
        If it is missing, damaged, or lacks a column.
    """
    wanted = schema.names if columns is None else columns
    data = folder.read(name)
    try:
        table = _parse(data, wanted)
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        raise DatasetError(
            f"{folder.shown(name)} is damaged ({_first_line(error)}); run `graph200k verify --repair`"
        ) from None
    if missing := set(wanted) - set(table.column_names):
        raise DatasetError(f"{folder.shown(name)} lacks the columns {sorted(missing)}; run `graph200k verify --repair`")
    expected = pa.schema([schema.field(column) for column in table.column_names])
    if table.schema.equals(expected):
        return table
    try:
        return table.cast(expected)
    except pa.ArrowException as error:
        raise DatasetError(
            f"{folder.shown(name)} has columns of other types ({_first_line(error)}); run `graph200k verify --repair`"
        ) from None


def _parse(data: bytes, columns: list[str]) -> pa.Table:
    """Return columns of a parquet file in little memory.

    Not ``pq.read_table``: it imports pyarrow.dataset and with it pandas, 0.3 s for nothing we use. Not Arrow's default
    memory pool: mimalloc sets 26 MB aside for a table of 11 MB.
    """
    pool = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        return pq.ParquetFile(pa.BufferReader(data)).read(columns=columns, use_threads=False)
    finally:
        pa.set_memory_pool(pool)


def members_table(members: Iterable[Member]) -> pa.Table:
    """Return members as a table of :data:`INDEX_SCHEMA`."""
    return rows_table((tuple(getattr(member, name) for name in INDEX_SCHEMA.names) for member in members), INDEX_SCHEMA)


def table_members(table: pa.Table) -> list[Member]:
    """Return the members of a table of :data:`INDEX_SCHEMA`."""
    columns = (table.column(name).to_pylist() for name in INDEX_SCHEMA.names)
    return [Member(*row) for row in zip(*columns, strict=True)]


def records_of(
    shard: int, members: Iterable[Member], sources: Iterable[tuple[str, bytes]], catalogue: Catalogue = GRAPH200K
) -> pa.Table:
    """Return one row a record of a shard (:data:`RECORDS_SCHEMA`), from its members and its records' (name, hash)."""
    grouped: dict[str, list[Member]] = {}
    for member in members:
        grouped.setdefault(member.key, []).append(member)
    rows: list[tuple[object, ...]] = []
    for (key, group), (source, source_hash) in zip(grouped.items(), sources, strict=True):
        usable = [(member.node, member.variant, member.role) for member in group if member.usable]
        target = next(member for member in group if member.node == "target")
        mask = np.uint64(availability(usable, catalogue))
        rows.append((key, shard, mask, target.width, target.height, source, source_hash))
    return rows_table(rows, RECORDS_SCHEMA)


def rows_table(rows: Iterable[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    """Return tuples in the order of the schema's columns as a table."""
    columns = list(zip(*rows, strict=True)) or [() for _ in schema]
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
