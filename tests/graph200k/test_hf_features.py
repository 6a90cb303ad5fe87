"""Shards are read by programs that have never seen this library: datasets, webdataset."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import webdataset
from datasets import load_dataset

import graph200k
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError
from graph200k.hf_features import feature_spec
from graph200k.record import RecordInfo
from support.datasets import make_varied_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("features") / "data"
    make_varied_dataset(data, 8)
    return data


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        where = tmp_path_factory.mktemp("cache")
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", where)
        yield where
    datasets.disable_progress_bars()


def load(data: Path, cache: Path, *, streaming: bool) -> list[dict[str, Any]]:
    loaded = load_dataset(
        "webdataset",
        data_files=str(data / "shards" / "*.tar"),
        features=graph200k.features(str(data)),
        split="train",
        streaming=streaming,
        cache_dir=str(cache),
    )
    return list(loaded)


@pytest.mark.parametrize("streaming", [True, False])
def test_datasets_reads_records_with_different_members(data: Path, cache: Path, streaming: bool) -> None:
    samples = load(data, cache, streaming=streaming)
    dataset = Dataset(str(data))
    assert [sample["__key__"] for sample in samples] == list(dataset.keys)
    for row, sample in enumerate(samples):
        nodes = {member.node for member in dataset.members(row)}
        assert (sample["canny.png"] is None) == ("canny" not in nodes)
        assert (sample["instant_style.0.image.jpg"] is None) == ("instant_style" not in nodes)
        assert np.array_equal(np.asarray(sample["target.jpg"]), dataset.image(dataset.keys[row], "target"))
        info = RecordInfo.model_validate(sample["json"])
        assert info == dataset.record(dataset.keys[row]).info


def test_features_name_every_member_that_any_record_has(data: Path) -> None:
    dataset = Dataset(str(data))
    found = {
        ".".join(
            part for part in (member.node, "" if member.variant is None else str(member.variant), member.role) if part
        )
        for row in range(len(dataset))
        for member in dataset.members(row)
    }
    features = graph200k.features(str(data))
    assert {name.rsplit(".", 1)[0] for name in features} == (found | {"__key__", "__url__"})
    assert isinstance(features["canny.png"], datasets.Image)


def test_webdataset_reads_the_shards_by_itself(data: Path) -> None:
    shards = sorted(str(path) for path in (data / "shards").glob("*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    dataset = Dataset(str(data))
    assert [sample["__key__"] for sample in samples] == list(dataset.keys)
    for row, sample in enumerate(samples):
        assert json.loads(sample["json"])["key"] == dataset.keys[row]
        shard = int(dataset.shard_numbers[row])
        assert {bytes(value) for name, value in sample.items() if not name.startswith("__")} == {
            dataset.read(member, shard) for member in dataset.members(row)
        }


def test_features_do_not_depend_on_the_order_members_are_met(data: Path) -> None:
    members = [("canny", None, ""), ("json", None, ""), ("fill_edit", 1, ""), ("target", None, "")]
    assert list(feature_spec(members)) == list(feature_spec(reversed(members)))
    assert list(feature_spec(members)) == ["__key__", "__url__", "target.jpg", "canny.png", "fill_edit.1.jpg", "json"]


def test_there_are_no_features_without_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a dataset"):
        graph200k.features(str(tmp_path))


def test_features_of_a_copy_are_the_same(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "copy")
    assert graph200k.features(str(tmp_path / "copy")) == graph200k.features(str(data))
