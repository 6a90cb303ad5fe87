"""Samples: what they say, that they can be replayed, and what happens to damaged data."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from graph200k.commit import shard_path
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError, PlanError, UnknownNameError
from graph200k.schema import Task, graph200k_tasks
from sampler.config import DatasetShare, SamplerConfig, TaskWeights
from sampler.grid import cell_size
from sampler.samples import Sample
from sampler.task_sampler import TaskSampler
from support.datasets import make_varied_dataset
from support.full_datasets import make_full_dataset

AREA = 96**2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("full")
    make_full_dataset(path)
    return str(path)


@pytest.fixture(scope="module")
def sampler(data: str) -> TaskSampler:
    return TaskSampler([Dataset(data)], SamplerConfig(seed=3, area_px=AREA))


def test_all_134_tasks_are_drawn_from_a_full_dataset(sampler: TaskSampler) -> None:
    drawn = {sampler.pool.tasks[int(task)].task.name for task in sampler.draws(0, 20_000).tasks}
    assert drawn == {task.name for task in graph200k_tasks()}


@pytest.mark.parametrize("index", range(40))
def test_a_sample_is_what_its_json_says(sampler: TaskSampler, index: int) -> None:
    sample, grid = sampler.load(index)
    described = json.loads(json.dumps(sample.to_json()))
    assert described["path"] == described["task"].split(",")
    assert len(grid.rows) == len(described["rows"]) == len(described["cell_sizes"])
    assert [list(size) for size in grid.shape[1]] == described["cell_sizes"]
    assert [list(place) for place in np.argwhere(grid.masked)] == described["masked"]
    assert described["masked"][0][0] == len(grid.rows) - 1
    for row in described["rows"]:
        assert len({cell["key"] for cell in row}) == 1
        assert [".".join(filter(None, (cell["node"], cell["role"]))) for cell in row] == described["columns"]
    keys = [row[0]["key"] for row in described["rows"]]
    assert len(set(keys)) == len(keys)
    assert sorted({cell["node"] for cell in described["rows"][0]}) == sorted(described["path"])


def test_two_samplers_of_one_seed_give_the_same_pixels(data: str, sampler: TaskSampler) -> None:
    again = TaskSampler([Dataset(data)], SamplerConfig(seed=3, area_px=AREA))
    assert again.fingerprint == sampler.fingerprint
    for index in (5, 900, 10**9):
        (first, pixels), (second, others) = sampler.load(index), again.load(index)
        assert first.to_json() == second.to_json()
        assert all(np.array_equal(row, other) for row, other in zip(pixels.rows, others.rows, strict=True))


def test_the_fingerprint_tells_streams_apart(data: str, sampler: TaskSampler) -> None:
    dataset = Dataset(data)
    others = [
        TaskSampler([dataset], SamplerConfig(seed=4, area_px=AREA)),
        TaskSampler([dataset], SamplerConfig(seed=3, area_px=AREA, shape_block=16)),
        TaskSampler([dataset], SamplerConfig(seed=3, area_px=AREA), only=["canny,target"]),
        TaskSampler([dataset, dataset], SamplerConfig(seed=3, area_px=AREA)),
    ]
    assert len({sampler.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_a_condition_shows_its_own_record_and_node(data: str) -> None:
    """Flat maps carry their identity as a grey level: see support.full_datasets."""
    from graph200k.catalogue import GRAPH200K
    from support.full_datasets import SIZES, flat_image

    sampler = TaskSampler([Dataset(data)], SamplerConfig(area_px=AREA), only=["depth,target", "fill_edit,target"])
    for index in range(20):
        sample, grid = sampler.load(index)
        for row, cells in enumerate(sample.rows):
            for column, cell in enumerate(cells):
                if cell.node == "target":
                    continue
                number = int(cell.key.removeprefix("scene-"))
                channels = GRAPH200K[cell.node].channels
                truth = flat_image(number, cell.node, cell.variant, SIZES[number % 3], channels)
                assert abs(int(np.median(grid.cell(row, column))) - int(truth.flat[0])) <= 2


def test_both_variants_of_an_edit_come_up(data: str) -> None:
    sampler = TaskSampler([Dataset(data)], SamplerConfig(area_px=AREA), only=["fill_edit,target"])
    cells = [cell for index in range(60) for cell in sampler[index].rows[-1] if cell.node == "fill_edit"]
    assert set(Counter(cell.variant for cell in cells)) == {0, 1}


def test_degradations_are_drawn_anew_for_each_row_and_recorded(data: str) -> None:
    config = SamplerConfig(area_px=AREA, contexts=(0, 0, 1))
    sampler = TaskSampler([Dataset(data)], config, only=["gaussian_noise,target"])
    params = [json.dumps(cell.params) for row in sampler[0].rows for cell in row if cell.node == "gaussian_noise"]
    assert len(params) == len(set(params)) == 3


def test_tasks_that_turn_the_picture_use_square_cells(data: str) -> None:
    sampler = TaskSampler([Dataset(data)], SamplerConfig(area_px=AREA), only=["rotate90,target"])
    sample, grid = sampler.load(0)
    assert set(sample.cell_sizes) == {(96, 96)}
    columns = {cell.node: position for position, cell in enumerate(sample.rows[-1])}
    row = len(sample.rows) - 1
    turned = np.rot90(grid.cell(row, columns["target"]), -1)
    straight = np.rot90(grid.cell(row, columns["target"]), 1)
    assert any(np.array_equal(grid.cell(row, columns["rotate90"]), picture) for picture in (turned, straight))


def test_the_order_of_the_conditions_is_shuffled_and_the_same_in_all_rows(data: str) -> None:
    sampler = TaskSampler([Dataset(data)], SamplerConfig(area_px=AREA), only=["reference,canny,target"])
    orders = Counter(tuple(column.node for column in sampler[index].columns) for index in range(200))
    assert set(orders) == {("reference", "canny", "target"), ("canny", "reference", "target")}
    assert min(orders.values()) > 60


def test_cells_have_the_shape_of_their_records_target(sampler: TaskSampler) -> None:
    sizes = {tuple(size) for index in range(100) for size in sampler[index].cell_sizes}
    assert sizes == {cell_size(bucket, AREA) for bucket in (1, 3, 5)}


def test_a_task_by_name_is_drawn_even_if_it_is_held_out(data: str) -> None:
    share = DatasetShare(data=data, held_out=("canny,target",))
    drawn = TaskSampler([Dataset(data)], SamplerConfig(), shares=[share])
    assert "canny,target" not in {entry.task.name for entry in drawn.pool.tasks}
    assert [left.reason for left in drawn.pool.left_out] == ["held out"]
    asked = TaskSampler([Dataset(data)], SamplerConfig(), shares=[share], only=["canny,target"])
    assert asked[0].task.name == "canny,target"


def test_tasks_that_no_record_can_serve_are_reported_with_the_reason(tmp_path: Path) -> None:
    make_varied_dataset(tmp_path, 8)
    sampler = TaskSampler([Dataset(str(tmp_path))], SamplerConfig())
    reasons = {left.task: left.reason for left in sampler.pool.left_out}
    assert reasons["depth,target"] == "no record has depth"
    assert reasons["reference,canny,target"] == "no record has reference"
    assert "canny,target" not in reasons
    served = {entry.task.name for entry in sampler.pool.tasks}
    assert served | reasons.keys() == {task.name for task in graph200k_tasks()}


def test_a_dataset_that_serves_nothing_of_what_is_asked_is_an_error(tmp_path: Path) -> None:
    make_varied_dataset(tmp_path, 4)
    with pytest.raises(PlanError, match="no record has depth"):
        TaskSampler([Dataset(str(tmp_path))], SamplerConfig(), only=["depth,target"])


@pytest.mark.parametrize(
    ("weights", "name"),
    [
        (TaskWeights(tasks={"cany,target": 1}), "canny,target"),
        (TaskWeights(groups={"restorations": 0}), "restoration"),
        (TaskWeights(nodes={"cany": 0}), "canny"),
        (TaskWeights(meta_tasks={"style transfers": 0}), "style transfer"),
    ],
)
def test_a_misspelt_weight_names_the_closest(data: str, weights: TaskWeights, name: str) -> None:
    with pytest.raises(UnknownNameError, match=name):
        TaskSampler([Dataset(data)], SamplerConfig(), shares=[DatasetShare(data=data, weights=weights)])


def test_a_function_can_choose_the_examples(data: str) -> None:
    offered: list[set[int]] = []

    def nearest(dataset: Dataset, task: Task, query: int, candidates: np.ndarray) -> int:
        offered.append(set(candidates.tolist()))
        assert query not in offered[-1]
        return int(candidates[np.argmin(np.abs(candidates - query))])

    config = SamplerConfig(area_px=AREA, contexts=(0, 0, 1))
    sampler = TaskSampler([Dataset(data)], config, choose=nearest)
    for index in range(0, 200, 8):
        sample = sampler[index]
        assert len(set(sample.records)) == 3
        assert all(
            context in found for context, found in zip(sample.records[:-1], offered[-2:], strict=True)
        )  # the calls of this sample, in order


def test_a_chooser_that_makes_up_a_record_is_refused(data: str) -> None:
    sampler = TaskSampler([Dataset(data)], SamplerConfig(contexts=(0, 1)), choose=lambda *given: 10**6)
    with pytest.raises(PlanError, match="none of the"):
        sampler[0]


def test_a_damaged_member_is_skipped_by_name_and_the_shape_stays(tmp_path: Path) -> None:
    make_full_dataset(tmp_path, 12)
    dataset = Dataset(str(tmp_path))
    member = next(found for found in dataset.members(0) if found.node == "depth")
    shard = tmp_path / shard_path(0)
    data = bytearray(shard.read_bytes())
    data[member.offset + 100 : member.offset + 120] = bytes(20)
    shard.write_bytes(data)
    sampler = TaskSampler([Dataset(str(tmp_path))], SamplerConfig(area_px=AREA), only=["depth,target"])
    shapes: dict[int, set[object]] = {}
    samples: list[Sample] = []
    for index in range(64):
        sample, grid = sampler.load(index)
        samples.append(sample)
        shapes.setdefault(index // 8, set()).add(grid.shape)
        assert all(dataset.keys[0] != row[0].key for row in sample.rows)
    assert all(len(found) == 1 for found in shapes.values())
    assert sum(sampler.skipped.values()) > 0
    assert all("depth" in line and dataset.keys[0] in line for line in sampler.skipped)
    assert max(sample.attempt for sample in samples) > 0


def test_a_hundred_unreadable_samples_in_a_row_stop_with_the_shards_name(tmp_path: Path) -> None:
    make_full_dataset(tmp_path, 4)
    shard = tmp_path / shard_path(0)
    shard.write_bytes(bytes(shard.stat().st_size))
    sampler = TaskSampler([Dataset(str(tmp_path))], SamplerConfig(area_px=AREA))
    with pytest.raises(DatasetError, match=r"100 draws in a row.*graph200k-000000"):
        sampler.load(0)


@pytest.mark.parametrize("task", graph200k_tasks(), ids=lambda task: task.name)
def test_what_is_to_be_generated_is_shown_nowhere_else_in_the_grid(data: str, task: Task) -> None:
    sampler = TaskSampler([Dataset(data)], SamplerConfig(area_px=64**2, contexts=(0, 0, 1)), only=[task.name])
    for index in (0, 8):
        sample, grid = sampler.load(index)
        (row, column) = sample.masked[0]
        hidden = grid.cell(row, column)
        others = [grid.cell(y, x) for y, x in np.ndindex(grid.masked.shape) if (y, x) != (row, column)]
        assert not any(cell.shape == hidden.shape and np.array_equal(cell, hidden) for cell in others)
