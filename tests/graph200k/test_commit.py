"""Sealing: old members keep their bytes, and a kill at any step loses and doubles nothing."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from graph200k.commit import index_path, list_shards, numbers_in, pending_commits, roll_forward, seal_shard, shard_path
from graph200k.errors import DatasetError
from graph200k.failures import read_failures
from graph200k.index import INDEX_SCHEMA, read_table, table_members
from graph200k.parts import PARTS, PartRow, failure_row, list_parts, run_marker, write_part
from graph200k.record import Member, RecordInfo
from graph200k.shards import TarEntry, scan_tar
from graph200k.storage import Folder
from support.datasets import annotation_row, make_dataset, make_varied_dataset, target_rows
from support.killing import killed_at
from support.pictures import draw_scene
from support.running import sealed_bytes


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of one shard of 4 records with different members."""
    data = tmp_path_factory.mktemp("sealed") / "data"
    make_varied_dataset(data, 4)
    return data


@pytest.fixture
def data(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "data"))


@pytest.fixture
def folder(data: Path) -> Folder:
    folder = Folder(str(data))
    folder.write(run_marker("run"), b"")
    return folder


def members_of(folder: Folder, number: int = 0) -> list[Member]:
    return table_members(read_table(folder, index_path(number), INDEX_SCHEMA))


def contents(folder: Folder, number: int = 0) -> dict[tuple[str, str, int | None, str], bytes]:
    """Return the bytes of all members by what they are."""
    return {
        (found.key, found.node, found.variant, found.role): folder.read_range(
            shard_path(number), found.offset, found.size
        )
        for found in members_of(folder, number)
    }


def info_of(folder: Folder, key: str) -> RecordInfo:
    return RecordInfo.from_json(contents(folder)[key, "json", None, ""])


def hed_rows() -> list[PartRow]:
    return [annotation_row(f"scene-{number:04d}", number, "hed", np.full((64, 96), 9, np.uint8)) for number in range(4)]


def test_new_members_come_in_and_old_ones_keep_their_bytes(folder: Folder) -> None:
    before = contents(folder)
    write_part(folder, "run", 0, "a", hed_rows())
    records = seal_shard(folder, 0)
    after = contents(folder)
    assert {identity for identity in after if identity not in before} == {
        (f"scene-{number:04d}", "hed", None, "") for number in range(4)
    }
    assert all(after[identity] == data for identity, data in before.items() if identity[1] != "json")
    assert records is not None and records.column("key").to_pylist() == [f"scene-{number:04d}" for number in range(4)]
    assert list_parts(folder) == []


def test_index_and_tar_agree_about_every_member(folder: Folder) -> None:
    write_part(folder, "run", 0, "a", hed_rows())
    seal_shard(folder, 0)
    with folder.open(shard_path(0)) as file:
        entries = list(scan_tar(file))
    assert [(found.offset, found.size) for found in members_of(folder)] == [
        (entry.offset, entry.size) for entry in entries if isinstance(entry, TarEntry)
    ]


def test_provenance_names_exactly_the_members_that_are_there(folder: Folder) -> None:
    write_part(folder, "run", 0, "a", hed_rows())
    seal_shard(folder, 0, drop=lambda member: member.annotator == "canny")
    for key in {member.key for member in members_of(folder)}:
        listed = [(found.node, found.variant, found.role) for found in info_of(folder, key).annotations]
        there = [identity[1:] for identity in contents(folder) if identity[0] == key]
        assert [*listed] == [identity for identity in there if identity[0] not in ("target", "json")]
        assert ("canny", None, "") not in listed


def test_without_parts_nothing_changes_unless_asked_for(folder: Folder, data: Path) -> None:
    before, stamp = sealed_bytes(data), (data / shard_path(0)).stat().st_mtime_ns
    assert seal_shard(folder, 0) is None
    assert (data / shard_path(0)).stat().st_mtime_ns == stamp
    assert seal_shard(folder, 0, rewrite=True) is not None
    assert sealed_bytes(data) == before


def test_in_which_parts_rows_come_changes_no_byte(sealed: Path, tmp_path: Path) -> None:
    results = []
    for name, pieces in {"one": [hed_rows()], "many": [[row] for row in reversed(hed_rows())]}.items():
        data = Path(shutil.copytree(sealed, tmp_path / name))
        folder = Folder(str(data))
        folder.write(run_marker("run"), b"")
        for number, rows in enumerate(pieces):
            write_part(folder, "run", 0, f"part-{number}", rows)
        seal_shard(folder, 0)
        results.append(sealed_bytes(data))
    assert results[0] == results[1]


def test_the_same_rows_in_two_parts_count_once(folder: Folder) -> None:
    for name in ("a", "b"):
        write_part(folder, "run", 0, name, hed_rows())
    seal_shard(folder, 0)
    assert sum(member.node == "hed" for member in members_of(folder)) == 4


def test_a_new_run_of_an_annotator_replaces_all_it_made_of_a_record(folder: Folder) -> None:
    scene = draw_scene(7)
    key = "scene-0003"
    assert [member.variant for member in members_of(folder) if member.node == "fill_edit"] == [0, 2]
    row = annotation_row(key, 3, "fill_edit", scene, variant=1)
    write_part(folder, "run", 0, "a", [row])
    seal_shard(folder, 0)
    assert [(member.variant, member.key) for member in members_of(folder) if member.node == "fill_edit"] == [(1, key)]
    assert contents(folder)[key, "fill_edit", 1, ""] == row.data


