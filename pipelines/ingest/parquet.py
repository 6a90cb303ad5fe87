"""Sources that are parquet files with encoded images in a column, one record a row."""

from __future__ import annotations

import posixpath
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from graph200k.errors import DatasetError, SourceError
from pipelines.ingest.failure import RefusedError
from pipelines.ingest.location import Location
from pipelines.ingest.names import extension_of, is_hidden
from pipelines.ingest.source import RefusedItem, Source, SourceItem, clean_name

SCAN_ROWS = 64
"""Rows of pictures in memory while scanning."""

PARQUET_ERRORS = (pa.ArrowException, OSError, EOFError, DatasetError)
"""What reading a parquet file raises where it is damaged or gone."""


class ParquetSource(Source):
    """Rows of parquet files; a subclass says which columns it needs, and what one row is."""

    columns: ClassVar[tuple[str, ...]]
    """Columns that a record is made of."""
    image_columns: ClassVar[tuple[str, ...]]
    """Those of them that hold encoded images, as bytes or as a struct with bytes."""
    scanned: ClassVar[tuple[str, ...]]
    """Those that :meth:`item` needs; the rest stays on disk while scanning."""

    @classmethod
    def parquet_files(cls, location: Location) -> list[str]:
        """Return the parquet files of a location; a single named file is taken at its word."""
        return [
            path
            for path in location.files
            if not is_hidden(path) and (extension_of(path) == ".parquet" or location.is_file)
        ]

    @abstractmethod
    def item(self, row: Mapping[str, Any], name: str, key: str, locator: dict[str, str | int]) -> SourceItem:
        """Return the item of a row, given its :attr:`scanned` columns.

        Parameters
        ----------
        row
            Values by column.
        name
            ``{file}/{row}``.
        key
            ``{file without extension}-{row}``, for rows that have no name of their own.
        locator
            Where the row lies, for :meth:`row`.

        Raises
        ------
        RefusedError
            If it cannot be a record.
        """

    def scan(self) -> Iterator[SourceItem | RefusedItem]:
        """Yield one item a row, file by file."""
        files = set(self.parquet_files(self.location))
        for path in self.location.files:
            if path not in files:
                self.ignore([path])
            elif (refused := self.reader.refusal(path, clean_name(path))) is not None:
                yield refused
            else:
                yield from self._scan_file(path)

    def row(self, item: SourceItem) -> dict[str, Any]:
        """Return the values of an item's row by column.

        Raises
        ------
        SourceError
            If the file is gone or has changed.
        """
        path, group, place = (item.locator[name] for name in ("path", "group", "place"))
        assert isinstance(group, int) and isinstance(place, int)
        row: dict[str, Any] = self._group(str(path), group).slice(place, 1).to_pylist()[0]
        return row

    def image(self, row: Mapping[str, Any], column: str) -> bytes:
        """Return the encoded image in a column of a row.

        Raises
        ------
        SourceError
            If there is none.
        """
        data = image_bytes(row[column])
        if data is None:
            raise SourceError(f"the row has no picture in {column} (null), or the file changed since the scan")
        return data

    def _scan_file(self, path: str) -> Iterator[SourceItem | RefusedItem]:
        shown, stem = clean_name(path), clean_name(posixpath.splitext(path)[0])
        count = 0
        try:
            with self.location.folder.open(path) as file:
                parquet = pq.ParquetFile(file)
                self._check_columns(parquet.schema_arrow)
                for group in range(parquet.num_row_groups):
                    for place, row in enumerate(self._rows(parquet, group)):
                        locator: dict[str, str | int] = {"path": path, "group": group, "place": place}
                        yield self._item(row, f"{shown}/{count}", f"{stem}-{count}", locator)
                        count += 1
        except RefusedError as error:
            yield RefusedItem(name=shown, error=error.error, message=str(error))
        except PARQUET_ERRORS as error:
            message = f"damaged parquet after {count} rows: {str(error).splitlines()[0][:200]}"
            yield RefusedItem(name=f"{shown} (after {count} rows)", error="unreadable", message=message)

    def _item(
        self, row: Mapping[str, Any], name: str, key: str, locator: dict[str, str | int]
    ) -> SourceItem | RefusedItem:
        try:
            return self.item(row, name, key, locator)
        except RefusedError as error:
            return RefusedItem(name=name, error=error.error, message=str(error))

    def _rows(self, parquet: pq.ParquetFile, group: int) -> Iterator[Mapping[str, Any]]:
        for batch in parquet.iter_batches(SCAN_ROWS, row_groups=[group], columns=list(self.scanned)):
            for place in range(len(batch)):
                yield batch.slice(place, 1).to_pylist()[0]

    def _check_columns(self, schema: pa.Schema) -> None:
        if missing := [name for name in self.columns if name not in schema.names]:
            raise RefusedError(
                "bad_record",
                f"lacks the columns {', '.join(missing)}; has {', '.join(schema.names[:12])}; "
                f"expected those of {type(self).__name__}",
            )
        for name in self.image_columns:
            kind = schema.field(name).type
            if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
                kind = kind.field("bytes").type
            if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
                message = f"column {name} holds {kind}; expected encoded bytes, or a struct with bytes"
                raise RefusedError("bad_record", message)

    @lru_cache(maxsize=2)  # noqa: B019  # items of a unit share a row group; a source lives as long as its process
    def _group(self, path: str, group: int) -> pa.Table:
        try:
            with self.location.folder.open(path) as file:
                return pq.ParquetFile(file).read_row_group(group, columns=list(self.columns))
        except PARQUET_ERRORS as error:
            raise SourceError(f"cannot be read any more: {error}") from None


def image_bytes(value: bytes | Mapping[str, Any] | None) -> bytes | None:
    """Return the encoded image in a value of an image column, None if there is none."""
    return value.get("bytes") if isinstance(value, Mapping) else value
