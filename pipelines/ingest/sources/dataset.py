"""A dataset of ours as a source: records move with all their annotations, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

from graph200k.catalogue import Catalogue
from graph200k.catalogues import find_catalogue
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError, SourceError
from graph200k.manifest import MANIFEST, read_manifest
from graph200k.record import FACTS, JSON_NODE, Member, Provenance, RecordInfo
from graph200k.records import read_records
from pipelines.ingest.location import Location
from pipelines.ingest.source import SOURCES, Problem, RawImage, RawRecord, RefusedItem, Source, SourceItem


@SOURCES.register("graph200k")
class ExistingDataset(Source):
    """Records of another dataset, with their keys, origins, annotators and provenance."""

    kind = "graph200k"
    specificity = 4

    @classmethod
    def matches(cls, location: Location) -> bool:
        """Return whether the folder has a ``dataset.json``."""
        return not location.is_file and location.folder.exists(MANIFEST)

    @property
    def catalogue(self) -> Catalogue:
        """Node types of that dataset."""
        return find_catalogue(read_manifest(self.location.folder).catalogue)

    def scan(self) -> Iterator[SourceItem | RefusedItem]:
        """Yield the records in the order of their shards.

        Raises
        ------
        SourceError
            If the dataset is the one being written.
        """
        if not self.location.files:
            raise SourceError(f"{self.location.spec} is the dataset being written; expected another one as the source")
        table = read_records(self.location.folder)
        columns = (table.column(name).to_pylist() for name in ("key", "source_hash"))
        for row, (key, digest) in enumerate(zip(*columns, strict=True)):
            yield SourceItem(name=key, key=key, sha256=digest.hex(), locator={"row": row})

    def read(self, item: SourceItem) -> RawRecord:
        """Return one record with all its members."""
        dataset, row = self._dataset(), item.locator["row"]
        assert isinstance(row, int)
        try:
            shard = int(dataset.shard_numbers[row])
            images, problems, info = self._members(dataset, dataset.members(row), shard)
        except (DatasetError, OSError, IndexError) as error:
            raise SourceError(f"record {item.key!r} cannot be read: {error}") from None
        if info.key != item.key or not info.origin.sha256.startswith(item.sha256):
            raise SourceError(f"record {item.key!r} changed while it was being ingested; run again")
        target, *annotations = images
        return RawRecord(
            target=target,
            annotations=annotations,
            text=info.text,
            quality=info.quality,
            origin=info.origin,
            boxes=info.boxes,
            edits=info.edits,
            stated=[found for found in info.annotations if found.node in FACTS],
            problems=problems,
        )

    def _dataset(self) -> Dataset:
        if not hasattr(self, "_opened"):
            self._opened = Dataset(self.location.folder.url)
        return self._opened

    def _members(
        self, dataset: Dataset, members: tuple[Member, ...], shard: int
    ) -> tuple[list[RawImage], list[Problem], RecordInfo]:
        json_member = next(member for member in members if member.node == JSON_NODE)
        info = RecordInfo.from_json(dataset.read(json_member, shard))
        made = {(found.node, found.variant, found.role): found for found in info.annotations}
        images, problems = [], []
        for member in members:
            if member.node == JSON_NODE:
                continue
            try:
                data = dataset.read(member, shard)
            except DatasetError as error:
                if member.node == "target":
                    raise
                problems.append(Problem(member.node, "unreadable", str(error)))
                continue
            images.append(_raw(member, data, made.get((member.node, member.variant, member.role))))
        return images, problems, info


def _raw(member: Member, data: bytes, provenance: Provenance | None) -> RawImage:
    return RawImage(
        node=member.node,
        variant=member.variant,
        role=member.role,
        data=data,
        name=member.node,
        annotator=member.annotator,
        fingerprint=member.fingerprint,
        provenance=provenance,
        usable=member.usable,
    )
