"""Check a dataset byte by byte, and set aside what is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq

from graph200k.catalogue import GRAPH200K
from graph200k.codecs import decode_image
from graph200k.commit import INDEX, SHARDS, index_path, pending_commits, shard_path
from graph200k.errors import DatasetError, Graph200KError, UnsafeInputError
from graph200k.index import INDEX_SCHEMA, members_table, read_table, table_members
from graph200k.manifest import read_manifest
from graph200k.parts import list_parts
from graph200k.record import JSON_NODE, SOURCE, Member, RecordInfo, content_hash, member_name, parse_member_name
from graph200k.records import read_records, records_from_shard
from graph200k.session import Session, write_session
from graph200k.shards import ShardWriter, TarEntry, scan_tar, shard_name, shard_number
from graph200k.storage import TEMPORARY, Folder

QUARANTINE = "quarantine"
"""Folder of what a repair set aside, as tars."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    shard: str
    """Shard, or "" for the dataset as a whole."""
    member: str
    """Member's file name, or "" for the shard as a whole."""
    message: str
    damaged: bool = False
    """Whether the member's own bytes are at fault: then a repair sets it aside."""


def verify(data: str) -> list[Problem]:
    """Return everything that is wrong with the dataset at ``data``; reads every byte of it once.

    Raises
    ------
    DatasetError
        If there is no dataset.
    """
    folder = Folder(data)
    read_manifest(folder)
    in_shards = [problem for number in _numbers(folder) for problem in _verify_shard(folder, number)]
    return [*_unfinished(folder), *in_shards, *_verify_records(folder)]


def repair(data: str) -> list[Problem]:
    """Finish commits, rebuild indexes, set damaged members aside in ``quarantine/``; return what was found wrong.

    A record whose target or JSON is damaged goes as a whole. What an annotator can make again is made by the next
    ``graph200k annotate``.
    """
    folder = Folder(data)
    shard_size = read_manifest(folder).shard_size
    found = _unfinished(folder)
    with write_session(data, shard_size=shard_size) as session:
        session.found_unfinished = True  # so that the tables are computed from the shards
        for path in list_parts(folder):
            session.seal(shard_number(path.rsplit("/", 1)[1]))
        for number in _numbers(folder):
            found += _repair_shard(session, number)
        found += _verify_records(folder)
        for name in folder.walk():
            if TEMPORARY in name:
                folder.remove(name)
    return found


def _numbers(folder: Folder) -> list[int]:
    names = {*folder.names(SHARDS), *folder.names(INDEX)}
    return sorted({shard_number(name) for name in names if name.startswith("graph200k-")})


def _unfinished(folder: Folder) -> list[Problem]:
    problems = [Problem(name, "", "its replacement was begun and not finished") for name in pending_commits(folder)]
    problems += [Problem("", name, "left by a writer that was killed") for name in folder.walk() if TEMPORARY in name]
    if parts := len(list_parts(folder)):
        problems.append(Problem("", "", f"{parts} finished parts are not sealed yet; run `graph200k annotate` again"))
    return problems


def _verify_records(folder: Folder) -> list[Problem]:
    have = {key: (shard, mask) for key, shard, mask in _rows(read_records(folder))}
    problems = []
    for number in _numbers(folder):
        try:
            table = records_from_shard(folder, number)
        except (Graph200KError, KeyError, StopIteration, ValueError):
            continue  # reported with the shard
        for key, shard, mask in _rows(table):
            if have.pop(key, None) != (shard, mask):
                problems.append(Problem(shard_name(number), "", f"records.parquet is wrong about {key}"))
    return problems + [Problem("", "", f"records.parquet has {key}, which no shard holds") for key in have]


def _rows(table: object) -> Iterator[tuple[str, int, int]]:
    columns = (table.column(name).to_pylist() for name in ("key", "shard", "available"))  # type: ignore[attr-defined]
    return zip(*columns, strict=True)


def _verify_shard(folder: Folder, number: int) -> list[Problem]:
    name = shard_name(number)
    try:
        index = table_members(read_table(folder, index_path(number), INDEX_SCHEMA))
    except DatasetError as error:
        return [Problem(name, "", str(error))]
    if not folder.exists(shard_path(number)):
        return [Problem(name, "", "the tar is missing, its index is there")]
    expected = {member_name(row.key, row.node, row.variant, row.role): row for row in index}
    problems = []
    seen: set[str] = set()
    with folder.open(shard_path(number)) as file:
        for entry in list(scan_tar(file)):
            if isinstance(entry, UnsafeInputError):
                problems.append(Problem(name, "", str(entry)))
                continue
            seen.add(entry.name)
            file.seek(entry.offset)
            problems += _check(name, entry, expected.get(entry.name), file.read(entry.size))
    problems += [Problem(name, missing, "in the index, not in the tar") for missing in expected.keys() - seen]
    return problems + _adjacency(name, index)