def test_a_record_without_target_or_json_is_not_written(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.write(run_marker("run"), b"")
    whole, other = target_rows("whole", 0, draw_scene(0)), target_rows("half", 1, draw_scene(1))
    write_part(folder, "run", 0, "a", [*whole, *other[:1]])
    seal_shard(folder, 0)
    assert {member.key for member in members_of(folder)} == {"whole"}


def test_records_stand_in_the_order_of_their_source(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.write(run_marker("run"), b"")
    for ordinal in (2, 0, 3, 1):
        write_part(folder, "run", 0, f"p{ordinal}", target_rows(f"k{9 - ordinal}", ordinal, draw_scene(ordinal)))
    seal_shard(folder, 0)
    assert list(dict.fromkeys(member.key for member in members_of(folder))) == ["k9", "k8", "k7", "k6"]


def test_failures_go_on_file_once_and_off_it_when_made(folder: Folder) -> None:
    failed = failure_row(0, "scene-0000", "hed", "f", "oom", "no memory")
    write_part(folder, "run", 0, "a", [failed])
    assert seal_shard(folder, 0) is None
    write_part(folder, "run", 0, "a", [failed])
    seal_shard(folder, 0)
    assert [(found.key, found.error, found.count) for found in read_failures(folder)] == [("scene-0000", "oom", 1)]
    write_part(folder, "run", 0, "b", [*hed_rows(), failed])
    seal_shard(folder, 0)
    assert read_failures(folder) == []


@pytest.mark.parametrize("step", range(9))
def test_killed_at_any_step_the_next_run_ends_with_the_same_bytes(data: Path, folder: Folder, step: int) -> None:
    rows = [*hed_rows()[:3], failure_row(3, "scene-0003", "hed", "f", "oom", "no memory")]
    write_part(folder, "run", 0, "a", rows)
    uninterrupted = data.parent / "uninterrupted"
    shutil.copytree(data, uninterrupted)
    seal_shard(Folder(str(uninterrupted)), 0)
    before = sealed_bytes(data)

    with killed_at(step):
        seal_shard(folder, 0)
    assert (list_parts(folder) == []) == (step == 8), "a step came or went: adjust the range of this test"
    assert sealed_bytes(data) == before or pending_commits(folder) or step >= 7
    roll_forward(folder)
    assert roll_forward(folder) == []
    seal_shard(folder, 0)
    assert sealed_bytes(data) == sealed_bytes(uninterrupted)
    assert [(found.key, found.count) for found in read_failures(folder)] == [("scene-0003", 1)]
    assert [name for name in folder.walk(PARTS) if not name.endswith("/running")] == []


@pytest.mark.parametrize("step", range(4))
def test_rolling_forward_can_be_killed_and_repeated(data: Path, folder: Folder, step: int) -> None:
    write_part(folder, "run", 0, "a", hed_rows())
    with killed_at(3):  # tar, index and marker
        seal_shard(folder, 0)
    assert pending_commits(folder) == ["graph200k-000000"]
    fresh = {extension: folder.read(f"{PARTS}/graph200k-000000.{extension}") for extension in ("tar", "parquet")}
    with killed_at(step):
        roll_forward(folder)
    roll_forward(folder)
    assert pending_commits(folder) == []
    assert folder.read(shard_path(0)) == fresh["tar"]
    assert folder.read(index_path(0)) == fresh["parquet"]


def test_bytes_that_rotted_are_not_given_a_new_hash(folder: Folder, data: Path) -> None:
    victim = next(member for member in members_of(folder) if member.node == "canny")
    tar = bytearray(folder.read(shard_path(0)))
    tar[victim.offset + victim.size // 2] ^= 1
    folder.write(shard_path(0), bytes(tar))
    write_part(folder, "run", 0, "a", hed_rows())
    seal_shard(folder, 0)
    (same,) = [member for member in members_of(folder) if (member.key, member.node) == (victim.key, "canny")]
    assert dataclasses.replace(same, offset=victim.offset) == victim


def test_a_rotten_record_json_stops_the_seal_and_names_the_record(folder: Folder) -> None:
    before = folder.read(shard_path(0))
    victim = next(member for member in members_of(folder) if member.node == "json")
    tar = bytearray(before)
    tar[victim.offset + 8] ^= 1
    folder.write(shard_path(0), bytes(tar))
    write_part(folder, "run", 0, "a", hed_rows())
    with pytest.raises(DatasetError, match="the JSON of 'scene-0000' is damaged; run `graph200k verify --repair`"):
        seal_shard(folder, 0)
    assert folder.read(shard_path(0)) == bytes(tar)


def test_a_tar_that_is_too_short_stops_the_seal(folder: Folder) -> None:
    folder.write(shard_path(0), folder.read(shard_path(0))[:20_000])
    write_part(folder, "run", 0, "a", hed_rows())
    with pytest.raises(DatasetError, match="beyond the end of its shard"):
        seal_shard(folder, 0)
    assert folder.size(shard_path(0)) == 20_000


def test_a_shard_whose_index_is_gone_is_not_taken_for_empty(folder: Folder) -> None:
    before = folder.read(shard_path(0))
    folder.remove(index_path(0))
    write_part(folder, "run", 0, "a", hed_rows())
    with pytest.raises(DatasetError, match=r"000000\.parquet is missing; run `graph200k verify --repair`"):
        seal_shard(folder, 0)
    assert folder.read(shard_path(0)) == before


def test_shards_are_listed_by_number_and_foreign_files_passed_over(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data", 3, shard_size=1)
    for name in ("._graph200k-000000.parquet", "graph200k-x.parquet", "graph200k-1.parquet", "notes.txt"):
        (tmp_path / "data" / "index" / name).write_bytes(b"")
    assert list_shards(Folder(str(tmp_path / "data"))) == [0, 1, 2]
    assert numbers_in(["graph200k-1000000.tar", "graph200k-999999.tar"], "tar") == [999_999, 1_000_000]
