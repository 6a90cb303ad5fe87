"""Around the loop: where a run lies, which settings it has, and what is told of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graph200k.errors import DatasetError, PlanError
from graph200k.manifest import new_manifest, write_manifest
from graph200k.reports import show_training
from graph200k.storage import Folder
from trainer.checkpoint import Progress, write_checkpoint
from trainer.command import RunRequest, make_options, summarise_run
from trainer.reporting import METRICS, keep_metrics, read_metrics


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config file, in a folder where runs/ will lie, beside three empty datasets."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "one", "two"):
        write_manifest(Folder(str(tmp_path / name)), new_manifest(8))
    file = tmp_path / "short.yaml"
    file.write_text("loop: {steps: 5}")
    return file


def test_a_run_lies_below_runs_under_its_configs_name(config: Path) -> None:
    options = make_options(RunRequest(config=config, default_data="photos"))
    assert options.out == Path("runs/short")
    assert options.config.data.datasets[0].data == "photos"


def test_the_latest_run_is_resumed_with_the_settings_it_was_started_with(config: Path) -> None:
    for name, data in (("older", "one"), ("newer", "two")):
        make_options(RunRequest(config=config, data=data, default_data="-", out=Path("runs") / name))
        checkpoint = write_checkpoint(Path("runs") / name, Progress(step=1), {}, {})
        os.utime(checkpoint, (1e9, 1e9 + len(name) + (name == "newer")))
    options = make_options(RunRequest(resume="latest", default_data="-"))
    assert options.out == Path("runs/newer")
    assert (options.config.loop.steps, options.config.data.datasets[0].data) == (5, "two")
    longer = make_options(RunRequest(resume="runs/older/checkpoints/step-00000001", default_data="-", steps=9))
    assert (longer.out, longer.config.loop.steps) == (Path("runs/older"), 9)


def test_nothing_to_train_or_to_resume_is_an_error(config: Path) -> None:
    for out in (None, Path("runs/none")):
        with pytest.raises(PlanError, match="nothing to train: --config is missing"):
            make_options(RunRequest(default_data="-", out=out))
    with pytest.raises(PlanError, match="no run with a checkpoint below runs/"):
        make_options(RunRequest(resume="latest", default_data="-"))


def test_a_run_is_summed_up_from_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ['{"step": 0, "validation/loss": 2.0}']
    lines += [f'{{"step": {step}, "loss": {3 - step / 50}, "skipped": 1}}' for step in range(1, 101)]
    lines += ['{"step": 100, "validation/loss": 1.5}']
    (tmp_path / METRICS).write_text("\n".join(lines) + "\n")
    place = write_checkpoint(tmp_path, Progress(step=100), {}, {})
    found = summarise_run(tmp_path)
    assert (found.steps, found.skipped, found.lora, found.pictures) == (100, 1, str(place), None)
    assert (found.window, found.loss_first, found.loss_last) == (20, pytest.approx(2.79), pytest.approx(1.19))
    show_training(found, as_json=False)
    told = " ".join(capsys.readouterr().out.split())
    assert (
        "100 steps, 1 of them skipped; mean loss 2.7900 over the first 20 steps, 1.1900 over the last 20 steps" in told
    )
    assert (found.validation_first, found.validation_last) == (2.0, 1.5)


def test_metrics_of_steps_that_are_done_again_are_dropped(tmp_path: Path) -> None:
    file = tmp_path / METRICS
    file.write_text('{"step": 1, "loss": 1}\n{"step": 2, "loss": 2}\n{"step": 3, "lo')
    keep_metrics(file, 1)
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 1}]


def test_a_run_that_cannot_start_leaves_nothing_behind(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    request = RunRequest(config=config, data=str(tmp_path / "none"), default_data="", out=out)
    with pytest.raises(DatasetError, match="is not a dataset"):
        make_options(request)
    assert not out.exists()


@pytest.mark.parametrize("resume", ["runs/nope", "latest"])
def test_a_run_that_is_not_there_is_named_and_not_its_config(tmp_path: Path, resume: str) -> None:
    request = RunRequest(default_data="", out=tmp_path / "nope", resume=resume)
    with pytest.raises(PlanError, match=f"--resume {resume}"):
        make_options(request)
