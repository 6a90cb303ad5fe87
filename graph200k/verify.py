"""Check a dataset byte by byte, and set aside what is wrong."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from graph200k.catalogue import Catalogue
from graph200k.catalogues import find_catalogue
from graph200k.commit import INDEX, SHARDS, index_path, numbers_in, pending_commits, shard_path
from graph200k.errors import DatasetError, Graph200KError
from graph200k.failures import FAILURES, read_failures
from graph200k.index import INDEX_SCHEMA, members_table, read_table, table_members, write_table
from graph200k.inspection import full_name, inspect_shard, whole_records
from graph200k.manifest import read_manifest
from graph200k.parts import INGEST_PLAN, PARTS, list_parts
from graph200k.record import JSON_NODE, Member
from graph200k.records import RECORDS, read_records, records_from_shard
from graph200k.session import Session, write_session
from graph200k.shards import ShardWriter, TarEntry, scan_tar, shard_name
from graph200k.storage import TEMPORARY, Folder

QUARANTINE = "quarantine"
"""Folder of what a repair set aside, as tars."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    shard: str
    """Shard, or "" for the dataset as a whole."""
    member: str
    """File name of a member or table, or "" for the shard as a whole."""
    message: str
    damaged: bool = False
    """Whether the member is damaged or not in the index: a repair does not keep it."""


def verify(data: str) -> list[Problem]:
    """Return everything that is wrong with the dataset at ``data``; reads every byte of it once.

    Raises
    ------
    DatasetError
        If there is no dataset.
    """
    folder = Folder(data)
    catalogue = find_catalogue(read_manifest(folder).catalogue)
    in_shards = [problem for number in _numbers(folder) for problem in _verify_shard(folder, number, catalogue)]
    return [*_unfinished(folder), *in_shards, *_verify_records(folder, catalogue), *_verify_failures(folder)]


def repair(data: str) -> list[Problem]:
    """Finish commits, rebuild indexes, set damaged members aside in ``quarantine/``; return what was found wrong.

    A record whose target or JSON is damaged goes as a whole. What an annotator can make again is made by the next
    ``graph200k annotate``.
    """
    folder = Folder(data)
    shard_size = read_manifest(folder).shard_size
    found = _unfinished(folder)
    with write_session(data, shard_size=shard_size, is_repair=True) as session:
        session.found_unfinished = True  # so that the tables are computed from the shards
        found += [*_verify_records(folder, session.catalogue), *_verify_failures(folder)]
        _remove_damaged_tables(folder)
        for number in _numbers(folder):
            found += _repair_shard(session, number)
        session.seal_leftovers()
    return found


def _numbers(folder: Folder) -> list[int]:
    found = {*numbers_in(folder.names(SHARDS), "tar"), *numbers_in(folder.names(INDEX), "parquet")}
    return sorted(found)


def _unfinished(folder: Folder) -> list[Problem]:
    problems = [Problem(name, "", "its replacement was begun and not finished") for name in pending_commits(folder)]
    problems += [Problem("", name, "left by a writer that was killed") for name in folder.walk() if TEMPORARY in name]
    if folder.exists(INGEST_PLAN):
        problems.append(Problem("", INGEST_PLAN, "an ingest goes on, or ended early; run it again"))
    elif parts := len(list_parts(folder)):
        problems.append(Problem("", "", f"{parts} finished parts are not sealed yet; run `graph200k annotate` again"))
    elif folder.exists(PARTS) and not problems:
        problems.append(Problem("", PARTS, "a run is writing, or ended early; run `graph200k annotate` again"))
    return problems


def _verify_records(folder: Folder, catalogue: Catalogue) -> list[Problem]:
    """Compare ``records.parquet`` with the shards whose indexes can be read; the others are reported by themselves."""
    try:
        have = list(_rows(read_records(folder)))
    except DatasetError as error:
        return [Problem("", RECORDS, str(error))]
    expected: list[_Row] = []
    unknown = set()
    for number in _numbers(folder):
        try:
            expected += _rows(records_from_shard(folder, number, catalogue))
        except (Graph200KError, KeyError, StopIteration, ValueError):
            unknown.add(number)
    have = [row for row in have if row[1] not in unknown]
    if have == expected:
        twice = [key for key, count in Counter(row[0] for row in expected).items() if count > 1]
        return [Problem("", "", f"the key {key} stands in two shards") for key in twice]
    listed = {row[0]: row for row in have}
    problems = [
        Problem(shard_name(row[1]), RECORDS, f"is wrong about {row[0]}")
        for row in expected
        if listed.pop(row[0], None) != row
    ]
    problems += [Problem("", RECORDS, f"has {key}, which no shard holds") for key in listed]
    return problems or [Problem("", RECORDS, "its rows are not in the order of the shards")]


_Row = tuple[str, int, int, int, int, str, bytes]
"""A row of ``records.parquet``."""


def _rows(table: pa.Table) -> Iterator[_Row]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _verify_failures(folder: Folder) -> list[Problem]:
    try:
        read_failures(folder)
    except DatasetError as error:
        return [Problem("", FAILURES, str(error))]
    return []


