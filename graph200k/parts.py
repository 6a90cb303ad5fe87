"""Parts: immutable pieces of work in progress, one Arrow file each, that appear whole or not at all.

A part holds finished members of records of one shard, and what failed. Parts are idempotent: a piece of work done twice
gives equal rows, and sealing takes each member once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa

from graph200k.errors import DatasetError
from graph200k.index import rows_table
from graph200k.record import Member, content_hash
from graph200k.shards import shard_name
from graph200k.storage import Folder

PARTS = "parts"
"""Folder of work in progress."""

INGEST_PLAN = f"{PARTS}/ingest-plan.jsonl"
"""Plan of an ingest that is not finished; while it is there, ``parts/`` stays."""

PART_SCHEMA = pa.schema(
    [
        ("ordinal", pa.int32()),
        ("key", pa.string()),
        ("node", pa.string()),
        ("variant", pa.int16()),
        ("role", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("annotator", pa.string()),
        ("fingerprint", pa.string()),
        ("usable", pa.bool_()),
        ("provenance", pa.string()),
        ("data", pa.large_binary()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("when", pa.timestamp("ms", tz="UTC")),
    ]
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PartRow:
    """A finished member, a fact, or the failure to make it."""

    ordinal: int
    """Position of the record among the source records of its shard."""
    key: str
    annotator: str
    node: str | None = None
    """Node type, a fact's name (:data:`~graph200k.record.FACTS`), None for a failure."""
    variant: int | None = None
    role: str = ""
    width: int = 0
    height: int = 0
    fingerprint: str = ""
    usable: bool = True
    provenance: str | None = None
    """:class:`~graph200k.record.Provenance` as JSON."""
    data: bytes | None = None
    """Encoded content, of a fact its JSON, None for a failure."""
    error: str | None = None
    """Class of the failure."""
    message: str | None = None
    """One line saying what happened."""
    when: datetime | None = None
    """Time of the failure."""

    def member(self, offset: int, data: bytes) -> Member:
        """Return the index entry of this row, once it lies at ``offset``."""
        assert self.node is not None
        return Member(
            self.key,
            self.node,
            self.variant,
            self.role,
            offset,
            len(data),
            self.width,
            self.height,
            content_hash(data),
            self.annotator,
            self.fingerprint,
            self.usable,
        )


def failure_row(ordinal: int, key: str, annotator: str, fingerprint: str, error: str, message: str) -> PartRow:
    """Return the row of a failure that happened now; the message is cut to one line of 500 characters."""
    return PartRow(
        ordinal=ordinal,
        key=key,
        annotator=annotator,
        fingerprint=fingerprint,
        error=error,
        message=" ".join(message.split())[:500],
        when=datetime.now(UTC).replace(microsecond=0),
    )


def write_part(folder: Folder, run: str, shard: int, name: str, rows: Iterable[PartRow]) -> str:
    """Write ``rows`` as one part of ``shard`` in the folder of a run, and return its path.

    The folder of the run is made by its driver, never here: what an orphaned worker finishes after its run was
    cleaned up has nowhere to go.

    Raises
    ------
    DatasetError
        If the run's folder is gone.
    """
    if not folder.exists(run_marker(run)):
        raise DatasetError(f"run {run} is over; its workers write nothing more")
    table = rows_table((tuple(getattr(row, name) for name in PART_SCHEMA.names) for row in rows), PART_SCHEMA)
    path = f"{PARTS}/{run}/{shard_name(shard)}.{name}.arrow"
    with folder.writer(path) as file, pa.ipc.new_file(file, PART_SCHEMA) as writer:
        writer.write_table(table)
    return path


def run_marker(run: str) -> str:
    """Return the path of the file that says a run may still write parts."""
    return f"{PARTS}/{run}/running"


def list_parts(folder: Folder, shard: int | None = None) -> list[str]:
    """Return the paths of all finished parts, of all runs, or only those of one shard."""
    prefix = "" if shard is None else f"{shard_name(shard)}."
    runs = [name for name in folder.names(PARTS) if folder.is_folder(f"{PARTS}/{name}")]
    return [
        f"{PARTS}/{run}/{name}"
        for run in runs
        for name in folder.names(f"{PARTS}/{run}")
        if name.endswith(".arrow") and name.startswith(prefix)
    ]


@dataclass(frozen=True, slots=True)
class PartReader:
    """A part opened for reading: rows without their content, and content one row at a time (memory-mapped if local)."""

    table: pa.Table

    @classmethod
    def open(cls, folder: Folder, path: str) -> PartReader:
        """Open the part at ``path``.

        Raises
        ------
        DatasetError
            If it is damaged.
        """
        try:
            source = pa.memory_map(folder.path(path)) if folder.is_local else pa.BufferReader(folder.read(path))
            return cls(pa.ipc.open_file(source).read_all())
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(
                f"{folder.shown(path)} is damaged ({error}); remove it and run again: what it held is made anew"
            ) from None

    def rows(self) -> list[PartRow]:
        """Return all rows, with ``data`` left out."""
        light = self.table.drop_columns(["data"])
        return [PartRow(**row) for row in light.to_pylist()]

    def data(self, index: int) -> bytes:
        """Return the content of row ``index``."""
        value = self.table.column("data")[index].as_py()
        assert isinstance(value, bytes)
        return value

    def __iter__(self) -> Iterator[PartRow]:
        for index, row in enumerate(self.rows()):
            yield row if row.node is None else replace(row, data=self.data(index))
