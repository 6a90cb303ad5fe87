"""Reading: by key, node, variant and role; damage and half-done changes are said, never returned as pictures."""

from __future__ import annotations

import itertools
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from graph200k.catalogue import DEGRADATIONS, GRAPH200K
from graph200k.commit import index_path, shard_path
from graph200k.dataset import Dataset
from graph200k.derive import cut_out
from graph200k.errors import DatasetError, Graph200KError, MemberNotFoundError, UnknownNameError
from graph200k.parts import write_part
from graph200k.records import RECORDS, read_records
from graph200k.schema import enumerate_tasks, find_task, graph200k_tasks
from graph200k.session import write_session
from graph200k.storage import Folder
from support.datasets import annotation_row, edge_map, make_dataset, make_varied_dataset
from support.killing import killed_at
from support.pictures import draw_scene

KEYS = [f"scene-{number:04d}" for number in range(8)]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("sealed") / "data"
    make_varied_dataset(data, 8)
    return data


@pytest.fixture(scope="module")
def dataset(sealed: Path) -> Dataset:
    return Dataset(str(sealed))


@pytest.fixture
def data(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "data"))


def expected_nodes(number: int) -> set[str]:
    """Return what a record of :func:`make_varied_dataset` can serve, by its description and not by masks."""
    nodes = {"target", *DEGRADATIONS}
    nodes |= {"canny"} if number % 3 != 2 else set()
    nodes |= {"foreground", "background"} if number % 2 == 0 else set()
    nodes |= {"instant_style"} if number % 4 == 0 else set()
    return nodes | ({"fill_edit"} if number == 3 else set())


def mean_difference(image: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(image.astype(int) - expected).mean())


def test_keys_are_a_sequence_in_the_order_of_the_shards(dataset: Dataset) -> None:
    assert len(dataset) == 8
    assert list(dataset.keys) == KEYS
    assert dataset.keys[-1] == KEYS[-1]
    assert dataset.keys[2:5] == KEYS[2:5]
    with pytest.raises(IndexError):
        dataset.keys[8]
    assert [dataset.row(key) for key in KEYS] == list(range(8))


def test_sizes_and_shards_are_arrays(dataset: Dataset) -> None:
    assert dataset.sizes.tolist() == [[96, 64]] * 8
    assert dataset.shard_numbers.tolist() == [0] * 4 + [1] * 4
    assert (dataset.availability.dtype, dataset.availability.shape) == (np.uint64, (8,))


@pytest.mark.parametrize("number", range(8))
def test_a_record_has_its_json_and_its_members(dataset: Dataset, number: int) -> None:
    record = dataset.record(KEYS[number])
    assert record.info.key == KEYS[number]
    assert record.info.text.description == f"Scene {KEYS[number]}."
    assert record.shard == number // 4
    assert [member.node for member in record.members][:: len(record.members) - 1] == ["target", "json"]
    listed = [(made.node, made.variant, made.role) for made in record.info.annotations]
    assert listed == [(member.node, member.variant, member.role) for member in record.members[1:-1]]


@pytest.mark.parametrize("number", range(8))
def test_targets_and_maps_are_the_pictures_that_were_stored(dataset: Dataset, number: int) -> None:
    assert mean_difference(dataset.image(KEYS[number], "target"), draw_scene(number)) < 2
    if number % 3 != 2:
        assert np.array_equal(dataset.image(KEYS[number], "canny"), edge_map(number))


def test_variants_are_told_apart_and_the_first_is_the_default(dataset: Dataset) -> None:
    key = KEYS[3]
    assert np.array_equal(dataset.image(key, "fill_edit"), dataset.image(key, "fill_edit", 0))
    assert dataset.image(key, "fill_edit", 2).shape == (64, 96, 3)
    with pytest.raises(MemberNotFoundError, match=r"record 'scene-0003' has no stored fill_edit\.1; it has target"):
        dataset.image(key, "fill_edit", 1)


def test_a_style_has_two_roles_and_the_image_is_the_default(dataset: Dataset) -> None:
    default = dataset.image(KEYS[4], "instant_style")
    assert np.array_equal(default, dataset.image(KEYS[4], "instant_style", 0, "image"))
    assert dataset.image(KEYS[4], "instant_style", role="reference").shape == (64, 96, 3)
    assert dataset.image(KEYS[5], "redux_style", 1, "reference").shape == (64, 96, 3)
    with pytest.raises(MemberNotFoundError, match=r"redux_style\.image"):
        dataset.image(KEYS[5], "redux_style")


def test_foreground_and_background_are_the_halves_of_the_target(dataset: Dataset) -> None:
    target, matte = dataset.image(KEYS[2], "target"), dataset.image(KEYS[2], "foreground", role="matte")
    assert np.array_equal(matte, edge_map(2))
    foreground, background = dataset.image(KEYS[2], "foreground"), dataset.image(KEYS[2], "background")
    assert np.array_equal(foreground, cut_out(target, matte, keep="foreground"))
    assert np.array_equal(foreground + background, target)
    assert (background[matte == 255] == 0).all()


