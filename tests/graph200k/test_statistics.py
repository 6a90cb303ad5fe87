"""Numbers about a dataset, each compared with counting its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph200k.errors import DatasetError
from graph200k.parts import failure_row, write_part
from graph200k.session import write_session
from graph200k.shards import TarEntry, scan_tar
from graph200k.statistics import statistics
from support.datasets import make_varied_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("statistics") / "data"
    make_varied_dataset(data, 8)
    with write_session(str(data), shard_size=4) as session:
        rows = [failure_row(number, f"scene-000{number}", "hed", "f", "oom", "no memory") for number in range(2)]
        write_part(session.folder, session.run, 0, "a", rows)
        session.seal(0)
    return data


def test_members_and_bytes_are_those_of_the_tars(data: Path) -> None:
    found = statistics(str(data))
    entries = []
    for path in (data / "shards").glob("*.tar"):
        with path.open("rb") as file:
            entries += [entry for entry in scan_tar(file) if isinstance(entry, TarEntry)]
    assert found["bytes"] == sum(entry.size for entry in entries)
    for node in found["nodes"]:
        of_node = [entry for entry in entries if entry.name.split(".")[1] == node["node"]]
        assert (node["members"], node["bytes"]) == (len(of_node), sum(entry.size for entry in of_node))


def test_records_shards_sizes_and_failures_are_counted(data: Path) -> None:
    found = statistics(str(data))
    assert (found["records"], found["shards"]) == (8, 2)
    assert found["width"] == {"min": 96, "median": 96, "max": 96}
    assert found["failures"] == {"hed:oom": 2}
    nodes = {node["node"]: node for node in found["nodes"]}
    assert (nodes["openpose"]["records"], nodes["openpose"]["members"], nodes["openpose"]["unusable"]) == (0, 1, 1)
    assert (nodes["redux_style"]["records"], nodes["redux_style"]["members"]) == (0, 1)
    assert nodes["canny"]["records"] == 6
    assert "canny" in {used["name"] for used in found["annotators"]}


def test_all_of_it_is_json(data: Path) -> None:
    found = statistics(str(data))
    assert json.loads(json.dumps(found)) == found


def test_a_dataset_without_records_has_numbers_too(tmp_path: Path) -> None:
    with write_session(str(tmp_path), shard_size=4):
        pass
    found = statistics(str(tmp_path))
    assert (found["records"], found["nodes"], found["tasks_served"]) == (0, [], 0)
    assert found["height"] == {"min": 0, "median": 0, "max": 0}


def test_without_a_dataset_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        statistics(str(tmp_path))
