"""A writing session ends with everything in place, or with everything that the next one needs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from graph200k.dataset import Dataset
from graph200k.errors import DatasetError, DatasetLockedError
from graph200k.manifest import MANIFEST, read_manifest
from graph200k.parts import PARTS, list_parts, write_part
from graph200k.session import Session, write_session
from graph200k.storage import Folder
from graph200k.verify import verify
from support.datasets import annotation_row, edge_map, make_dataset, make_varied_dataset, target_rows
from support.killing import forget_lock, killed_at
from support.pictures import draw_scene
from support.running import assert_clean, sealed_bytes


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("raw") / "data"
    make_dataset(data, 4, shard_size=2)
    return data


@pytest.fixture
def data(raw: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(raw, tmp_path / "data"))


def add_canny(session: Session) -> None:
    for shard in range(2):
        rows = [
            annotation_row(f"scene-{number:04d}", number % 2, "canny", edge_map(number))
            for number in range(2 * shard, 2 * shard + 2)
        ]
        write_part(session.folder, session.run, shard, "a", rows)
        session.seal(shard)


def test_a_new_dataset_is_made_and_nothing_is_left_over(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data", 3, shard_size=2)
    assert_clean(tmp_path / "data")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "dataset.json",
        "index",
        "records.parquet",
        "shards",
    ]
    assert read_manifest(Folder(str(tmp_path / "data"))).shard_size == 2
    assert verify(str(tmp_path / "data")) == []


def test_the_shard_size_of_a_dataset_is_fixed(data: Path) -> None:
    with write_session(str(data), shard_size=99) as session:
        assert session.manifest.shard_size == 2


def test_two_at_once_are_refused_and_nothing_is_damaged(data: Path) -> None:
    before = sealed_bytes(data)
    with (
        write_session(str(data), shard_size=2),
        pytest.raises(DatasetLockedError, match="is being written by run"),
        write_session(str(data), shard_size=2),
    ):
        pass
    assert sealed_bytes(data) == before
    assert_clean(data)


def test_the_manifest_names_annotators_and_features_in_use(data: Path) -> None:
    with write_session(str(data), shard_size=2) as session:
        add_canny(session)
    manifest = read_manifest(Folder(str(data)))
    assert [(used.name, used.fingerprint, used.model) for used in manifest.annotators] == [
        ("canny", "canny-1", "drawn")
    ]
    assert set(manifest.features) == {"__key__", "__url__", "target.jpg", "canny.png", "json"}
    with write_session(str(data), shard_size=2) as session:
        for shard in range(2):
            session.seal(shard, drop=frozenset({"canny"}))
    manifest = read_manifest(Folder(str(data)))
    assert manifest.annotators == ()
    assert "canny.png" not in manifest.features


def test_taking_away_what_was_added_gives_the_bytes_from_before(data: Path) -> None:
    before = sealed_bytes(data)
    with write_session(str(data), shard_size=2) as session:
        add_canny(session)
    assert sealed_bytes(data) != before
    with write_session(str(data), shard_size=2) as session:
        for shard in range(2):
            session.seal(shard, drop=frozenset({"canny"}))
    assert sealed_bytes(data) == before


def test_an_error_keeps_the_parts_for_the_next_session(data: Path) -> None:
    with pytest.raises(RuntimeError), write_session(str(data), shard_size=2) as session:
        write_part(session.folder, session.run, 0, "a", [annotation_row("scene-0000", 0, "canny", edge_map(0))])
        raise RuntimeError
    assert len(list_parts(Folder(str(data)))) == 1
    with write_session(str(data), shard_size=2) as session:
        assert session.found_unfinished
        session.seal(0)
    assert Dataset(str(data)).node_counts()["canny"] == 1
    assert_clean(data)


def test_a_dataset_of_a_later_release_is_left_as_it_is(data: Path) -> None:
    (data / MANIFEST).write_text('{"schema_version": 2}')
    with pytest.raises(DatasetError, match="schema version 2"), write_session(str(data), shard_size=2):
        pass
    assert not (data / PARTS).exists()
    assert (data / MANIFEST).read_text() == '{"schema_version": 2}'


def test_killed_at_any_step_a_second_try_ends_with_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(raw, tmp_path / "whole"))
    with killed_at(1000) as all_steps, write_session(str(whole), shard_size=2) as session:
        add_canny(session)
    for step in range(len(all_steps)):
        data = Path(shutil.copytree(raw, tmp_path / f"killed-{step}"))
        with killed_at(step), write_session(str(data), shard_size=2) as session:
            add_canny(session)
        forget_lock(data)
        _read_all(data)
        with write_session(str(data), shard_size=2) as session:
            add_canny(session)
        assert sealed_bytes(data) == sealed_bytes(whole), all_steps[step]
        assert_clean(data)


def _read_all(data: Path) -> None:
    """Read every image of a dataset that a kill left: each is right, or its shard is said to be in the middle."""
    dataset = Dataset(str(data))
    for number, key in enumerate(dataset.keys):
        for node, expected in (("target", draw_scene(number)), ("canny", edge_map(number))):
            try:
                image = dataset.image(key, node)
            except DatasetError as error:
                assert "was being replaced" in str(error) or "disagree" in str(error) or "no stored canny" in str(error)
            else:
                assert abs(image.astype(int) - expected).mean() < 3


def test_killed_at_any_step_of_the_first_ingest_a_second_try_ends_with_the_same_bytes(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    with killed_at(1000) as all_steps:
        make_varied_dataset(whole, 2, shard_size=2)
    for step in range(len(all_steps)):
        data = tmp_path / f"killed-{step}"
        with killed_at(step):
            make_varied_dataset(data, 2, shard_size=2)
        forget_lock(data)
        make_varied_dataset(data, 2, shard_size=2)
        assert sealed_bytes(data) == sealed_bytes(whole), all_steps[step]
        assert_clean(data)


def test_a_second_source_appends_and_changes_no_old_shard(data: Path) -> None:
    before = sealed_bytes(data)
    with write_session(str(data), shard_size=2) as session:
        write_part(session.folder, session.run, 2, "a", target_rows("late", 0, draw_scene(9)))
        session.seal(2)
    after = sealed_bytes(data)
    assert all(after[name] == content for name, content in before.items() if name.startswith(("shards", "index")))
    assert list(Dataset(str(data)).keys[-2:]) == ["scene-0003", "late"]
