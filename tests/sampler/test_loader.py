"""The indexed loader: one stream, however many workers and ranks read it and wherever it is resumed."""

import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graph200k.dataset import Dataset
from graph200k.errors import PlanError
from sampler.batch import Batch, collate
from sampler.config import SamplerConfig
from sampler.loader import ClozeLoader, ShapeBatches
from sampler.task_sampler import TaskSampler
from support.full_datasets import make_full_dataset
from support.signalling import signal_workers

BLOCK = 12


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> TaskSampler:
    path = tmp_path_factory.mktemp("full")
    make_full_dataset(path)
    return TaskSampler([Dataset(str(path))], SamplerConfig(area_px=64**2, shape_block=BLOCK))


def indices_of(batches: list[Batch]) -> list[int]:
    return [sample.index for batch in batches for sample in batch.samples]


def same(first: Batch, second: Batch) -> bool:
    rows = all(torch.equal(one, other) for one, other in zip(first.rows, second.rows, strict=True))
    return rows and first.prompts == second.prompts and torch.equal(first.masked, second.masked)


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more workers than cores, on purpose
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_stream_is_the_same_for_any_number_of_workers(sampler: TaskSampler, workers: int) -> None:
    alone = list(ClozeLoader(sampler, batch_size=2).batches(8))
    shared = list(ClozeLoader(sampler, batch_size=2, workers=workers).batches(8))
    assert indices_of(shared) == list(range(16))
    assert all(same(one, other) for one, other in zip(alone, shared, strict=True))


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_the_ranks_together_have_the_stream_of_one(sampler: TaskSampler, ranks: int) -> None:
    loaders = [ClozeLoader(sampler, batch_size=2, rank=rank, world_size=ranks) for rank in range(ranks)]
    steps = list(zip(*(loader.batches(4) for loader in loaders), strict=True))
    assert [index for step in steps for index in indices_of(list(step))] == list(range(8 * ranks))


@given(
    ranks=st.sampled_from([1, 2, 3, 6]),
    batch_size=st.sampled_from([1, 2]),
    then=st.sampled_from([1, 2, 3, 4, 6]),
    cut=st.integers(0, 20),
)
@settings(deadline=None, max_examples=80)
def test_no_index_is_lost_or_repeated_when_resumed_with_other_ranks(
    ranks: int, batch_size: int, then: int, cut: int
) -> None:
    def merged(world: int, size: int, position: int, steps: int) -> list[int]:
        parts = [
            list(ShapeBatches(shape_block=BLOCK, batch_size=size, rank=rank, world_size=world, position=position,
                              steps=steps))
            for rank in range(world)
        ]  # fmt: skip
        return [index for step in zip(*parts, strict=True) for batch in step for index in batch]

    cut *= then  # a position where steps of both sizes end
    before = merged(ranks, batch_size, 0, cut)
    after = merged(then, 1, len(before), 5)
    assert before + after == list(range(len(before) + len(after)))


def test_all_ranks_have_one_grid_shape_at_each_step(sampler: TaskSampler) -> None:
    loaders = [ClozeLoader(sampler, batch_size=2, rank=rank, world_size=3) for rank in range(3)]
    shapes = [[(*batch.rows[0].shape, len(batch.rows), batch.columns) for batch in loader.batches(20)]
              for loader in loaders]  # fmt: skip
    assert shapes[0] == shapes[1] == shapes[2]
    assert len(set(shapes[0])) > 2


def test_workers_outlive_what_a_terminal_or_a_scheduler_sends_to_all_processes(sampler: TaskSampler) -> None:
    batches = ClozeLoader(sampler, workers=1).batches(12)
    assert indices_of([next(batches)]) == [0]
    signal_workers(signal.SIGINT, signal.SIGTERM)
    assert indices_of(list(batches)) == list(range(1, 12))


def test_a_saved_position_goes_on_where_the_last_batch_ended(sampler: TaskSampler) -> None:
    whole = list(ClozeLoader(sampler, batch_size=4).batches(9))
    loader = ClozeLoader(sampler, batch_size=4, workers=2)
    for done, _ in enumerate(loader.batches(9), start=1):
        if done == 3:
            break
    state = loader.state_dict()
    assert state["position"] == 12
    resumed = ClozeLoader(sampler, batch_size=2, workers=1)
    resumed.load_state_dict(state)
    assert indices_of(list(resumed.batches(12))) == indices_of(whole[3:])


def test_a_loader_can_be_asked_for_more_batches(sampler: TaskSampler) -> None:
    loader = ClozeLoader(sampler, batch_size=2)
    assert indices_of([*loader.batches(2), *loader.batches(2)]) == list(range(8))


def test_a_position_of_another_stream_is_refused(sampler: TaskSampler) -> None:
    loader = ClozeLoader(sampler)
    with pytest.raises(PlanError, match="have changed"):
        loader.load_state_dict({"position": 4, "fingerprint": "0" * 16})
    assert loader.position == 0


def test_a_position_inside_a_step_is_refused_and_names_both_numbers(sampler: TaskSampler) -> None:
    loader = ClozeLoader(sampler, batch_size=4)
    with pytest.raises(PlanError, match="position 6 is no multiple of 1 ranks × 4 samples"):
        loader.load_state_dict({"position": 6, "fingerprint": sampler.fingerprint})
    assert loader.position == 0


def test_steps_that_reach_over_a_block_are_refused_and_both_numbers_named(sampler: TaskSampler) -> None:
    with pytest.raises(PlanError, match="5 ranks × 1 samples = 5 do not divide the shape block of 12"):
        ClozeLoader(sampler, world_size=5)


@pytest.mark.parametrize(
    "numbers", [{"rank": 2, "world_size": 2}, {"rank": -1}, {"batch_size": 0}, {"world_size": 0}, {"workers": -1}]
)
def test_numbers_out_of_range_are_refused_at_once(sampler: TaskSampler, numbers: dict[str, int]) -> None:
    with pytest.raises(PlanError, match="expected"):
        ClozeLoader(sampler, **numbers)


@pytest.mark.parametrize("state", [{"position": 4}, {"fingerprint": "0" * 16}, {}])
def test_what_is_no_state_is_refused(sampler: TaskSampler, state: dict[str, object]) -> None:
    with pytest.raises(PlanError, match=r"expected what state_dict\(\) returned"):
        ClozeLoader(sampler).load_state_dict(state)


def test_grids_of_different_shapes_make_no_batch(sampler: TaskSampler) -> None:
    first = sampler.load(0)
    other = next(loaded for loaded in map(sampler.load, range(0, 400, BLOCK)) if loaded[1].shape != first[1].shape)
    with pytest.raises(PlanError, match="grids of 2 shapes"):
        collate([first, other])


def test_a_batch_holds_the_grids_pixels(sampler: TaskSampler, tmp_path: Path) -> None:
    batch = next(ClozeLoader(sampler, batch_size=2).batches(1))
    for number, sample in enumerate(batch.samples):
        grid = sampler.grid(sample)
        assert torch.equal(batch.masked[number], torch.from_numpy(grid.masked))
        for row, pixels in zip(grid.rows, batch.rows, strict=True):
            assert torch.equal(pixels[number].permute(1, 2, 0), torch.from_numpy(row))
        again = batch.grids()[number]
        assert np.array_equal(again.masked, grid.masked)
        assert all(np.array_equal(row, other) for row, other in zip(grid.rows, again.rows, strict=True))
