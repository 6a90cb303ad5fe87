"""OmniEdit-Filtered-1.2M parquet, as on the Hub: an image before and after an edit, and the instructions for it.

Columns as its dataset card lists them: ``omni_edit_id``, ``task``, ``src_img``, ``edited_img``, ``edited_prompt_list``
(several phrasings of one instruction), ``width``, ``height`` and scores. The values of ``task`` (addition, removal,
swap, attribute_modification, env, style) are those of the split ``dev``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq

from graph200k.catalogue import Catalogue
from graph200k.catalogues import find_catalogue
from graph200k.record import Edit, sanitise_key
from pipelines.ingest.failure import RefusedError
from pipelines.ingest.location import Location
from pipelines.ingest.parquet import PARQUET_ERRORS, ParquetSource, image_bytes
from pipelines.ingest.source import SOURCES, RawImage, RawRecord, SourceItem, origin_of
from pipelines.ingest.text import clean_text


@SOURCES.register("omniedit")
class OmniEdit(ParquetSource):
    """A record a row, keyed by its ``omni_edit_id``: the edited image is the target, the source image its condition."""

    kind = "omniedit"
    specificity = 5
    columns = ("omni_edit_id", "task", "src_img", "edited_img", "edited_prompt_list")
    image_columns = ("src_img", "edited_img")
    scanned = ("omni_edit_id", "task", "edited_img")

    @property
    def catalogue(self) -> Catalogue:
        """Node types of OmniEdit."""
        return find_catalogue("omniedit")

    @classmethod
    def matches(cls, location: Location) -> bool:
        """Return whether the first parquet file has the column that no other dataset has."""
        for path in cls.parquet_files(location)[:1]:
            try:
                with location.folder.open(path) as file:
                    return "omni_edit_id" in pq.ParquetFile(file).schema_arrow.names
            except PARQUET_ERRORS:
                return False
        return False

    def item(self, row: Mapping[str, Any], name: str, key: str, locator: dict[str, str | int]) -> SourceItem:
        """Return the item of a row."""
        data = image_bytes(row["edited_img"])
        if data is None:
            raise RefusedError("bad_image", "the row has no edited picture (null)")
        self._node(row)
        return SourceItem(
            name=name,
            key=sanitise_key(str(row["omni_edit_id"] or key)),
            sha256=hashlib.sha256(data).hexdigest(),
            locator=locator,
        )

    def read(self, item: SourceItem) -> RawRecord:
        """Return one row; its instructions are edits of the source image, the first phrasing first."""
        row = self.row(item)
        data, node = self.image(row, "edited_img"), self._node(row)
        phrasings = [clean_text(str(phrasing)) for phrasing in row["edited_prompt_list"] or () if phrasing]
        return RawRecord(
            target=RawImage(node="target", data=data, name="edited_img"),
            annotations=[RawImage(node=node, data=self.image(row, "src_img"), name="src_img")],
            origin=origin_of(item, self.kind, data, clean_text(str(row["task"]))),
            edits=[Edit(node=node, variant=0, name="", description=phrasing) for phrasing in phrasings if phrasing],
        )

    def _node(self, row: Mapping[str, Any]) -> str:
        """Return the node type of a row's source image."""
        node = self.catalogue.resolve(str(row["task"]))
        if node is None or node == "target":
            edits = ", ".join(name for name in self.catalogue if name != "target")
            raise RefusedError(
                "unknown_name",
                f"task {row['task']!r} is no edit that OmniEdit publishes; known: {edits}; "
                "add it to graph200k/catalogues/omniedit.py",
            )
        return node
