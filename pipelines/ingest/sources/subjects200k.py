"""Subjects200K parquet: two pictures of one subject side by side, split into reference and target."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graph200k.codecs import read_photograph
from graph200k.errors import DatasetError, SourceError
from graph200k.record import Text, sanitise_key
from pipelines.ingest.failure import RefusedError
from pipelines.ingest.location import Location
from pipelines.ingest.names import extension_of, is_hidden
from pipelines.ingest.source import (
    SOURCES,
    RawImage,
    RawRecord,
    RefusedItem,
    Source,
    SourceItem,
    clean_name,
    origin_of,
)
from pipelines.ingest.text import clean_text, quality_from

COLUMNS = ("image", "collection", "quality_assessment", "description")
"""Columns of the release."""

SCAN_ROWS = 64
"""Rows of pictures in memory while scanning."""

_PARQUET_ERRORS = (pa.ArrowException, OSError, EOFError, DatasetError)


@SOURCES.register("subjects200k")
class Subjects200K(Source):
    """Rows of (image, collection, quality_assessment, description); a row is one record, keyed ``{file}-{row}``."""

    kind = "subjects200k"
    specificity = 2

    @classmethod
    def matches(cls, location: Location) -> bool:
        """Return whether any file is parquet."""
        return any(extension_of(path) == ".parquet" and not is_hidden(path) for path in location.files)

    def scan(self) -> Iterator[SourceItem | RefusedItem]:
        """Yield one item a row, file by file."""
        for path in self.location.files:
            if is_hidden(path) or not (extension_of(path) == ".parquet" or self.location.is_file):
                self.ignore([path])
            elif (refused := self.reader.refusal(path, clean_name(path))) is not None:
                yield refused
            else:
                yield from self._scan_file(path)

    def read(self, item: SourceItem) -> RawRecord:
        """Return one row, its picture split."""
        path, group, place = (item.locator[name] for name in ("path", "group", "place"))
        row = self._group(str(path), int(group)).slice(int(place), 1).to_pylist()[0]  # type: ignore[arg-type]
        data = _image_bytes(row["image"])
        if data is None:
            raise SourceError("its picture is gone; the file changed since the scan")
        reference, target = split_pair(read_photograph(data, limits=self.limits))
        return RawRecord(
            target=RawImage(node="target", data=target, name="right half"),
            annotations=[RawImage(node="reference", data=reference, name="left half")],
            text=_text(row["description"]),
            quality=quality_from(_fields(row["quality_assessment"])),
            origin=origin_of(item, self.kind, data, clean_text(str(row["collection"] or ""))),
        )

    def _scan_file(self, path: str) -> Iterator[SourceItem | RefusedItem]:
        shown, stem = clean_name(path), clean_name(posixpath.splitext(path)[0])
        count = 0
        try:
            with self.location.folder.open(path) as file:
                parquet = pq.ParquetFile(file)
                _check_columns(parquet.schema_arrow)
                for group in range(parquet.num_row_groups):
                    for place, image in enumerate(_images(parquet, group)):
                        yield _item(
                            f"{shown}/{count}", f"{stem}-{count}", image, {"path": path, "group": group, "place": place}
                        )
                        count += 1
        except RefusedError as error:
            yield RefusedItem(name=shown, error=error.error, message=str(error))
        except _PARQUET_ERRORS as error:
            message = f"damaged parquet after {count} rows: {str(error).splitlines()[0][:200]}"
            yield RefusedItem(name=f"{shown} (after {count} rows)", error="unreadable", message=message)

    @lru_cache(maxsize=2)  # noqa: B019  # items of a unit share a row group; a source lives as long as its process
    def _group(self, path: str, group: int) -> pa.Table:
        try:
            with self.location.folder.open(path) as file:
                return pq.ParquetFile(file).read_row_group(group, columns=list(COLUMNS))
        except _PARQUET_ERRORS as error:
            raise SourceError(f"cannot be read any more: {error}") from None


def split_pair(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the left and right picture of two squares side by side with equal padding round and between them.

    With side s and padding p the whole is 2s + 3p wide and s + 2p high, so p = 2·height − width; collections 1 and 2
    have s = 512, collection 3 is larger, and both follow from the size alone.

    Returns
    -------
    reference, target
        uint8, s×s×3. The right picture is the target and ``description_1`` its description, the left one
        (``description_0``) the reference: what VisualCloze's release does.

    Raises
    ------
    RefusedError
        If the size is not that of such a pair.

    Examples
    --------
    >>> pair = np.zeros((512 + 2 * 8, 2 * 512 + 3 * 8, 3), np.uint8)
    >>> [half.shape for half in split_pair(pair)]
    [(512, 512, 3), (512, 512, 3)]
    """
    height, width = image.shape[:2]
    padding = 2 * height - width
    side = height - 2 * padding
    # Real padding is a few pixels; a large one is some other picture whose sides happen to fit.
    if padding < 0 or padding > height // 8:
        raise RefusedError(
            "bad_image",
            f"{width}×{height} px is no pair of pictures; expected two squares side "
            "by side with equal padding, such as 1048×528",
        )
    left, right = padding, side + 2 * padding
    rows = slice(padding, padding + side)
    return image[rows, left : left + side].copy(), image[rows, right : right + side].copy()


def _check_columns(schema: pa.Schema) -> None:
    if missing := [name for name in COLUMNS if name not in schema.names]:
        raise RefusedError(
            "bad_record",
            f"lacks the columns {', '.join(missing)}; has {', '.join(schema.names[:12])}; "
            "expected those of Subjects200K",
        )
    kind = schema.field("image").type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise RefusedError("bad_record", f"column image holds {kind}; expected encoded bytes, or a struct with bytes")


def _images(parquet: pq.ParquetFile, group: int) -> Iterator[bytes | None]:
    for batch in parquet.iter_batches(SCAN_ROWS, row_groups=[group], columns=["image"]):
        for value in batch.column("image"):
            yield _image_bytes(value.as_py())


def _item(name: str, key: str, data: bytes | None, locator: dict[str, str | int]) -> SourceItem | RefusedItem:
    if data is None:
        return RefusedItem(name=name, error="bad_image", message="the row has no picture (null)")
    return SourceItem(name=name, key=sanitise_key(key), sha256=hashlib.sha256(data).hexdigest(), locator=locator)


def _image_bytes(value: bytes | Mapping[str, Any] | None) -> bytes | None:
    return value.get("bytes") if isinstance(value, Mapping) else value


def _fields(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> Text:
    fields = _fields(value)
    words = {name: clean_text(str(fields.get(name) or "")) for name in ("item", "description_1")}
    return Text(item=words["item"], description=words["description_1"])
