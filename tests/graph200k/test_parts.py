"""A part is there whole or not at all, and nobody writes one after its run is over."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from graph200k.errors import DatasetError
from graph200k.parts import PARTS, PartReader, PartRow, failure_row, list_parts, run_marker, write_part
from graph200k.record import content_hash
from graph200k.storage import Folder
from support.datasets import annotation_row, edge_map

ROWS = [
    annotation_row("a", 0, "canny", edge_map(0)),
    failure_row(1, "b", "canny", "canny-1", "oom", "first line\nsecond line"),
    annotation_row("c", 2, "instant_style", edge_map(1), variant=3, role="image", usable=False),
]


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    folder = Folder(str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}")
    folder.write(run_marker("run"), b"")
    return folder


def test_rows_come_back_with_and_without_their_content(folder: Folder) -> None:
    path = write_part(folder, "run", 7, "stage-0", ROWS)
    reader = PartReader.open(folder, path)
    assert list(reader) == ROWS
    assert [row.data for row in reader.rows()] == [None] * 3
    assert reader.data(2) == ROWS[2].data


def test_a_part_lies_under_its_run_and_names_its_shard(folder: Folder) -> None:
    paths = [write_part(folder, "run", shard, name, ROWS) for shard, name in ((7, "a"), (7, "b"), (8, "a"))]
    assert paths[0] == f"{PARTS}/run/graph200k-000007.a.arrow"
    assert list_parts(folder) == paths
    assert list_parts(folder, 7) == paths[:2]
    assert list_parts(folder, 70) == []


def test_the_same_rows_make_the_same_file(folder: Folder) -> None:
    first, second = (write_part(folder, "run", 0, name, ROWS) for name in "ab")
    assert folder.read(first) == folder.read(second)


def test_an_error_among_the_rows_leaves_nothing(folder: Folder) -> None:
    def rows():
        yield ROWS[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_part(folder, "run", 0, "a", rows())
    assert folder.walk() == [run_marker("run")]


def test_a_worker_that_outlives_its_run_writes_nothing(folder: Folder) -> None:
    folder.remove(PARTS)
    with pytest.raises(DatasetError, match="run run is over"):
        write_part(folder, "run", 0, "a", ROWS)
    assert folder.walk() == []


def test_a_dataset_without_parts_has_none(tmp_path: Path) -> None:
    assert list_parts(Folder(str(tmp_path))) == []


@pytest.mark.parametrize("damage", [b"", b"ARROW1", b"x" * 1000])
def test_a_damaged_part_is_named(folder: Folder, damage: bytes) -> None:
    folder.write(f"{PARTS}/run/graph200k-000000.a.arrow", damage)
    (path,) = list_parts(folder)
    with pytest.raises(DatasetError, match=r"000000\.a\.arrow is damaged .*; remove it"):
        PartReader.open(folder, path)


def test_a_failure_is_one_line_with_its_time() -> None:
    row = failure_row(1, "b", "canny", "f", "error", "line\n  line\t" + "x" * 1000)
    assert row.message is not None and row.message.startswith("line line xxx") and len(row.message) == 500
    assert row.when is not None and abs((datetime.now(UTC) - row.when).total_seconds()) < 5
    assert (row.node, row.data) == (None, None)


def test_a_row_becomes_a_member_at_its_offset() -> None:
    row = ROWS[2]
    assert row.data is not None
    member = row.member(4096, row.data)
    assert (member.key, member.node, member.variant, member.role, member.offset) == (
        "c",
        "instant_style",
        3,
        "image",
        4096,
    )
    assert (member.size, member.hash, member.usable) == (len(row.data), content_hash(row.data), False)


def test_a_row_says_which_fields_it_needs() -> None:
    with pytest.raises(TypeError):
        PartRow(0, "a", "canny")  # type: ignore[misc]