def _check(shard: str, entry: TarEntry, member: Member | None, data: bytes) -> list[Problem]:
    if member is None:
        return [Problem(shard, entry.name, "in the tar, not in the index", damaged=True)]
    if content_hash(data) != member.hash:
        return [Problem(shard, entry.name, "its content is not what the index's hash says", damaged=True)]
    try:
        width, height = _extent(member.node, data)
    except UnsafeInputError as error:
        return [Problem(shard, entry.name, str(error), damaged=True)]
    found = (entry.offset, entry.size, width, height)
    listed = (member.offset, member.size, member.width, member.height)
    if found != listed:
        return [Problem(shard, entry.name, f"offset, size, width, height are {found}; the index says {listed}")]
    return []


def _extent(node: str, data: bytes) -> tuple[int, int]:
    """Decode a member; return its width and height, zeros for JSON."""
    if node == JSON_NODE:
        RecordInfo.from_json(data)
        return 0, 0
    height, width = decode_image(data, channels=GRAPH200K[node].channels).shape[:2]
    return width, height


def _adjacency(name: str, index: list[Member]) -> list[Problem]:
    finished: set[str] = set()
    problems = []
    for previous, member in itertools.pairwise(index):
        if member.key != previous.key:
            finished.add(previous.key)
            if member.key in finished:
                problems.append(Problem(name, "", f"the members of {member.key} do not lie together"))
    return problems


def _repair_shard(session: Session, number: int) -> list[Problem]:
    folder = session.folder
    problems = _verify_shard(folder, number)
    if not problems:
        return []
    if not folder.exists(shard_path(number)):
        folder.remove(index_path(number))
        return problems
    damaged = frozenset(problem.member for problem in problems if problem.damaged)
    _set_aside(folder, number, damaged)
    # The smaller index is true of the old tar too, so that a kill between these two lines loses nothing.
    with folder.writer(index_path(number)) as file:
        pq.write_table(
            members_table(rebuild_index(folder, number, damaged)), file, compression="zstd", store_schema=False
        )
    session.seal(number, rewrite=True)
    return problems


_Found = tuple[tuple[str, int | None, str], TarEntry, bytes]
"""Node, variant and role of a member, its place, and its content."""


def rebuild_index(folder: Folder, number: int, without: frozenset[str] = frozenset()) -> list[Member]:
    """Return the index entries of a shard from the tar alone, leaving out what does not decode or is in ``without``.

    A record without a readable target and JSON is left out as a whole.
    """
    records: dict[str, list[_Found]] = {}
    with folder.open(shard_path(number)) as file:
        for entry in list(scan_tar(file)):
            if isinstance(entry, UnsafeInputError) or entry.name in without:
                continue
            try:
                key, node, variant, role = parse_member_name(entry.name)
            except UnsafeInputError:
                continue
            file.seek(entry.offset)
            records.setdefault(key, []).append(((node, variant, role), entry, file.read(entry.size)))
    return [member for key, found in records.items() for member in _members(key, found)]


def _members(key: str, found: list[_Found]) -> list[Member]:
    try:
        info = RecordInfo.from_json(next(data for (node, _, _), _, data in found if node == JSON_NODE))
    except (UnsafeInputError, StopIteration):
        return []
    made = {(entry.node, entry.variant, entry.role): entry for entry in info.annotations}
    members = []
    for identity, entry, data in found:
        node, variant, role = identity
        try:
            width, height = _extent(node, data)
        except UnsafeInputError:
            continue
        by = made.get(identity)
        annotator = by.annotator if by else (SOURCE if node == "target" else "")
        members.append(
            Member(
                key,
                node,
                variant,
                role,
                entry.offset,
                entry.size,
                width,
                height,
                content_hash(data),
                annotator,
                by.fingerprint if by else "",
                by.usable if by else True,
            )
        )
    return members if any(member.node == "target" for member in members) else []


def _set_aside(folder: Folder, number: int, names: frozenset[str]) -> None:
    if not names:
        return
    with folder.open(shard_path(number)) as file, folder.writer(f"{QUARANTINE}/{shard_name(number)}.tar") as out:
        with ShardWriter(out) as quarantine:
            for entry in list(scan_tar(file)):
                if isinstance(entry, TarEntry) and entry.name in names:
                    file.seek(entry.offset)
                    quarantine.add(entry.name[-100:], file.read(entry.size))
