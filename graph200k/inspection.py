"""What a shard really holds, read from its tar and not believed from its index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from graph200k.catalogue import GRAPH200K, Catalogue
from graph200k.codecs import decode_image
from graph200k.commit import MemberId, index_path, shard_path
from graph200k.errors import DatasetError, UnsafeInputError
from graph200k.facts import makers, pack_makers
from graph200k.index import INDEX_SCHEMA, read_table, table_members
from graph200k.record import JSON_NODE, SOURCE, Member, RecordInfo, content_hash, member_name, parse_member_name
from graph200k.shards import TarEntry, scan_tar
from graph200k.storage import Folder


@dataclass(frozen=True, slots=True)
class Inspection:
    """A shard's tar, read whole."""

    members: list[Member]
    """What is sound by itself, in the order of the tar, as an index would list it."""
    unsound: list[tuple[TarEntry, str]]
    """What is not, with the reason."""
    errors: list[str]
    """What is wrong with the tar as a tar."""


def full_name(member: Member, catalogue: Catalogue = GRAPH200K) -> str:
    """Return a member's file name."""
    return member_name(member.key, member.node, member.variant, member.role, catalogue)


def read_index(folder: Folder, number: int) -> list[Member]:
    """Return the rows of a shard's index, [] if it is missing or damaged."""
    try:
        return table_members(read_table(folder, index_path(number), INDEX_SCHEMA))
    except DatasetError:
        return []


def inspect_shard(folder: Folder, number: int, catalogue: Catalogue = GRAPH200K) -> Inspection:
    """Read and decode every member of a shard, one at a time.

    A garbled header hides all that follows from a tar reader: members that the index places there and whose hash is
    right are found all the same.
    """
    members: list[Member] = []
    unsound: list[tuple[TarEntry, str]] = []
    infos: dict[str, RecordInfo] = {}
    with folder.open(shard_path(number)) as file:
        found = list(scan_tar(file))
        entries = [entry for entry in found if isinstance(entry, TarEntry)]
        reached = {entry.name for entry in entries}
        listed = {full_name(row, catalogue): row for row in read_index(folder, number)}
        hidden = {name: row for name, row in listed.items() if name not in reached}
        entries += [TarEntry(name, row.offset, row.size) for name, row in hidden.items() if row.offset >= 0]
        for entry in sorted(entries, key=lambda entry: entry.offset):
            file.seek(entry.offset)
            data = file.read(entry.size)
            if entry.name in hidden and content_hash(data) != hidden[entry.name].hash:
                continue
            try:
                members.append(_member(entry, data, infos, catalogue))
            except UnsafeInputError as error:
                unsound.append((entry, str(error)))
    errors = [str(error) for error in found if isinstance(error, UnsafeInputError)]
    return Inspection(list(_with_provenance(members, infos)), unsound, errors)


def whole_records(members: list[Member]) -> list[Member]:
    """Return the members of records that have a target and a JSON, record by record, each name once."""
    records: dict[str, dict[MemberId, Member]] = {}
    for member in members:
        records.setdefault(member.key, {}).setdefault((member.node, member.variant, member.role), member)
    whole = [found for found in records.values() if {"target", JSON_NODE} <= {row.node for row in found.values()}]
    return [member for found in whole for member in found.values()]


def _member(entry: TarEntry, data: bytes, infos: dict[str, RecordInfo], catalogue: Catalogue) -> Member:
    key, node, variant, role = parse_member_name(entry.name, catalogue)
    width = height = 0
    fingerprint = ""
    if node == JSON_NODE:
        info = RecordInfo.from_json(data)
        if info.key != key:
            raise UnsafeInputError(f"its key is {info.key!r}")
        infos[key] = info
        fingerprint = pack_makers(makers(info))
    else:
        kind = catalogue[node]
        height, width = decode_image(data, channels=kind.channels, bits=kind.bits_of(role)).shape[:2]
    by = SOURCE if node == "target" else ""
    digest = content_hash(data)
    return Member(
        key, node, variant, role, entry.offset, entry.size, width, height, digest, by, fingerprint, usable=True
    )


def _with_provenance(members: list[Member], infos: Mapping[str, RecordInfo]) -> Iterator[Member]:
    made = {
        (key, found.node, found.variant, found.role): found for key, info in infos.items() for found in info.annotations
    }
    for member in members:
        by = made.get((member.key, member.node, member.variant, member.role))
        if by is None:
            yield member
        else:
            yield replace(member, annotator=by.annotator, fingerprint=by.fingerprint, usable=by.usable)
