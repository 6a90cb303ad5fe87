"""Every kind of damage is named; a repair mends it, and leaves alone what was not damaged."""

from __future__ import annotations

import dataclasses
import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from graph200k.commit import index_path, shard_path
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError
from graph200k.failures import FAILURES, read_failures
from graph200k.index import INDEX_SCHEMA, members_table, read_table, table_members, write_table
from graph200k.inspection import full_name
from graph200k.parts import INGEST_PLAN, PartRow, list_parts, write_part
from graph200k.record import Member
from graph200k.records import RECORDS, read_records
from graph200k.session import write_session
from graph200k.shards import ShardWriter, TarEntry, scan_tar
from graph200k.storage import TEMPORARY, Folder
from graph200k.verify import QUARANTINE, Problem, repair, verify
from support.datasets import annotation_row, edge_map, make_varied_dataset
from support.killing import forget_lock, killed_at
from support.running import assert_clean, sealed_bytes


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two shards of 4 records with different members."""
    data = tmp_path_factory.mktemp("sealed") / "data"
    make_varied_dataset(data, 8)
    return data


@pytest.fixture
def data(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "data"))


@pytest.fixture
def folder(data: Path) -> Folder:
    return Folder(str(data))


def index_of(folder: Folder, number: int = 0) -> list[Member]:
    return table_members(read_table(folder, index_path(number), INDEX_SCHEMA))


def member_of(folder: Folder, key: str, node: str, number: int = 0) -> Member:
    return next(member for member in index_of(folder, number) if (member.key, member.node) == (key, node))


def flip(folder: Folder, position: int, number: int = 0) -> None:
    tar = bytearray(folder.read(shard_path(number)))
    tar[position] ^= 0x55
    folder.write(shard_path(number), bytes(tar))


def change_index(folder: Folder, change: Callable[[list[Member]], list[Member]], number: int = 0) -> None:
    write_table(folder, index_path(number), members_table(change(index_of(folder, number))))


def rewrite_tar(folder: Folder, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> None:
    """Write shard 0 anew with other members."""
    tar = folder.read(shard_path(0))
    entries = [entry for entry in scan_tar(io.BytesIO(tar)) if isinstance(entry, TarEntry)]
    members = [(entry.name, tar[entry.offset : entry.offset + entry.size]) for entry in entries]
    buffer = io.BytesIO()
    with ShardWriter(buffer) as shard:
        for name, content in change(members):
            shard.add(name, content)
    folder.write(shard_path(0), buffer.getvalue())


def pixels(data: Path) -> dict[tuple[str, str, int | None, str], bytes]:
    """Return the hashes of all sound images of a dataset."""
    dataset = Dataset(str(data))
    found = [member for row in range(len(dataset)) for member in dataset.members(row)]
    return {(row.key, row.node, row.variant, row.role): row.hash for row in found if row.node != "json"}


def quarantined(data: Path) -> list[str]:
    names = []
    for path in sorted((data / QUARANTINE).glob("*.tar")):
        with tarfile.open(path) as tar:
            names += tar.getnames()
    return names


def shown(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.member, problem.message) for problem in problems]


def assert_mended(data: Path, found: list[Problem], named: str) -> None:
    """Assert that verify names the damage, that a repair names it too and mends it, and that nothing is left over."""
    assert any(named in " ".join(part) for part in shown(found)), shown(found)
    assert any(named in " ".join(part) for part in shown(repair(str(data))))
    assert verify(str(data)) == []
    assert_clean(data)


def test_a_healthy_dataset_has_no_problems_and_a_repair_changes_nothing(data: Path) -> None:
    assert verify(str(data)) == []
    before = sealed_bytes(data)
    stamps = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()}
    assert repair(str(data)) == []
    assert sealed_bytes(data) == before
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()} == stamps
    assert_clean(data)


def test_a_flipped_byte_costs_one_annotation_and_nothing_else(data: Path, folder: Folder) -> None:
    before, other_shard = pixels(data), folder.read(shard_path(1))
    victim = member_of(folder, "scene-0001", "canny")
    flip(folder, victim.offset + victim.size // 2)
    assert_mended(data, verify(str(data)), "scene-0001.canny.png")
    assert set(before.items()) - set(pixels(data).items()) == {(("scene-0001", "canny", None, ""), victim.hash)}
    assert quarantined(data) == ["scene-0001.canny.png"]
    assert folder.read(shard_path(1)) == other_shard
    assert [found.node for found in Dataset(str(data)).record("scene-0001").info.annotations] == ["openpose"]


@pytest.mark.parametrize("node", ["target", "json"])
def test_a_flipped_byte_in_target_or_json_sets_the_record_aside_as_a_whole(
    data: Path, folder: Folder, node: str
) -> None:
    before = pixels(data)
    members = [full_name(member) for member in index_of(folder) if member.key == "scene-0002"]
    victim = member_of(folder, "scene-0002", node)
    flip(folder, victim.offset + victim.size // 2)
    assert_mended(data, verify(str(data)), f"scene-0002.{'target.jpg' if node == 'target' else 'json'}")
    assert quarantined(data) == members
    assert pixels(data) == {identity: found for identity, found in before.items() if identity[0] != "scene-0002"}
    assert list(Dataset(str(data)).keys) == [f"scene-{number:04d}" for number in (0, 1, 3, 4, 5, 6, 7)]


def test_a_flipped_byte_in_a_header_costs_nothing_for_the_index_knows_the_place(data: Path, folder: Folder) -> None:
    before = sealed_bytes(data)
    flip(folder, member_of(folder, "scene-0001", "canny").offset - 512 + 3)
    assert_mended(data, verify(str(data)), "what follows is not read")
    assert sealed_bytes(data) == before


def test_a_truncated_tar_costs_the_records_that_are_cut_off(data: Path, folder: Folder) -> None:
    before = pixels(data)
    cut = member_of(folder, "scene-0002", "foreground").offset + 5
    folder.write(shard_path(0), folder.read(shard_path(0))[:cut])
    problems = verify(str(data))
    assert ("scene-0003.json", "in the index, not in the tar") in shown(problems)
    assert_mended(data, problems, "the tar ends in the middle of it")
    lost = {"scene-0002", "scene-0003"}
    assert pixels(data) == {identity: found for identity, found in before.items() if identity[0] not in lost}
    assert quarantined(data) == ["scene-0002.target.jpg"]


def test_a_deleted_index_is_made_anew_as_it_was(data: Path, folder: Folder) -> None:
    before = sealed_bytes(data)
    folder.remove(index_path(0))
    assert_mended(data, verify(str(data)), "000000.parquet is missing")
    assert sealed_bytes(data) == before


@pytest.mark.parametrize("damage", [b"", b"garbage" * 100], ids=["empty", "garbage"])
def test_a_damaged_index_is_made_anew_as_it_was(data: Path, folder: Folder, damage: bytes) -> None:
    before = sealed_bytes(data)
    folder.write(index_path(0), damage)
    assert_mended(data, verify(str(data)), "000000.parquet is damaged")
    assert sealed_bytes(data) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [("offset", 7), ("offset", -1), ("offset", 2**40), ("size", 3), ("width", 1), ("height", 1), ("usable", False),
     ("annotator", "somebody"), ("fingerprint", "other")],
)  # fmt: skip
def test_an_index_that_lies_is_put_right(data: Path, folder: Folder, field: str, value: object) -> None:
    before = sealed_bytes(data)
    change_index(
        folder,
        lambda rows: [
            dataclasses.replace(row, **{field: value}) if full_name(row) == "scene-0001.canny.png" else row
            for row in rows
        ],
    )
    assert_mended(data, verify(str(data)), f"the index says {field} {value!r} instead of ")
    assert sealed_bytes(data) == before


def test_a_row_missing_in_the_index_sets_its_member_aside(data: Path, folder: Folder) -> None:
    change_index(folder, lambda rows: [row for row in rows if full_name(row) != "scene-0001.canny.png"])
    assert_mended(data, verify(str(data)), "scene-0001.canny.png in the tar, not in the index")
    assert quarantined(data) == ["scene-0001.canny.png"]


def test_a_row_too_many_in_the_index_goes(data: Path, folder: Folder) -> None:
    before = sealed_bytes(data)

    def add(rows: list[Member]) -> list[Member]:
        return [rows[0], dataclasses.replace(rows[0], node="depth", offset=rows[0].offset + 1), *rows[1:]]

    change_index(folder, add)
    assert_mended(data, verify(str(data)), "scene-0000.depth.jpg in the index, not in the tar")
    assert sealed_bytes(data) == before


def test_an_index_in_another_order_than_the_tar_is_put_right(data: Path, folder: Folder) -> None:
    before = sealed_bytes(data)
    first = [row for row in index_of(folder) if row.key == "scene-0000"]
    change_index(folder, lambda rows: [*(row for row in rows if row.key != "scene-0000"), *first])
    assert_mended(data, verify(str(data)), "the rows of the index are not in the order of the tar")
    assert sealed_bytes(data) == before


@pytest.mark.parametrize(
    "name", ["stranger.txt", "scene-0001.hed.jpg", "ünïcode.jpg", "scene-0001.canny.7.png", "x" * 99, "new.target.jpg"]
)
def test_a_member_too_many_is_set_aside(data: Path, folder: Folder, name: str) -> None:
    before = sealed_bytes(data)
    picture = folder.read_range(shard_path(0), index_of(folder)[0].offset, index_of(folder)[0].size)
    rewrite_tar(folder, lambda members: [*members, (name, picture)])
    assert_mended(data, verify(str(data)), name)
    assert sealed_bytes(data) == before
    assert quarantined(data) == [name.encode("ascii", "replace").decode()]


def test_a_member_that_stands_twice_is_kept_once(data: Path, folder: Folder) -> None:
    before = sealed_bytes(data)
    rewrite_tar(folder, lambda members: [*members, members[0]])
    assert_mended(data, verify(str(data)), "scene-0000.target.jpg")
    assert sealed_bytes(data) == before


def test_members_that_do_not_lie_together_are_brought_together(data: Path, folder: Folder) -> None:
    before = sealed_bytes(data)
    rewrite_tar(folder, lambda members: [*members[1:], members[0]])
    offsets = {
        entry.name: entry.offset for entry in scan_tar(folder.open(shard_path(0))) if isinstance(entry, TarEntry)
    }
    change_index(
        folder,
        lambda rows: sorted(
            (dataclasses.replace(row, offset=offsets[full_name(row)]) for row in rows), key=lambda row: row.offset
        ),
    )
    assert_mended(data, verify(str(data)), "the members of scene-0000 do not lie together")
    assert sealed_bytes(data) == before


def test_a_missing_tar_costs_its_records(data: Path, folder: Folder) -> None:
    folder.remove(shard_path(0))
    assert_mended(data, verify(str(data)), "the tar is missing")
    assert list(Dataset(str(data)).keys) == [f"scene-{number:04d}" for number in range(4, 8)]


def test_a_tar_that_is_none_costs_its_records_and_says_so(data: Path, folder: Folder) -> None:
    folder.write(shard_path(0), b"<html>not found</html>" * 500)
    assert_mended(data, verify(str(data)), "damaged tar after 0 members")
    assert len(Dataset(str(data))) == 4


def _wrong_mask(table: pa.Table) -> pa.Table:
    return table.set_column(2, "available", pa.array([1] * len(table), pa.uint64()))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_wrong_mask, "is wrong about scene-0000"),
        (lambda table: table.slice(1), "is wrong about scene-0000"),
        (lambda table: table.slice(0, 4), "is wrong about scene-0004"),
        (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "not in the order"),
        (lambda table: table.take(list(reversed(range(8)))), "not in the order of the shards"),
        (lambda table: table.set_column(0, "key", pa.array(list("abcdefgh"))), "has a, which no shard holds"),
        (lambda table: table.set_column(3, "width", pa.array([1] * 8, pa.int32())), "is wrong about scene-0007"),
    ],
    ids=["masks", "row missing", "shard missing", "row twice", "order", "keys", "width"],
)
def test_wrong_records_are_computed_anew(
    data: Path, folder: Folder, change: Callable[[pa.Table], pa.Table], named: str
) -> None:
    before = sealed_bytes(data)
    write_table(folder, RECORDS, change(read_records(folder)))
    assert_mended(data, verify(str(data)), named)
    assert sealed_bytes(data) == before


@pytest.mark.parametrize("damage", [None, b"", b"garbage" * 100], ids=["missing", "empty", "garbage"])
def test_missing_or_damaged_records_are_computed_anew(data: Path, folder: Folder, damage: bytes | None) -> None:
    before = sealed_bytes(data)
    folder.remove(RECORDS)
    if damage is not None:
        folder.write(RECORDS, damage)
    assert_mended(data, verify(str(data)), "records.parquet")
    assert sealed_bytes(data) == before


def test_damaged_failures_are_set_aside(data: Path, folder: Folder) -> None:
    folder.write(FAILURES, b"garbage" * 100)
    assert_mended(data, verify(str(data)), "failures.parquet")
    assert read_failures(folder) == []
    assert folder.read(f"{QUARANTINE}/{FAILURES}") == b"garbage" * 100


def test_a_stray_temporary_file_is_removed(data: Path, folder: Folder) -> None:
    before = sealed_bytes(data)
    folder.write(f"shards/graph200k-000000.tar{TEMPORARY}12345678", b"half")
    assert_mended(data, verify(str(data)), "left by a writer that was killed")
    assert sealed_bytes(data) == before


def add_hed(data: Path) -> None:
    with write_session(str(data), shard_size=4) as session:
        write_part(session.folder, session.run, 0, "a", [annotation_row("scene-0000", 0, "hed", edge_map(0))])
        session.seal(0)


def test_what_a_kill_leaves_is_named_and_finished_at_every_step(sealed: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(sealed, tmp_path / "whole"))
    with killed_at(1000) as all_steps:
        add_hed(whole)
    before, after = sealed_bytes(sealed), sealed_bytes(whole)
    for step in range(len(all_steps) - 1):
        data = Path(shutil.copytree(sealed, tmp_path / f"killed-{step}"))
        with killed_at(step):
            add_hed(data)
        forget_lock(data)
        unfinished = (data / "parts").exists()
        assert bool(verify(str(data))) == unfinished
        repair(str(data))
        assert verify(str(data)) == []
        assert sealed_bytes(data) in (before, after)
        assert_clean(data)


def test_a_pending_commit_is_named(data: Path, folder: Folder) -> None:
    with killed_at(5):
        add_hed(data)
    forget_lock(data)
    assert Problem("graph200k-000000", "", "its replacement was begun and not finished") in verify(str(data))
    assert_mended(data, verify(str(data)), "its replacement was begun")
    assert Dataset(str(data)).node_counts()["hed"] == 1


def test_a_leftover_part_does_not_cost_a_shard_whose_index_is_gone(data: Path, folder: Folder) -> None:
    before = pixels(data)
    leave_part(data, 0, annotation_row("scene-0000", 0, "hed", edge_map(0)))
    folder.remove(index_path(0))
    assert_mended(data, verify(str(data)), "1 finished parts are not sealed yet")
    assert set(pixels(data)) - set(before) == {("scene-0000", "hed", None, "")}
    assert set(before) <= set(pixels(data))


def leave_part(data: Path, shard: int, row: PartRow) -> None:
    """End a session early, so that its part is left over."""
    with pytest.raises(RuntimeError), write_session(str(data), shard_size=4) as session:
        write_part(session.folder, session.run, shard, "a", [row])
        raise RuntimeError


@pytest.mark.parametrize("node", ["json", "canny"])
def test_a_leftover_part_of_a_damaged_shard_does_not_stop_its_repair(data: Path, folder: Folder, node: str) -> None:
    leave_part(data, 0, annotation_row("scene-0001", 1, "hed", edge_map(1)))
    victim = member_of(folder, "scene-0000", node)
    flip(folder, victim.offset + victim.size // 2)
    folder.write(FAILURES, b"garbage")
    assert_mended(data, verify(str(data)), "scene-0000")
    assert Dataset(str(data)).node_counts()["hed"] == 1


def test_a_repair_does_not_seal_a_shard_that_is_still_being_ingested(data: Path, folder: Folder) -> None:
    leave_part(data, 2, annotation_row("late", 0, "hed", edge_map(0)))
    folder.write(INGEST_PLAN, b"{}")
    flip(folder, member_of(folder, "scene-0000", "canny").offset + 9)
    assert len(repair(str(data))) == 2
    assert not folder.exists(shard_path(2))
    assert len(list_parts(folder, 2)) == 1
    assert shown(verify(str(data))) == [(INGEST_PLAN, "an ingest goes on, or ended early; run it again")]


def test_what_an_earlier_repair_set_aside_stays(data: Path, folder: Folder) -> None:
    for key in ("scene-0000", "scene-0001"):
        victim = member_of(folder, key, "canny")
        flip(folder, victim.offset + victim.size // 2)
        repair(str(data))
    assert sorted(quarantined(data)) == ["scene-0000.canny.png", "scene-0001.canny.png"]


def test_a_repair_is_refused_while_somebody_writes(data: Path) -> None:
    with (
        write_session(str(data), shard_size=4),
        pytest.raises(DatasetError, match="is being written by run"),
    ):
        repair(str(data))


def test_what_is_no_dataset_is_an_error(tmp_path: Path) -> None:
    for check in (verify, repair):
        with pytest.raises(DatasetError, match="is not a dataset"):
            check(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_are_passed_over(data: Path) -> None:
    for name in ("shards/._graph200k-000000.tar", "index/graph200k-x.parquet", "shards/graph200k-notes.txt"):
        (data / name).write_bytes(b"")
    assert verify(str(data)) == []
