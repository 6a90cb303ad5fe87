"""PhotoDoodle: pairs by name or by line, each under its effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.ingest.location import Location
from pipelines.ingest.sources.photodoodle import PhotoDoodle
from support.ingesting import run_ingest
from support.published import write_photodoodle, write_photos


def test_pairs_by_name_and_by_line_become_records_of_their_effect(tmp_path: Path) -> None:
    outcome = run_ingest(write_photodoodle(tmp_path / "source"), tmp_path / "data")
    records = {name: outcome.dataset.record(key) for name, key in outcome.by_name().items()}
    assert {name: record.members[1].node for name, record in records.items()} == {
        "sksedgeeffect/1_blend.jpg": "edge_effect",
        "sksedgeeffect/34_blend.jpg": "edge_effect",
        "sksmagiceffects/images/after.jpg": "magic_effects",
    }
    assert {record.info.origin.collection for record in records.values()} == {"edge_effect", "magic_effects"}


def test_the_instruction_of_a_line_is_kept(tmp_path: Path) -> None:
    outcome = run_ingest(write_photodoodle(tmp_path / "source"), tmp_path / "data")
    edits = {name: outcome.dataset.record(key).info.edits for name, key in outcome.by_name().items()}
    (edit,) = edits["sksmagiceffects/images/after.jpg"]
    assert (edit.node, edit.variant, edit.description) == ("magic_effects", 0, "add a halo by sksmagiceffects")
    assert edits["sksedgeeffect/1_blend.jpg"] == []


def test_the_folder_of_one_effect_is_a_source(tmp_path: Path) -> None:
    write_photodoodle(tmp_path / "all")
    outcome = run_ingest(tmp_path / "all" / "sksedgeeffect", tmp_path / "data")
    assert outcome.dataset.node_counts()["edge_effect"] == 2


@pytest.mark.parametrize(
    ("folder", "hint"),
    [("sksedgeefect", "did you mean sksedgeeffect?"), ("watercolour", "known: monster_lulu, magic")],
)
def test_a_folder_that_is_no_effect_is_refused_with_what_to_do(tmp_path: Path, folder: str, hint: str) -> None:
    write_photodoodle(tmp_path / "source")
    write_photos(tmp_path / "source" / folder, ["2.jpg", "2_blend.jpg"], 30)
    outcome = run_ingest(tmp_path / "source", tmp_path / "data")
    assert len(outcome.dataset) == 3
    (failure,) = outcome.failures.values()
    assert (failure.key, failure.error) == (f"{folder}/2_blend.jpg", "unknown_name")
    assert hint in failure.message
    assert "add the effect to graph200k/catalogues/photodoodle.py" in failure.message


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ('{"source": "images/before.jpg"', "unsafe_input", "JSON"),
        ('["images/before.jpg", "images/after.jpg"]', "bad_record", "names None and None"),
        ('{"source": "images/before.jpg", "target": "gone.jpg"}', "bad_record", "names gone.jpg, which the source"),
        ('{"source": "../../../before.jpg", "target": "images/after.jpg"}', "bad_record", "names ../../../before.jpg"),
    ],
    ids=["half", "list", "gone", "outside"],
)
def test_a_line_that_says_nothing_useful_is_a_failure(tmp_path: Path, line: str, error: str, words: str) -> None:
    write_photodoodle(tmp_path / "source")
    (tmp_path / "source" / "sksmagiceffects" / "meta.jsonl").write_text(line)
    outcome = run_ingest(tmp_path / "source", tmp_path / "data")
    failure = outcome.failures["sksmagiceffects/meta.jsonl/1"]
    assert failure.error == error
    assert words in failure.message


@pytest.mark.parametrize("line", ['["images/before.jpg"]', '{"target": "images/after.jpg"}'], ids=["list", "half"])
def test_a_file_called_none_is_not_what_a_line_leaves_out(tmp_path: Path, line: str) -> None:
    write_photodoodle(tmp_path / "source")
    (tmp_path / "source" / "sksmagiceffects" / "None").write_bytes(b"")
    (tmp_path / "source" / "sksmagiceffects" / "meta.jsonl").write_text(line)
    outcome = run_ingest(tmp_path / "source", tmp_path / "data")
    failure = outcome.failures["sksmagiceffects/meta.jsonl/1"]
    assert (failure.error, "names None" in failure.message) == ("bad_record", True)


def test_images_without_an_effect_are_no_such_source(tmp_path: Path) -> None:
    write_photos(tmp_path / "sksedgeeffect", ["1.jpg", "2.jpg"], 0)
    write_photos(tmp_path / "mine", ["1.jpg", "1_blend.jpg"], 2)
    assert not PhotoDoodle.matches(Location(str(tmp_path)))