def test_cutting_halves_a_grey_matte_evenly() -> None:
    target = np.full((2, 2, 3), 200, np.uint8)
    matte = np.full((2, 2), 51, np.uint8)
    assert np.unique(cut_out(target, matte, keep="foreground")).tolist() == [40]
    assert np.unique(cut_out(target, matte, keep="background")).tolist() == [160]
    assert np.unique(target).tolist() == [200]


def test_what_is_not_there_says_what_is(dataset: Dataset) -> None:
    with pytest.raises(MemberNotFoundError, match="has no stored hed; it has target, canny, openpose"):
        dataset.image(KEYS[1], "hed")
    with pytest.raises(MemberNotFoundError, match="has no stored rain; it is drawn online"):
        dataset.image(KEYS[1], "rain")
    with pytest.raises(MemberNotFoundError, match=r"foreground\.matte"):
        dataset.image(KEYS[1], "background")
    with pytest.raises(UnknownNameError, match="unknown node type 'cany'; did you mean canny"):
        dataset.image(KEYS[1], "cany")
    with pytest.raises(UnknownNameError, match="unknown record 'scene-00001'; did you mean scene-0001"):
        dataset.image("scene-00001", "canny")


def test_an_unknown_key_does_not_print_all_the_others(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data", 40, shard_size=40, draw=lambda number: draw_scene(number, 32, 32))
    with pytest.raises(UnknownNameError) as caught:
        Dataset(str(tmp_path / "data")).row("???")
    assert str(caught.value).endswith("and 20 more")


@pytest.mark.parametrize("number", range(8))
def test_availability_is_what_the_members_allow(dataset: Dataset, number: int) -> None:
    assert set(GRAPH200K.names(int(dataset.availability[number]))) == expected_nodes(number)


def test_can_serve_and_counts_agree_with_counting_by_hand(dataset: Dataset) -> None:
    tasks = graph200k_tasks()
    counts = dataset.task_counts(tasks)
    for task, count in zip(tasks, counts, strict=True):
        by_hand = [set(task.path) <= expected_nodes(number) for number in range(8)]
        assert dataset.can_serve(task).tolist() == by_hand
        assert count == sum(by_hand)
    assert dataset.node_counts() == {
        node: sum(node in expected_nodes(number) for number in range(8)) for node in GRAPH200K
    }


@pytest.mark.parametrize("number", range(8))
def test_a_record_graph_has_the_tasks_that_the_record_can_serve(dataset: Dataset, number: int) -> None:
    graph = dataset.record_graph(KEYS[number])
    assert graph.graph["key"] == KEYS[number]
    assert set(graph) == expected_nodes(number)
    expected = {task for task in graph200k_tasks() if dataset.can_serve(task)[number]}
    assert set(enumerate_tasks(graph)) == expected


def test_nodes_of_a_record_graph_carry_where_their_bytes_lie(dataset: Dataset) -> None:
    graph = dataset.record_graph(KEYS[4])
    pair = graph.nodes["instant_style"]["members"]
    assert [(place["variant"], place["role"]) for place in pair] == [(0, "image"), (0, "reference")]
    assert graph.nodes["rain"]["members"] == graph.nodes["background"]["members"] == []
    (place,) = graph.nodes["canny"]["members"]
    data = dataset.folder.read_range(shard_path(place["shard"]), place["offset"], place["size"])
    assert data.startswith(b"\x89PNG")
    assert (place["width"], place["height"]) == (96, 64)


def test_record_graphs_are_copies(dataset: Dataset) -> None:
    dataset.record_graph(KEYS[0]).nodes["canny"]["members"].clear()
    assert dataset.record_graph(KEYS[0]).nodes["canny"]["members"]


def test_an_unusable_annotation_can_be_looked_at_and_serves_no_task(dataset: Dataset) -> None:
    assert dataset.image(KEYS[1], "openpose").max() == 0
    assert "openpose" not in dataset.record_graph(KEYS[1])
    assert not dataset.can_serve(find_task("openpose,target"))[1]


def test_every_member_can_be_read_from_a_dataset_opened_again(dataset: Dataset, sealed: Path) -> None:
    again = Dataset(str(sealed))
    for row, key in enumerate(again.keys):
        assert again.members(row) == dataset.record(key).members
        for member in again.members(row):
            assert len(again.read(member, row // 4)) == member.size


def test_opening_reads_no_shard_and_no_index(data: Path) -> None:
    shutil.rmtree(data / "shards")
    shutil.rmtree(data / "index")
    assert len(Dataset(str(data))) == 8


def test_any_flipped_byte_of_a_member_is_an_error(data: Path) -> None:
    dataset = Dataset(str(data))
    (member,) = [found for found in dataset.record(KEYS[1]).members if found.node == "canny"]
    good = (data / shard_path(0)).read_bytes()
    for position in (0, member.size // 2, member.size - 1):
        bad = bytearray(good)
        bad[member.offset + position] ^= 1
        (data / shard_path(0)).write_bytes(bytes(bad))
        with pytest.raises(DatasetError, match="canny of 'scene-0001' is damaged, or the shard was rewritten"):
            dataset.image(KEYS[1], "canny")
        assert dataset.image(KEYS[1], "target").shape == (64, 96, 3)


@pytest.mark.parametrize("name", [shard_path(0), index_path(0)])
def test_a_missing_file_of_a_shard_is_an_error_that_names_it(data: Path, name: str) -> None:
    (data / name).unlink()
    dataset = Dataset(str(data))
    with pytest.raises(DatasetError, match=f"{name} is missing; see `graph200k verify`"):
        dataset.image(KEYS[0], "canny")
    assert dataset.image(KEYS[4], "canny").shape == (64, 96)


def test_an_index_that_disagrees_with_the_records_is_an_error(data: Path) -> None:
    shutil.copy(data / index_path(1), data / index_path(0))
    with pytest.raises(DatasetError, match=r"its index and records.parquet disagree about 'scene-0000'"):
        Dataset(str(data)).record(KEYS[0])


def test_a_pending_commit_is_said_on_opening_and_on_reading(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with killed_at(5), write_session(str(data), shard_size=4) as session:
        write_part(session.folder, session.run, 0, "a", [annotation_row(KEYS[0], 0, "hed", edge_map(0))])
        session.seal(0)
    dataset = Dataset(str(data))
    assert "graph200k-000000 were being replaced when their writer stopped" in caplog.text
    with pytest.raises(DatasetError, match=r"graph200k-000000 was being replaced .*verify --repair"):
        dataset.image(KEYS[0], "canny")
    assert dataset.image(KEYS[4], "canny").shape == (64, 96)


def test_a_shard_that_is_rewritten_after_opening_is_said(data: Path) -> None:
    dataset = Dataset(str(data))
    dataset.image(KEYS[3], "canny")
    with write_session(str(data), shard_size=4) as session:
        write_part(session.folder, session.run, 0, "a", [annotation_row(KEYS[0], 0, "hed", draw_scene(5)[..., 0])])
        session.seal(0)
    with pytest.raises(DatasetError, match="rewritten since the dataset was opened; open it again"):
        dataset.image(KEYS[3], "canny")
    assert np.array_equal(Dataset(str(data)).image(KEYS[3], "canny"), edge_map(3))


@pytest.mark.parametrize("name", ["nothing/here", "", "file.txt"])
def test_what_is_no_dataset_is_an_error_that_says_how_to_make_one(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"is not a dataset .*make one with `graph200k ingest"):
        Dataset(str(tmp_path / name))


@pytest.mark.parametrize("damage", [None, b"", b"garbage"])
def test_records_that_are_missing_or_damaged_are_an_error_that_says_what_to_do(
    data: Path, damage: bytes | None
) -> None:
    (data / RECORDS).unlink()
    if damage is not None:
        (data / RECORDS).write_bytes(damage)
    with pytest.raises(DatasetError, match=r"records\.parquet is .*graph200k verify"):
        Dataset(str(data))


def test_a_dataset_without_records_is_opened(tmp_path: Path) -> None:
    with write_session(str(tmp_path), shard_size=4):
        pass
    dataset = Dataset(str(tmp_path))
    assert (len(dataset), list(dataset.keys), dataset.task_counts(graph200k_tasks())) == (0, [], [0] * 134)
    assert set(dataset.node_counts().values()) == {0}
    with pytest.raises(UnknownNameError):
        dataset.row("a")


def test_a_dataset_reads_the_same_from_memory(sealed: Path) -> None:
    memory = Folder(f"memory://{sealed.parent.name}")
    for path in sealed.rglob("*"):
        if path.is_file():
            memory.write(str(path.relative_to(sealed)), path.read_bytes())
    there, here = Dataset(memory.url), Dataset(str(sealed))
    for key, node in itertools.product(KEYS, ("target", "canny", "background")):
        assert _image_or_error(there, key, node) == _image_or_error(here, key, node)


def _image_or_error(dataset: Dataset, key: str, node: str) -> bytes | str:
    try:
        return dataset.image(key, node).tobytes()
    except Graph200KError as error:
        return str(error)


def test_indexes_in_memory_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph200k.dataset._CACHED_SHARDS", 2)
    make_dataset(tmp_path / "data", 5, shard_size=1)
    dataset = Dataset(str(tmp_path / "data"))
    for key in [*dataset.keys, *reversed(dataset.keys)]:
        assert mean_difference(dataset.image(key, "target"), draw_scene(int(key[-4:]))) < 2
    assert len(dataset._indexes) == 2


def test_records_carry_the_source_of_each_record(sealed: Path) -> None:
    rows = read_records(Folder(str(sealed))).to_pylist()
    assert [row["source"] for row in rows] == KEYS
    assert all(len(row["source_hash"]) == 16 for row in rows)


def test_a_member_is_a_value_that_travels(dataset: Dataset) -> None:
    record = dataset.record(KEYS[0])
    assert pickle.loads(pickle.dumps(record)) == record
