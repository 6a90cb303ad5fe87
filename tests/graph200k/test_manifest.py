"""``dataset.json``: readable by people, refused when it is not ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph200k.errors import DatasetError
from graph200k.manifest import MANIFEST, Manifest, Source, new_manifest, read_manifest, write_manifest
from graph200k.schema import enumerate_tasks, from_node_link, graph200k_tasks
from graph200k.storage import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path))


def test_a_manifest_is_read_back(folder: Folder) -> None:
    source = Source(location="photos", kind="images", first_shard=0, shards=1, items=3)
    manifest = new_manifest(10).updated(sources=(source,), presets=("default",))
    write_manifest(folder, manifest)
    assert read_manifest(folder) == manifest


def test_it_carries_the_schema_graph_with_its_134_tasks(folder: Folder) -> None:
    write_manifest(folder, new_manifest(10))
    graph = from_node_link(json.loads(folder.read(MANIFEST))["graph"])
    assert tuple(enumerate_tasks(graph)) == graph200k_tasks()


def test_writing_the_same_again_leaves_the_file_alone(folder: Folder, tmp_path: Path) -> None:
    write_manifest(folder, new_manifest(10))
    before = (tmp_path / MANIFEST).stat()
    write_manifest(folder, new_manifest(10))
    assert (tmp_path / MANIFEST).stat() == before
    write_manifest(folder, new_manifest(11))
    assert read_manifest(folder).shard_size == 11


def test_a_folder_without_one_is_no_dataset_and_the_message_says_how_to_make_one(folder: Folder) -> None:
    with pytest.raises(DatasetError, match=r"is not a dataset .*graph200k ingest SOURCE --out DIR"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (b"[]", "schema version None"),
        (b"{}", "schema version None"),
        (b'{"schema_version": 2}', "schema version 2; this release reads 1; install the release that wrote it"),
        (b'{"schema_version": 1, "more": 1}', "damaged"),
        (b'{"schema_version": 1, "shard_size": "many"}', "damaged"),
        (b"[" * 100_000, "damaged"),
    ],
    ids=["empty", "half", "list", "object", "later", "unknown key", "wrong type", "deep"],
)
def test_what_is_not_ours_is_refused_in_one_line(folder: Folder, content: bytes, reason: str) -> None:
    folder.write(MANIFEST, content)
    with pytest.raises(DatasetError, match=reason) as caught:
        read_manifest(folder)
    assert "\n" not in str(caught.value)
    assert MANIFEST in str(caught.value)


def test_a_manifest_is_a_value() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Manifest().shard_size = 3  # type: ignore[misc]


def test_a_dataset_of_unknown_node_types_is_refused_with_what_is_known_and_what_to_do(folder: Folder) -> None:
    write_manifest(folder, new_manifest(10).updated(catalogue="viton"))
    with pytest.raises(
        DatasetError, match=r"names the catalogue 'viton'.*it knows graph200k, omniedit.*graph200k/catalogues/viton\.py"
    ):
        read_manifest(folder)