def _remove_damaged_tables(folder: Folder) -> None:
    """Take away tables that cannot be read: one is computed anew, the other cannot be."""
    try:
        read_records(folder)
    except DatasetError:
        folder.remove(RECORDS)
    if _verify_failures(folder):
        folder.move(FAILURES, f"{QUARANTINE}/{FAILURES}")


def _verify_shard(folder: Folder, number: int, catalogue: Catalogue) -> list[Problem]:
    if not folder.exists(shard_path(number)):
        return [Problem(shard_name(number), "", "the tar is missing, its index is there")]
    return _compare(folder, number, catalogue)[0]


def _compare(folder: Folder, number: int, catalogue: Catalogue) -> tuple[list[Problem], list[Member]]:
    """Return what is wrong with a shard, and the members of it that are as they should be but for their index."""
    name, found = shard_name(number), inspect_shard(folder, number, catalogue)
    problems = [Problem(name, "", error) for error in found.errors]
    problems += [Problem(name, entry.name, reason, damaged=True) for entry, reason in found.unsound]
    try:
        index = table_members(read_table(folder, index_path(number), INDEX_SCHEMA))
    except DatasetError as error:
        return [*problems, Problem(name, "", str(error))], found.members
    expected = {full_name(row, catalogue): row for row in index}
    sound: list[Member] = []
    for member in found.members:
        member_file = full_name(member, catalogue)
        listed = expected.get(member_file)
        if listed is None:
            problems.append(Problem(name, member_file, "in the tar, not in the index", damaged=True))
        elif member.hash != listed.hash:
            message = "its content is not what the index's hash says"
            problems.append(Problem(name, member_file, message, damaged=True))
        else:
            sound.append(member)
            problems += [Problem(name, member_file, difference) for difference in _differences(member, listed)]
    seen = {full_name(member, catalogue) for member in found.members} | {entry.name for entry, _ in found.unsound}
    problems += [Problem(name, missing, "in the index, not in the tar") for missing in expected if missing not in seen]
    return problems + _order(name, index), sound


def _differences(member: Member, listed: Member) -> list[str]:
    wrong = [
        f"{field} {getattr(listed, field)!r} instead of {getattr(member, field)!r}"
        for field in ("offset", "size", "width", "height", "annotator", "fingerprint", "usable")
        if getattr(listed, field) != getattr(member, field)
    ]
    return [f"the index says {', '.join(wrong)}"] if wrong else []


def _order(name: str, index: list[Member]) -> list[Problem]:
    """Check that the members of a record lie together, its JSON last, and that the index follows the tar."""
    runs = [(key, list(group)) for key, group in itertools.groupby(index, lambda member: member.key)]
    apart = [key for key, count in Counter(key for key, _ in runs).items() if count > 1]
    problems = [Problem(name, "", f"the members of {key} do not lie together") for key in apart]
    if not apart:
        ends = [(key, [member.node for member in group]) for key, group in runs]
        problems += [
            Problem(name, "", f"{key} does not begin with its target and end with its JSON")
            for key, nodes in ends
            if (nodes[0], nodes[-1]) != ("target", JSON_NODE)
        ]
    if any(first.offset >= second.offset for first, second in itertools.pairwise(index)):
        problems.append(Problem(name, "", "the rows of the index are not in the order of the tar"))
    return problems


def _repair_shard(session: Session, number: int) -> list[Problem]:
    folder = session.folder
    if not folder.exists(shard_path(number)):
        problems = _verify_shard(folder, number, session.catalogue)
        folder.remove(index_path(number))
        return problems
    problems, sound = _compare(folder, number, session.catalogue)
    if not problems:
        return []
    kept = whole_records(sound)
    _set_aside(folder, number, {member.offset for member in kept})
    # The smaller index is true of the old tar too, so that a kill between these two lines loses nothing.
    write_table(folder, index_path(number), members_table(kept))
    session.seal(number, rewrite=True)
    return problems


def _set_aside(folder: Folder, number: int, kept: set[int]) -> None:
    """Copy the members of a shard that do not lie at the offsets ``kept`` into a tar under ``quarantine/``."""
    with folder.open(shard_path(number)) as file:
        found = [entry for entry in scan_tar(file) if isinstance(entry, TarEntry) and entry.offset not in kept]
        if not found:
            return
        with folder.writer(_free_name(folder, shard_name(number))) as out, ShardWriter(out) as quarantine:
            for entry in found:
                file.seek(entry.offset)
                name = entry.name.encode("ascii", "replace").decode()[-100:]
                quarantine.add(name or "unnamed", file.read(entry.size))


def _free_name(folder: Folder, shard: str) -> str:
    """Return where the next tar of a shard goes; what an earlier repair set aside stays."""
    taken = {*folder.names(QUARANTINE)}
    names = (f"{shard}.tar" if number == 0 else f"{shard}.{number}.tar" for number in itertools.count())
    return f"{QUARANTINE}/{next(name for name in names if name not in taken)}"
