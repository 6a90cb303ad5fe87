"""Sealing: one shard at a time is written anew from its old members and its parts, and swapped in.

The new tar and index are written under ``parts/``, then a marker ``parts/<shard>.commit``; from then on the swap can be
finished by anybody (:func:`roll_forward`), before it nothing has happened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO

import pyarrow as pa

from graph200k.catalogue import GRAPH200K, Catalogue
from graph200k.errors import DatasetError
from graph200k.facts import fact_from_json, makers, pack_makers, unpack_makers, with_fact, without_fact
from graph200k.failures import record_failures
from graph200k.index import INDEX_SCHEMA, members_table, read_table, records_of, table_members, write_table
from graph200k.parts import PARTS, PartReader, PartRow, list_parts
from graph200k.record import (
    FACTS,
    IMPORTED,
    JSON_NODE,
    Member,
    Provenance,
    RecordInfo,
    content_hash,
    member_name,
    member_order,
)
from graph200k.shards import ShardWriter, shard_name
from graph200k.storage import Folder

SHARDS = "shards"
INDEX = "index"

MemberId = tuple[str, int | None, str]
"""Node, variant and role of a member within its record."""

MemberName = tuple[str, str, int | None, str]
"""Key, node, variant and role of a member."""

JSON_ID: MemberId = (JSON_NODE, None, "")
TARGET_ID: MemberId = ("target", None, "")


def shard_path(number: int) -> str:
    """Return the path of a shard's tar."""
    return f"{SHARDS}/{shard_name(number)}.tar"


def index_path(number: int) -> str:
    """Return the path of a shard's index."""
    return f"{INDEX}/{shard_name(number)}.parquet"


def pending_commits(folder: Folder) -> list[str]:
    """Return the names of the shards whose swap has begun and not ended."""
    return [name.removesuffix(".commit") for name in folder.names(PARTS) if name.endswith(".commit")]


def roll_forward(folder: Folder) -> list[str]:
    """Finish every swap that has begun, and return the shards' names; safe to repeat, and to be killed in."""
    pending = pending_commits(folder)
    for name in pending:
        for kind, extension in ((SHARDS, "tar"), (INDEX, "parquet")):
            if folder.exists(f"{PARTS}/{name}.{extension}"):
                folder.move(f"{PARTS}/{name}.{extension}", f"{kind}/{name}.{extension}")
        folder.remove(f"{PARTS}/{name}.commit")
    return pending


@dataclass
class _Draft:
    """A record about to be written."""

    key: str
    ordinal: int
    old: dict[MemberId, Member] = field(default_factory=dict)
    new: dict[MemberId, tuple[PartRow, str, int]] = field(default_factory=dict)
    """Member to its row, the path of its part, and its index there."""


def seal_shard(
    folder: Folder,
    number: int,
    *,
    drop: Callable[[Member], bool] = lambda member: False,
    rewrite: bool = False,
    catalogue: Catalogue = GRAPH200K,
) -> pa.Table | None:
    """Rewrite shard ``number`` from its old members and all its parts; return its records' rows.

    Old members are copied byte for byte, except those for which ``drop`` is true; members found in parts replace old
    ones of the same node, variant and role. Failures found in parts go to ``failures.parquet``. Returns None, and
    changes nothing, if the shard would be as it is; ``rewrite`` writes it all the same.

    Raises
    ------
    DatasetError
        If the old shard has no index, or is damaged so that it cannot be copied.
    """
    if folder.exists(shard_path(number)) and not folder.exists(index_path(number)):
        # Without its index it would be taken for empty, and overwritten.
        raise DatasetError(
            f"{folder.shown(index_path(number))} is missing; run `graph200k verify --repair`, then go on"
        )
    paths = list_parts(folder, number)
    readers = {path: PartReader.open(folder, path) for path in paths}
    drafts, failures, changed = _drafts(folder, number, readers, drop, catalogue)
    record_failures(folder, failures, resolved=_made(drafts))
    records = None
    if changed or rewrite:
        records = _write(folder, number, drafts, readers, catalogue)
        folder.write(f"{PARTS}/{shard_name(number)}.commit", b"")
        roll_forward(folder)
    for path in paths:
        folder.remove(path)
    return records


def _made(drafts: Sequence[_Draft]) -> set[tuple[str, str]]:
    return {(draft.key, row.annotator) for draft in drafts for row, _, _ in draft.new.values()}


def _drafts(
    folder: Folder, number: int, readers: dict[str, PartReader], drop: Callable[[Member], bool], catalogue: Catalogue
) -> tuple[list[_Draft], list[PartRow], bool]:
    drafts: dict[str, _Draft] = {}
    changed = False
    if folder.exists(index_path(number)):
        for member in table_members(read_table(folder, index_path(number), INDEX_SCHEMA)):
            draft = drafts.setdefault(member.key, _Draft(member.key, len(drafts)))
            for entry in (member, *_facts(member)):
                if drop(entry):
                    changed = True
                else:
                    draft.old[entry.node, entry.variant, entry.role] = entry
    failures = []
    for path, reader in readers.items():
        for position, row in enumerate(reader.rows()):
            if row.node is None:
                failures.append(row)
                continue
            draft = drafts.setdefault(row.key, _Draft(row.key, row.ordinal))
            draft.new[row.node, row.variant, row.role] = (row, path, position)
            changed = True
    for draft in drafts.values():
        # An annotator that ran again may make fewer variants than before: its old ones go as a whole.
        again = {row.annotator for row, _, _ in draft.new.values()} - {IMPORTED}
        draft.old = {
            key: member for key, member in draft.old.items() if member.annotator not in again or key == JSON_ID
        }
    whole = [draft for draft in drafts.values() if {JSON_ID, TARGET_ID} <= {*draft.old, *draft.new}]
    return sorted(whole, key=lambda draft: draft.ordinal), failures, changed


