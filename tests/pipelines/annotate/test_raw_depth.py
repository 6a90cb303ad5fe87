"""Depth in 16 bits, on request: from the annotator through every reader, and never part of a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import webdataset

from annotators.depth import Depth
from annotators.models import local_model
from annotators.tiny.depth import save_depth_model
from graph200k.contact_sheet import save_contact_sheet
from graph200k.dataset import Dataset
from graph200k.hf_features import features
from graph200k.statistics import statistics
from graph200k.verify import verify
from pipelines.annotate.plan import Request
from support.datasets import make_dataset
from support.ingesting import run_ingest
from support.running import annotate_here, assert_clean

RECORDS = 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_depth_model(tmp_path_factory.mktemp("model"))


def annotator(model: Path, **parameters: Any) -> Depth:
    return Depth(local=local_model("depth", model), **parameters)


@pytest.fixture(scope="module")
def data(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("raw") / "data"
    make_dataset(data, RECORDS)
    annotate_here(data, [annotator(model, raw=True)])
    return data


def test_it_lies_beside_the_map_in_16_bits_with_its_extent(data: Path) -> None:
    dataset = Dataset(str(data))
    for key in dataset.keys:
        raw, shown = dataset.image(key, "depth", role="raw"), dataset.image(key, "depth")
        assert (raw.dtype, raw.shape, shown.dtype) == (np.uint16, shown.shape, np.uint8)
        assert (raw.min(), raw.max()) == (0, 65535)
        assert len(np.unique(raw)) > 300
        assert np.abs(raw / 257 - shown.astype(float)).mean() < 2  # JPEG
        (made,) = (found for found in dataset.record(key).info.annotations if found.role == "raw")
        extent = json.loads(made.drawn)
        assert made.node == "depth"
        assert extent["min"] < extent["max"]
    assert verify(str(data)) == []
    assert_clean(data)


def test_no_task_and_no_availability_depends_on_it(data: Path, model: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path, RECORDS)
    annotate_here(tmp_path, [annotator(model)])
    with_raw, without = Dataset(str(data)), Dataset(str(tmp_path))
    assert (with_raw.availability == without.availability).all()
    assert "raw" not in {member.role for member in without.members(0)}
    graphs = [dataset.record_graph("scene-0000") for dataset in (with_raw, without)]
    assert [len(graph.nodes["depth"]["members"]) for graph in graphs] == [1, 1]


def test_other_readers_see_it(data: Path) -> None:
    (shard,) = sorted(str(path) for path in data.glob("shards/*.tar"))
    raw = Dataset(str(data)).image("scene-0000", "depth", role="raw")
    first = next(iter(webdataset.WebDataset(shard, shardshuffle=False).decode("pil")))
    assert first["__key__"] == "scene-0000"
    assert "depth.raw.png" in first
    row = datasets.load_dataset("webdataset", data_files=shard, features=features(str(data)), streaming=True)["train"]
    assert (np.asarray(next(iter(row))["depth.raw.png"]) == raw).all()
    assert {node["node"]: node["members"] for node in statistics(str(data))["nodes"]}["depth"] == 2 * RECORDS
    save_contact_sheet(Dataset(str(data)), "sheet.png")


def test_it_moves_to_another_dataset_byte_for_byte(data: Path, tmp_path: Path) -> None:
    run_ingest(str(data), tmp_path / "copy")
    (shard,) = data.glob("shards/*.tar")
    (copy,) = (tmp_path / "copy").glob("shards/*.tar")
    assert copy.read_bytes() == shard.read_bytes()


def test_without_the_parameter_it_is_stale_and_goes(data: Path, model: Path) -> None:
    annotate_here(data, [annotator(model)], request=Request(redo_stale=True))
    dataset = Dataset(str(data))
    assert {member.role for member in dataset.members(0)} == {""}
    assert dataset.node_counts()["depth"] == RECORDS
    assert verify(str(data)) == []
