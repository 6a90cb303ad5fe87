"""VITON-HD: which files make a record, and what is said where one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph200k.errors import SourceError
from pipelines.ingest.location import Location
from pipelines.ingest.sources.viton_hd import VitonHD
from support.ingesting import run_ingest
from support.published import photo, write_viton_hd


def _nodes(data: Path) -> dict[str, set[str]]:
    outcome = run_ingest(data / "source", data / "data")
    return {
        name: {member.node for member in outcome.dataset.record(key).members} - {"json"}
        for name, key in outcome.by_name().items()
    }


def test_an_image_is_what_its_agnostic_person_and_its_garment_make(tmp_path: Path) -> None:
    write_viton_hd(tmp_path / "source")
    assert _nodes(tmp_path) == {
        "train/image/00000_00.jpg": {"target", "agnostic", "garment"},
        "train/image/00001_00.jpg": {"target", "agnostic", "garment"},
        "test/image/00006_00.jpg": {"target", "agnostic", "garment"},
        "test/tryon/00006_00_tryon_catvton_0.jpg": {"target", "person", "agnostic", "garment"},
    }


def test_the_split_is_the_collection_and_keys_are_unique_over_the_splits(tmp_path: Path) -> None:
    write_viton_hd(tmp_path / "zalando" / "hd-resized")
    outcome = run_ingest(tmp_path / "zalando", tmp_path / "data")
    found = {key: outcome.dataset.record(key).info.origin.collection for key in outcome.dataset.keys}
    assert found["hd-resized-test-image-00006_00"] == "hd-resized/test"
    assert found["hd-resized-train-image-00000_00"] == "hd-resized/train"


def test_a_split_alone_is_a_source(tmp_path: Path) -> None:
    write_viton_hd(tmp_path / "viton")
    outcome = run_ingest(tmp_path / "viton" / "train", tmp_path / "data")
    assert list(outcome.dataset.keys) == ["image-00000_00", "image-00001_00"]


@pytest.mark.parametrize(
    ("missing", "record", "words"),
    [
        ("train/cloth/00001_00.jpg", "train/image/00001_00.jpg", "lacks garment (one in cloth/"),
        ("train/agnostic-v3.2/00001_00.jpg", "train/image/00001_00.jpg", "lacks agnostic (one of the same name"),
        ("test/cloth/08348_00.jpg", "test/tryon/00006_00_tryon_catvton_0.jpg", "lacks garment"),
        ("test/image/00006_00.jpg", "test/tryon/00006_00_tryon_catvton_0.jpg", "lacks garment"),
    ],
)
def test_a_record_with_a_missing_file_is_a_failure_that_says_which(
    tmp_path: Path, missing: str, record: str, words: str
) -> None:
    write_viton_hd(tmp_path / "source")
    (tmp_path / "source" / missing).unlink()
    if missing == "test/image/00006_00.jpg":  # the folder stays, for it makes the split
        (tmp_path / "source" / "test" / "image" / "other.jpg").write_bytes(photo(90))
    failure = run_ingest(tmp_path / "source", tmp_path / "data").failures[record]
    assert failure.error == "bad_record"
    assert words in failure.message


def test_a_release_without_agnostic_persons_is_refused_in_one_failure_a_split(tmp_path: Path) -> None:
    write_viton_hd(tmp_path / "source")
    for path in (tmp_path / "source" / "train" / "agnostic-v3.2").iterdir():
        path.unlink()
    outcome = run_ingest(tmp_path / "source", tmp_path / "data")
    assert list(outcome.failures) == ["train"]
    assert "neither agnostic-v3.2/ nor tryon/" in outcome.failures["train"].message


def test_try_on_results_need_the_pairs_file(tmp_path: Path) -> None:
    write_viton_hd(tmp_path / "source")
    (tmp_path / "source" / "test_pairs.txt").unlink()
    with pytest.raises(SourceError, match=r"has test/tryon/, and no test_pairs\.txt to say which garment"):
        run_ingest(tmp_path / "source", tmp_path / "data")


def test_a_damaged_garment_is_left_out_and_on_file(tmp_path: Path) -> None:
    write_viton_hd(tmp_path / "source")
    (tmp_path / "source" / "train" / "cloth" / "00000_00.jpg").write_bytes(b"no image")
    outcome = run_ingest(tmp_path / "source", tmp_path / "data")
    assert len(outcome.dataset) == 4
    assert [failure.error for failure in outcome.failures.values()] == ["bad_image"]


def test_folders_of_images_of_other_names_are_no_such_source(tmp_path: Path) -> None:
    write_viton_hd(tmp_path / "viton")
    assert not VitonHD.matches(Location(str(tmp_path / "viton" / "train" / "image")))