def _facts(member: Member) -> list[Member]:
    """Return the facts in a record's JSON as entries that are kept, dropped and replaced as members are."""
    if member.node != JSON_NODE:
        return []
    return [
        replace(member, node=name, annotator=maker.annotator, fingerprint=maker.fingerprint)
        for name, maker in unpack_makers(member.fingerprint).items()
    ]


def _write(
    folder: Folder, number: int, drafts: Sequence[_Draft], readers: dict[str, PartReader], catalogue: Catalogue
) -> pa.Table:
    name = shard_name(number)
    members: list[Member] = []
    sources: list[tuple[str, bytes]] = []
    old = folder.open(shard_path(number)) if folder.exists(shard_path(number)) else None
    try:
        with folder.writer(f"{PARTS}/{name}.tar") as file, ShardWriter(file) as shard:
            for draft in drafts:
                info = _merge_info(draft, old, readers, catalogue)
                sources.append((info.origin.name, bytes.fromhex(info.origin.sha256)[:16]))
                for member, data in _contents(draft, info, old, readers, catalogue):
                    offset = shard.add(member_name(*_name(member), catalogue), data)
                    members.append(replace(member, offset=offset))
    finally:
        if old is not None:
            old.close()
    write_table(folder, f"{PARTS}/{name}.parquet", members_table(members))
    return records_of(number, members, sources, catalogue)


def _contents(
    draft: _Draft, info: RecordInfo, old: IO[bytes] | None, readers: dict[str, PartReader], catalogue: Catalogue
) -> Iterator[tuple[Member, bytes]]:
    """Yield a record's members in order, its JSON last; their offsets are not yet those they will have."""
    identities = {found for found in (*draft.old, *draft.new) if found != JSON_ID and found[0] not in FACTS}
    for identity in sorted(identities, key=lambda found: member_order(found[0], found[1], found[2], catalogue)):
        if identity in draft.new:
            row, path, position = draft.new[identity]
            data = readers[path].data(position)
            yield row.member(0, data), data
        else:
            # With the hash it had: bytes that rotted in the meantime stay what they are to every reader, damaged.
            member = draft.old[identity]
            yield member, _read(old, member)
    data, facts = info.to_json(), pack_makers(makers(info))
    row = PartRow(ordinal=draft.ordinal, key=draft.key, annotator="", node=JSON_NODE, fingerprint=facts)
    yield row.member(0, data), data


def _name(member: Member) -> MemberName:
    return member.key, member.node, member.variant, member.role


def _merge_info(
    draft: _Draft, old: IO[bytes] | None, readers: dict[str, PartReader], catalogue: Catalogue
) -> RecordInfo:
    """Return the record's JSON with the provenance of exactly the members it will have, and the facts of those."""
    have = {*draft.old, *draft.new}
    if JSON_ID in draft.new:
        _, path, position = draft.new[JSON_ID]
        info = RecordInfo.from_json(readers[path].data(position))
        have |= {(name, None, "") for name in makers(info)}
    else:
        info = _old_info(old, draft.old[JSON_ID])
    kept: dict[MemberId, Provenance] = {(found.node, found.variant, found.role): found for found in info.annotations}
    for key, (row, path, position) in draft.new.items():
        if row.provenance is not None:
            kept[key] = Provenance.model_validate_json(row.provenance)
        if key[0] in FACTS:
            info = with_fact(info, key[0], fact_from_json(key[0], readers[path].data(position)))
    for key in kept:
        if key[0] in FACTS and key not in have:
            info = without_fact(info, key[0])
    return info.with_annotations((found for key, found in kept.items() if key in have), catalogue)


def _old_info(file: IO[bytes] | None, member: Member) -> RecordInfo:
    data = _read(file, member)
    if content_hash(data) != member.hash:
        raise DatasetError(f"the JSON of {member.key!r} is damaged; run `graph200k verify --repair`, then go on")
    return RecordInfo.from_json(data)


def _read(file: IO[bytes] | None, member: Member) -> bytes:
    assert file is not None
    file.seek(member.offset)
    data = file.read(member.size)
    if len(data) != member.size:
        raise DatasetError(
            f"{member.node} of {member.key!r} lies beyond the end of its shard; "
            "run `graph200k verify --repair`, then go on"
        )
    return data


def list_shards(folder: Folder) -> list[int]:
    """Return the numbers of all sealed shards, in order."""
    return numbers_in(folder.names(INDEX), "parquet")


def numbers_in(names: Iterable[str], extension: str) -> list[int]:
    """Return the numbers of the shards among file names, in order; other people's files are passed over.

    Examples
    --------
    >>> numbers_in(["graph200k-000002.tar", "graph200k-000001.tar", "graph200k-000001 (1).tar", "x-3.tar"], "tar")
    [1, 2]
    """
    found = (re.fullmatch(rf"graph200k-([0-9]{{6,}})\.{extension}", name) for name in names)
    return sorted({int(match[1]) for match in found if match and shard_name(int(match[1])) == match[0].split(".")[0]})
