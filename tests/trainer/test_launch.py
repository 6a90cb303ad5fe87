"""Ray Train: two workers train what one does with twice the accumulation, and errors come back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph200k.errors import PlanError
from support.full_datasets import make_full_dataset
from support.training import distance, saved_tensors, tiny_config
from trainer.checkpoint import list_checkpoints, read_checkpoint
from trainer.launch import launch
from trainer.loop import TrainOptions
from trainer.reporting import read_metrics


@pytest.mark.usefixtures("ray_session")
def test_two_workers_train_what_one_does_with_twice_the_accumulation(tiny_fill: Path, tmp_path: Path) -> None:
    make_full_dataset(tmp_path / "data")
    half = tiny_config(tmp_path / "data", tiny_fill, loop={"steps": 1, "checkpoint_every": 1})
    whole = tiny_config(tmp_path / "data", tiny_fill, loop={"steps": 2, "checkpoint_every": 1})
    two, one = (tmp_path / name for name in ("two", "one"))
    launch(TrainOptions(config=whole, out=two), num_workers=2)
    launch(TrainOptions(config=half, out=one))
    launch(TrainOptions(config=whole, out=one, resume="latest"))
    assert distance(saved_tensors(two), saved_tensors(one)) < 1e-5
    losses = [[line["loss"] for line in read_metrics(out) if "loss" in line] for out in (two, one)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)

    # One process goes on where two stopped: the same samples come next.
    launch(TrainOptions(config=tiny_config(tmp_path / "data", tiny_fill, loop={"steps": 3}), out=two, resume="latest"))
    progress, _ = read_checkpoint(list_checkpoints(two)[-1])
    assert (progress.step, progress.position) == (3, 12)


@pytest.mark.usefixtures("ray_session")
def test_more_workers_than_there_are_cpus_are_refused(tiny_fill: Path, tmp_path: Path) -> None:
    config = tiny_config(tmp_path, tiny_fill)
    with pytest.raises(PlanError, match=r"--num-workers 4096: Ray has \d+ CPUs"):
        launch(TrainOptions(config=config, out=tmp_path), num_workers=4096)
