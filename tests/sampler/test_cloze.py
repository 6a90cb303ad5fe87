"""Cloze specs: tasks that no path of the graph is."""

from pathlib import Path

import numpy as np
import pytest

from graph200k.catalogue import GRAPH200K
from graph200k.dataset import Dataset
from graph200k.errors import PlanError, UnknownNameError
from sampler.cloze import ClozeTask, parse_cloze
from sampler.config import SamplerConfig
from sampler.task_sampler import TaskSampler
from support.full_datasets import make_full_dataset

SPECS = [
    "openpose,canny:target",
    "target:depth,normal",
    "canny:instant_style,hed",
    "reference,depth,hed:target,openpose",
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path: Path = tmp_path_factory.mktemp("full")
    make_full_dataset(path)
    return Dataset(str(path))


@pytest.mark.parametrize("spec", SPECS)
def test_all_targets_of_a_spec_are_masked_and_nothing_else(dataset: Dataset, spec: str) -> None:
    sampler = TaskSampler([dataset], SamplerConfig(area_px=64**2), only=[spec])
    targets = set(spec.split(":")[1].split(","))
    for index in range(12):
        sample, grid = sampler.load(index)
        assert sample.task.name == spec
        hidden = {sample.columns[column].node for _, column in sample.masked}
        assert hidden == targets
        assert {row for row, _ in sample.masked} == {len(sample.rows) - 1}
        assert not any(column.role == "reference" for column in (sample.columns[place] for _, place in sample.masked))
        assert np.argwhere(grid.masked).tolist() == [list(place) for place in sorted(sample.masked)]


def test_the_words_of_a_spec_name_every_target(dataset: Dataset) -> None:
    config = SamplerConfig.model_validate({"instructions": {"drop_prompt": 0, "drop_task": 0}})
    sampler = TaskSampler([dataset], config, only=["target:depth,normal"])
    for index in range(20):
        assert all(f"[IMAGE{number}]" in sampler[index].instructions.task for number in (1, 2, 3))


def test_the_conditions_are_shuffled_and_the_targets_stay_last(dataset: Dataset) -> None:
    sampler = TaskSampler([dataset], SamplerConfig(), only=["openpose,canny:target"])
    orders = {tuple(column.node for column in sampler[index].columns) for index in range(60)}
    assert orders == {("openpose", "canny", "target"), ("canny", "openpose", "target")}


def test_specs_and_tasks_of_the_graph_can_be_mixed(dataset: Dataset) -> None:
    sampler = TaskSampler([dataset], SamplerConfig(), only=["openpose,canny:target", "canny,target"])
    names = {sampler.pool.tasks[int(task)].task.name for task in sampler.draws(0, 500).tasks}
    assert names == {"openpose,canny:target", "canny,target"}


def test_a_spec_is_never_drawn_unasked(dataset: Dataset) -> None:
    assert not any(isinstance(entry.task, ClozeTask) for entry in TaskSampler([dataset], SamplerConfig()).pool.tasks)


@pytest.mark.parametrize("spec", ["canny:", "canny:target:hed", "canny,canny:target", "target:target", ":"])
def test_a_spec_that_asks_for_nothing_or_twice_is_refused(spec: str) -> None:
    with pytest.raises(PlanError, match="CONDITIONS:TARGETS"):
        parse_cloze(spec, GRAPH200K)


def test_an_unknown_node_type_names_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="canny"):
        parse_cloze("cany:target", GRAPH200K)


def test_a_spec_without_conditions_generates_from_words_alone(dataset: Dataset) -> None:
    sample, grid = TaskSampler([dataset], SamplerConfig(area_px=64**2), only=[":target"]).load(0)
    assert grid.columns == 1 and sample.masked == ((len(sample.rows) - 1, 0),)
