"""A dataset as a source: everything moves as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph200k.commit import shard_path
from graph200k.dataset import Dataset
from graph200k.errors import SourceError
from support.ingesting import files_of, run_ingest
from support.zoo_tars import LINES, jpeg, png, tar_bytes


@pytest.fixture
def original(tmp_path: Path) -> Path:
    members = [("k1.jpg", jpeg(1)), ("k1.canny.png", png(LINES)), ("k1.txt", b"One."), ("k2.jpg", jpeg(2))]
    (tmp_path / "source.tar").write_bytes(tar_bytes(members))
    return run_ingest(tmp_path / "source.tar", tmp_path / "original").data


def test_a_copy_has_the_same_shards(original: Path, tmp_path: Path) -> None:
    copy = run_ingest(original, tmp_path / "copy")
    assert copy.dataset.manifest.sources[0].kind == "graph200k"
    ours, theirs = files_of(copy.data), files_of(original)
    assert {name for name in ours if ours[name] != theirs[name]} == {"dataset.json"}


def test_ingesting_it_again_adds_nothing(original: Path, tmp_path: Path) -> None:
    run_ingest(original, tmp_path / "copy")
    assert run_ingest(original, tmp_path / "copy").report.already_present == 2


def test_its_first_source_is_recognised(original: Path, tmp_path: Path) -> None:
    run_ingest(original, tmp_path / "copy")
    assert run_ingest(tmp_path / "source.tar", tmp_path / "copy").report.already_present == 2


def test_a_damaged_member_is_left_out_and_a_damaged_target_takes_its_record(original: Path, tmp_path: Path) -> None:
    dataset = Dataset(str(original))
    members = {(member.key, member.node): member for row in range(2) for member in dataset.members(row)}
    shard = original / shard_path(0)
    data = bytearray(shard.read_bytes())
    for victim in (("k1", "canny"), ("k2", "target")):
        data[members[victim].offset + 60] ^= 0xFF
    shard.write_bytes(data)
    copy = run_ingest(original, tmp_path / "copy")
    assert list(copy.dataset.keys) == ["k1"]
    assert "canny" not in {member.node for member in copy.dataset.record("k1").members}
    assert {key: failure.error for key, failure in copy.failures.items()} == {
        "k1 (canny)": "unreadable",
        "k2": "unreadable",
    }
    assert all("is damaged" in failure.message for failure in copy.failures.values())


def test_a_dataset_is_not_ingested_into_itself(original: Path) -> None:
    with pytest.raises(SourceError, match="is the dataset being written"):
        run_ingest(original, original)
