"""Checkpoints appear whole, old ones go, and the state of generators and optimisers comes back."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from graph200k.errors import DatasetError, PlanError
from trainer.checkpoint import (
    Progress,
    find_checkpoint,
    list_checkpoints,
    optimiser_tensors,
    prune_checkpoints,
    read_checkpoint,
    restore_optimiser,
    write_checkpoint,
)
from trainer.random_states import random_states, restore_random_states


def write(out: Path, step: int) -> Path:
    return write_checkpoint(out, Progress(step=step), {"value": torch.tensor([step])}, {})


def test_the_last_ones_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in range(1, 7):
        write(tmp_path, step)
    prune_checkpoints(tmp_path, 2, best_step=3)
    assert [int(path.name[-1]) for path in list_checkpoints(tmp_path)] == [3, 5, 6]


def test_what_a_crash_left_half_written_is_no_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, 1)

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_checkpoint(tmp_path, Progress(step=2), {}, {"": fail})
    assert find_checkpoint(tmp_path, "latest").name == "step-00000001"
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000001"]
    write(tmp_path, 2)
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"step-00000001", "step-00000002"}


def test_progress_and_tensors_come_back(tmp_path: Path) -> None:
    progress = Progress(step=4, position=16, stream="abc", skipped=1, best=0.5, best_step=2)
    place = write_checkpoint(tmp_path, progress, {"a/b": torch.arange(3.0)}, {})
    found, tensors = read_checkpoint(place)
    assert found == progress
    assert torch.equal(tensors["a/b"], torch.arange(3.0))


@pytest.mark.parametrize("damage", ["{", '{"stepp": 1}'])
def test_a_state_that_is_not_ours_is_refused(tmp_path: Path, damage: str) -> None:
    place = write(tmp_path, 1)
    (place / "state.json").write_text(damage)
    with pytest.raises(DatasetError, match="no whole checkpoint"):
        read_checkpoint(place)


def test_a_checkpoint_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="has no checkpoint; leave --resume out"):
        find_checkpoint(tmp_path, "latest")
    with pytest.raises(PlanError, match="no checkpoint there"):
        find_checkpoint(tmp_path, str(tmp_path))


def test_all_generators_go_on_where_they_were() -> None:
    def draw() -> tuple[float, float, float, float]:
        legacy = np.random.normal()  # noqa: NPY002 - what is tested
        return random.random(), random.gauss(0, 1), legacy, float(torch.randn(1))

    draw()  # leaves half of a pair of normal numbers behind in two of them
    states = random_states()
    expected = [draw() for _ in range(3)]
    restore_random_states(states)
    assert [draw() for _ in range(3)] == expected


def test_an_optimiser_goes_on_where_it_was() -> None:
    def step(parameter: torch.nn.Parameter, optimiser: torch.optim.Optimizer, factor: float) -> None:
        (parameter * factor).sum().backward()
        optimiser.step()
        optimiser.zero_grad()

    one = torch.nn.Parameter(torch.ones(3))
    first = torch.optim.AdamW([one], lr=0.1)
    step(one, first, 2.0)
    tensors = optimiser_tensors(first, {id(one): "one"})
    other = torch.nn.Parameter(one.detach().clone())
    second = torch.optim.AdamW([other], lr=0.1)
    restore_optimiser(second, {id(other): "one"}, tensors)
    step(one, first, -5.0)
    step(other, second, -5.0)
    assert torch.equal(one, other)
