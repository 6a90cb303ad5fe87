"""Sources come one after another: nothing twice, nothing overwritten, everything accounted for."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from PIL import Image

from graph200k.codecs import Limits
from graph200k.errors import SourceError, UnknownNameError
from support.ingesting import Outcome, files_of, picture, run_ingest
from support.zoo_tars import jpeg, tar_bytes


def _photos(folder: Path, seeds: range, first: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds, first):
        Image.fromarray(picture(seed)).save(folder / f"{number:02d}.png")
    return folder


def _shards(outcome: Outcome) -> list[int]:
    return outcome.dataset.shard_numbers.tolist()


def test_ingesting_again_adds_nothing(tmp_path: Path) -> None:
    source = _photos(tmp_path / "source", range(5))
    (source / "broken.jpg").write_bytes(b"no")
    before = files_of(run_ingest(source, tmp_path / "data", shard_size=2).data)
    again = run_ingest(source, tmp_path / "data", shard_size=2)
    assert (again.report.records, again.report.already_present, again.report.already_failed) == (0, 5, 1)
    assert again.failures["broken.jpg"].count == 1
    assert files_of(tmp_path / "data") == before


def test_new_files_of_a_source_become_new_shards(tmp_path: Path) -> None:
    source = _photos(tmp_path / "source", range(3))
    before = files_of(run_ingest(source, tmp_path / "data", shard_size=2).data)
    Image.fromarray(picture(50)).save(source / "00-first-by-name.png")
    after = run_ingest(source, tmp_path / "data", shard_size=2)
    assert _shards(after) == [0, 0, 1, 2]
    assert all(files_of(tmp_path / "data")[name] == data for name, data in before.items() if name.startswith("shards"))


def test_a_second_source_begins_a_new_shard(tmp_path: Path) -> None:
    run_ingest(_photos(tmp_path / "one", range(3)), tmp_path / "data", shard_size=2)
    both = run_ingest(_photos(tmp_path / "two", range(10, 13)), tmp_path / "data", shard_size=2)
    assert _shards(both) == [0, 0, 1, 2, 2, 3]
    entries = [(found.first_shard, found.shards, found.items) for found in both.dataset.manifest.sources]
    assert entries == [(0, 2, 3), (2, 2, 3)]


def test_a_shard_whose_items_all_failed_harms_nothing_and_is_not_tried_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.jpg").write_bytes(b"broken %d" % number)
    first = run_ingest(source, tmp_path / "data", shard_size=2)
    assert (len(first.dataset), first.report.failures["bad_image"]) == (0, 3)
    again = run_ingest(source, tmp_path / "data", shard_size=2)
    assert (again.report.already_failed, again.progress) == (3, [])
    after = run_ingest(_photos(tmp_path / "good", range(2)), tmp_path / "data", shard_size=2)
    assert _shards(after) == [2, 2]


def test_a_mended_file_becomes_a_record_and_leaves_the_failures(tmp_path: Path) -> None:
    source = _photos(tmp_path / "source", range(2))
    (source / "broken.png").write_bytes(b"no")
    run_ingest(source, tmp_path / "data")
    Image.fromarray(picture(60)).save(source / "broken.png")
    mended = run_ingest(source, tmp_path / "data")
    assert (len(mended.dataset), mended.failures) == (3, {})


def test_other_limits_try_again_what_the_old_ones_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    Image.fromarray(picture(1, 20, 20)).save(source / "small.png")
    assert run_ingest(source, tmp_path / "data").report.failures["bad_image"] == 1
    after = run_ingest(source, tmp_path / "data", limits=Limits(min_side_px=16))
    assert (len(after.dataset), after.failures) == (1, {})


def test_files_larger_than_the_limit_are_refused_unread(tmp_path: Path) -> None:
    source = _photos(tmp_path / "source", range(1))
    refused = run_ingest(source, tmp_path / "data", limits=Limits(max_bytes=100)).failures["00.png"]
    assert (refused.error, refused.message.endswith("bytes; the limit is 100")) == ("unsafe_input", True)


def test_failures_of_two_sources_under_one_name_are_both_on_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(name.encode())
        outcome = run_ingest(tmp_path / name, tmp_path / "data")
    assert sorted(outcome.failures) == [f"{tmp_path}/two/a.jpg", "a.jpg"]
    for name in ("one", "two"):
        assert run_ingest(tmp_path / name, tmp_path / "data").report.already_failed == 1


def test_copies_are_reported(tmp_path: Path) -> None:
    source = _photos(tmp_path / "source", range(2))
    Image.fromarray(picture(0)).save(source / "copy.png")
    outcome = run_ingest(source, tmp_path / "data")
    assert (outcome.report.duplicates, outcome.report.dropped_duplicates, len(outcome.dataset)) == (1, 0, 3)


def test_copies_are_dropped_on_request_and_named(tmp_path: Path) -> None:
    source = _photos(tmp_path / "source", range(2))
    Image.fromarray(picture(0)).save(source / "copy.png")
    outcome = run_ingest(source, tmp_path / "data", dedup=True)
    assert (outcome.report.duplicates, outcome.report.dropped_duplicates, len(outcome.dataset)) == (1, 1, 2)
    failure = outcome.failures["copy.png"]
    assert (failure.error, failure.message) == ("duplicate", f"same bytes as {outcome.dataset.keys[0]!r}")
    assert run_ingest(source, tmp_path / "data", dedup=True).report.already_failed == 1


def test_copies_of_what_the_dataset_holds_are_dropped_too(tmp_path: Path) -> None:
    run_ingest(_photos(tmp_path / "one", range(2)), tmp_path / "data")
    after = run_ingest(_photos(tmp_path / "two", range(1, 3), first=10), tmp_path / "data", dedup=True)
    assert (after.report.dropped_duplicates, len(after.dataset)) == (1, 3)


def test_a_copy_dropped_before_is_taken_when_copies_are_wanted(tmp_path: Path) -> None:
    source = _photos(tmp_path / "source", range(1))
    Image.fromarray(picture(0)).save(source / "copy.png")
    run_ingest(source, tmp_path / "data", dedup=True)
    after = run_ingest(source, tmp_path / "data")
    assert (len(after.dataset), after.failures) == (2, {})


def test_copies_whose_names_give_one_key_are_kept_once(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a b.png", "a-b.png"):
        Image.fromarray(picture(0)).save(source / name)
    outcome = run_ingest(source, tmp_path / "data")
    assert (len(outcome.dataset), outcome.failures["a-b.png"].error) == (1, "duplicate")


def test_one_key_with_other_content_is_a_conflict_and_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.tar").write_bytes(tar_bytes([("0001.jpg", jpeg(1))]))
    (tmp_path / "two.tar").write_bytes(tar_bytes([("0001.jpg", jpeg(2)), ("0002.jpg", jpeg(3))]))
    before = files_of(run_ingest(tmp_path / "one.tar", tmp_path / "data").data)
    after = run_ingest(tmp_path / "two.tar", tmp_path / "data")
    assert after.report.failures["conflict"] == 1
    failure = after.failures["two.tar/0001"]
    assert "key '0001' is already present with other content" in failure.message
    assert list(after.dataset.keys) == ["0001", "0002"]
    assert files_of(tmp_path / "data")["shards/graph200k-000000.tar"] == before["shards/graph200k-000000.tar"]


def test_a_dataset_below_its_own_source_is_not_taken_in(tmp_path: Path) -> None:
    source = _photos(tmp_path / "source", range(2))
    run_ingest(source, source / "data")
    Image.fromarray(picture(7)).save(source / "data" / "contact-sheet.png")
    assert run_ingest(source, source / "data").report.records == 0


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("nothing-here", None, "does not exist; expected"),
        ("*.jpg", None, "nothing matches"),
        (".", None, "holds nothing that can be ingested"),
        ("gopher://host/x", None, "gopher://host/x cannot be opened"),
        (".", "pictures", "unknown kind of source 'pictures'"),
        (".", "webdataset", "holds nothing of the kind 'webdataset' (found: notes.md)"),
    ],
)
def test_a_source_that_is_none_is_an_error_that_says_why(
    source: str, kind: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "notes.md").write_text("# Notes")
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises((SourceError, KeyError)) as caught:
        run_ingest(source, tmp_path / "data", kind=kind)
    assert words in str(caught.value)


def test_a_pattern_that_stands_for_too_many_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"stands for more than 100,000 names; use \* instead"):
        run_ingest(f"{tmp_path}/{{0..9999999}}.tar", tmp_path / "data")


def test_the_error_for_an_unknown_kind_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(UnknownNameError("kind of source", "imges", ["images"])))
    assert str(error) == "unknown kind of source 'imges'; did you mean images?"
