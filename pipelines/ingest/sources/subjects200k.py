"""Subjects200K parquet: two pictures of one subject side by side, split into reference and target."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from graph200k.photographs import read_photograph
from graph200k.record import Text, sanitise_key
from pipelines.ingest.failure import RefusedError
from pipelines.ingest.location import Location
from pipelines.ingest.names import extension_of, is_hidden
from pipelines.ingest.parquet import ParquetSource, image_bytes
from pipelines.ingest.source import SOURCES, RawImage, RawRecord, SourceItem, origin_of
from pipelines.ingest.text import clean_text, quality_from


@SOURCES.register("subjects200k")
class Subjects200K(ParquetSource):
    """Rows of (image, collection, quality_assessment, description); a row is one record, keyed ``{file}-{row}``."""

    kind = "subjects200k"
    specificity = 2
    columns = ("image", "collection", "quality_assessment", "description")
    image_columns = ("image",)
    scanned = ("image",)

    @classmethod
    def matches(cls, location: Location) -> bool:
        """Return whether any file is parquet."""
        return any(extension_of(path) == ".parquet" and not is_hidden(path) for path in location.files)

    def item(self, row: Mapping[str, Any], name: str, key: str, locator: dict[str, str | int]) -> SourceItem:
        """Return the item of a row."""
        data = image_bytes(row["image"])
        if data is None:
            raise RefusedError("bad_image", "the row has no picture (null)")
        return SourceItem(name=name, key=sanitise_key(key), sha256=hashlib.sha256(data).hexdigest(), locator=locator)

    def read(self, item: SourceItem) -> RawRecord:
        """Return one row, its picture split."""
        row = self.row(item)
        data = self.image(row, "image")
        reference, target = split_pair(read_photograph(data, limits=self.limits))
        return RawRecord(
            target=RawImage(node="target", data=target, name="right half"),
            annotations=[RawImage(node="reference", data=reference, name="left half")],
            text=_text(row["description"]),
            quality=quality_from(_fields(row["quality_assessment"])),
            origin=origin_of(item, self.kind, data, clean_text(str(row["collection"] or ""))),
        )


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


def _fields(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> Text:
    fields = _fields(value)
    words = {name: clean_text(str(fields.get(name) or "")) for name in ("item", "description_1")}
    return Text(item=words["item"], description=words["description_1"])
