"""Parquet tables: what is written is read, equal tables are equal files, and a damaged one says what to do."""

from __future__ import annotations

import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph200k.catalogue import GRAPH200K
from graph200k.errors import DatasetError
from graph200k.index import (
    INDEX_SCHEMA,
    RECORDS_SCHEMA,
    members_table,
    read_table,
    records_of,
    rows_table,
    table_members,
    write_table,
)
from graph200k.record import Member, availability
from graph200k.storage import Folder

members = st.builds(
    Member,
    key=st.text(max_size=8),
    node=st.sampled_from(list(GRAPH200K)),
    variant=st.none() | st.integers(0, 999),
    role=st.sampled_from(["", "image"]),
    offset=st.integers(0, 2**40),
    size=st.integers(0, 2**31),
    width=st.integers(0, 20_000),
    height=st.integers(0, 20_000),
    hash=st.binary(min_size=16, max_size=16),
    annotator=st.text(max_size=5),
    fingerprint=st.text(max_size=5),
    usable=st.booleans(),
)


@pytest.fixture
def folder() -> Folder:
    return Folder(f"memory://{uuid.uuid4().hex}")


def member(key: str, node: str, role: str = "", *, usable: bool = True) -> Member:
    return Member(key, node, None, role, 512, 10, 96, 64, bytes(16), "x", "", usable)


@given(st.lists(members, max_size=5))
def test_members_come_back_from_a_table(found: list[Member]) -> None:
    assert table_members(members_table(found)) == found


@given(st.lists(members, max_size=5))
def test_members_come_back_from_a_file_and_equal_tables_are_equal_files(found: list[Member]) -> None:
    folder = Folder("memory://index")
    for name in ("a", "b"):
        write_table(folder, name, members_table(found))
    assert folder.read("a") == folder.read("b")
    assert table_members(read_table(folder, "a", INDEX_SCHEMA)) == found


def test_only_the_columns_asked_for_are_read(folder: Folder) -> None:
    write_table(folder, "x", members_table([member("a", "target")]))
    assert read_table(folder, "x", INDEX_SCHEMA, ["size", "key"]).to_pydict() == {"size": [10], "key": ["a"]}


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"garbage" * 50], ids=["empty", "magic alone", "garbage"])
def test_a_damaged_table_is_an_error_that_names_file_and_command(folder: Folder, damage: bytes) -> None:
    folder.write("x.parquet", damage)
    with pytest.raises(DatasetError, match=r"x\.parquet is damaged .*verify --repair") as caught:
        read_table(folder, "x.parquet", INDEX_SCHEMA)
    assert "\n" not in str(caught.value)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_in_a_table_is_an_error_of_ours_or_changes_values(position: int, flip: int) -> None:
    folder = Folder("memory://flipped")
    write_table(folder, "x", members_table([member("a", "target"), member("a", "canny")]))
    data = bytearray(folder.read("x"))
    data[position % len(data)] ^= flip
    folder.write("x", bytes(data))
    try:
        assert read_table(folder, "x", INDEX_SCHEMA).schema == INDEX_SCHEMA
    except DatasetError as error:
        assert "\n" not in str(error)


def test_missing_columns_and_other_types_are_errors(folder: Folder) -> None:
    table = members_table([member("a", "target")])
    for changed in (
        table.drop_columns(["offset"]),
        table.set_column(4, "offset", pa.array(["text"])),
        table.set_column(4, "offset", pa.array([[1]])),
    ):
        with folder.writer("x") as file:
            pq.write_table(changed, file)
        with pytest.raises(DatasetError, match="verify --repair"):
            read_table(folder, "x", INDEX_SCHEMA)


def test_a_missing_table_is_an_error(folder: Folder) -> None:
    with pytest.raises(DatasetError, match="is missing"):
        read_table(folder, "x", INDEX_SCHEMA)


def test_records_are_one_row_a_key_with_what_they_can_serve() -> None:
    shard = [
        member("a", "target"),
        member("a", "canny"),
        member("a", "openpose", usable=False),
        member("a", "json"),
        member("b", "target"),
        member("b", "json"),
    ]
    table = records_of(3, shard, [("a.jpg", b"x" * 16), ("b.jpg", b"y" * 16)])
    assert table.schema == RECORDS_SCHEMA
    rows = table.to_pylist()
    assert [(row["key"], row["shard"], row["width"], row["source"]) for row in rows] == [
        ("a", 3, 96, "a.jpg"),
        ("b", 3, 96, "b.jpg"),
    ]
    assert rows[0]["available"] == availability([("target", None, ""), ("canny", None, "")])
    assert rows[1]["available"] == availability([("target", None, "")])


def test_no_rows_make_an_empty_table_of_the_schema() -> None:
    for schema in (INDEX_SCHEMA, RECORDS_SCHEMA):
        assert rows_table([], schema).equals(schema.empty_table())
