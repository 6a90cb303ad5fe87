"""``records.parquet`` and ``dataset.json``, derived from the shards' indexes at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from graph200k.catalogue import GRAPH200K, Catalogue
from graph200k.commit import index_path, list_shards, shard_path
from graph200k.facts import Maker, unpack_makers
from graph200k.hf_features import feature_spec
from graph200k.index import INDEX_SCHEMA, RECORDS_SCHEMA, read_table, records_of, table_members, write_table
from graph200k.manifest import AnnotatorUsed
from graph200k.record import JSON_NODE, Member, RecordInfo
from graph200k.storage import Folder

RECORDS = "records.parquet"


def read_records(folder: Folder) -> pa.Table:
    """Return ``records.parquet``, an empty table if there is none yet."""
    if not folder.exists(RECORDS):
        return RECORDS_SCHEMA.empty_table()
    return read_table(folder, RECORDS, RECORDS_SCHEMA)


def write_records(
    folder: Folder, fresh: Mapping[int, pa.Table], *, trust_rest: bool, catalogue: Catalogue = GRAPH200K
) -> None:
    """Write ``records.parquet``: rows of ``fresh`` shards as given, the rest as it was.

    Without ``trust_rest`` (after a run that ended badly), the rest is computed from the shards instead.
    """
    import pyarrow.compute as pc  # not at the top: who opens a dataset imports this module for one name

    before = read_records(folder)
    tables = []
    for number in list_shards(folder):
        table = fresh.get(number)
        if table is None:
            table = before.filter(pc.equal(before.column("shard"), number)) if trust_rest else None
        if table is None or len(table) == 0:
            table = records_from_shard(folder, number, catalogue)
        tables.append(table)
    table = pa.concat_tables([RECORDS_SCHEMA.empty_table(), *tables]).combine_chunks()
    if not folder.exists(RECORDS) or not table.equals(before):
        write_table(folder, RECORDS, table)


def records_from_shard(folder: Folder, number: int, catalogue: Catalogue = GRAPH200K) -> pa.Table:
    """Return a sealed shard's rows, from its index and its records' JSON."""
    members = table_members(read_table(folder, index_path(number), INDEX_SCHEMA))
    sources = []
    for member in members:
        if member.node == JSON_NODE:
            origin = _info(folder, number, member).origin
            sources.append((origin.name, bytes.fromhex(origin.sha256)[:16]))
    return records_of(number, members, sources, catalogue)


def _info(folder: Folder, number: int, member: Member) -> RecordInfo:
    return RecordInfo.from_json(folder.read_range(shard_path(number), member.offset, member.size))


@dataclass(frozen=True, slots=True)
class Summary:
    """What the shards hold, over all of them."""

    features: dict[str, object]
    annotators: tuple[AnnotatorUsed, ...]


def summarise(folder: Folder, catalogue: Catalogue = GRAPH200K) -> Summary:
    """Return features and annotators in use, from the indexes and one record's JSON for each annotator."""
    kinds: set[tuple[str, int | None, str]] = set()
    used: dict[tuple[str, str], AnnotatorUsed] = {}
    columns = ["key", "node", "variant", "role", "annotator", "fingerprint"]
    for number in list_shards(folder):
        table = read_table(folder, index_path(number), INDEX_SCHEMA, columns)
        kinds.update(_distinct(table, "node", "variant", "role"))
        for node, by, fingerprint in _distinct(table, "node", "annotator", "fingerprint"):
            for maker in _makers(node, by, fingerprint):
                if maker.fingerprint and (maker.annotator, maker.fingerprint) not in used:
                    used[maker.annotator, maker.fingerprint] = _annotator(folder, number, maker)
    return Summary(feature_spec(kinds, catalogue), tuple(used[name] for name in sorted(used)))


def _distinct(table: pa.Table, *columns: str) -> list[tuple[Any, ...]]:
    grouped = table.select(list(columns)).group_by(list(columns)).aggregate([])
    return [tuple(row[column] for column in columns) for row in grouped.to_pylist()]


def _makers(node: str, annotator: str, fingerprint: str) -> list[Maker]:
    """Return who made a member: one annotator, or those of the facts in a JSON."""
    return [*unpack_makers(fingerprint).values()] if node == JSON_NODE else [Maker(annotator, fingerprint)]


def _annotator(folder: Folder, number: int, maker: Maker) -> AnnotatorUsed:
    members = table_members(read_table(folder, index_path(number), INDEX_SCHEMA))
    made = next(found for found in members if maker in _makers(found.node, found.annotator, found.fingerprint))
    json_member = next(found for found in members if found.key == made.key and found.node == JSON_NODE)
    for provenance in _info(folder, number, json_member).annotations:
        if (provenance.annotator, provenance.fingerprint) == (maker.annotator, maker.fingerprint):
            return AnnotatorUsed(
                name=maker.annotator,
                fingerprint=maker.fingerprint,
                model=provenance.model,
                revision=provenance.revision,
                parameters=provenance.parameters,
            )
    return AnnotatorUsed(name=maker.annotator, fingerprint=maker.fingerprint, model="", revision="", parameters="{}")
