"""The training loop on a tiny FLUX: it learns, goes on bit for bit, stops when asked, and skips bad steps."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from graph200k.cli import main
from graph200k.errors import DatasetError, PlanError, TrainingError
from sampler.batch import Batch
from sampler.grid import Grid
from support.full_datasets import make_full_dataset
from support.signalling import signal_workers
from support.training import distance, saved_tensors, tiny_config
from trainer.checkpoint import TENSORS, list_checkpoints, read_checkpoint
from trainer.config import TrainConfig
from trainer.loop import TrainOptions, train
from trainer.lora import WEIGHTS_NAME
from trainer.reporting import read_metrics
from trainer.state import TrainState
from trainer.step import Encoders
from trainer.stopping import write_stop_file
from trainer.validation import LOSS, Painter


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("full")
    make_full_dataset(path)
    return path


Make = Callable[..., TrainConfig]


@pytest.fixture
def make(data: Path, tiny_fill: Path) -> Make:
    return lambda **parts: tiny_config(data, tiny_fill, **parts)


def run(config: TrainConfig, out: Path, resume: str | None = None) -> dict[str, torch.Tensor]:
    """Train, and return all that was saved last."""
    train(TrainOptions(config=config, out=out, resume=resume))
    return saved_tensors(out)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("eight_bit", [False, True])
def test_a_resumed_run_equals_one_that_was_never_stopped_bit_for_bit(
    eight_bit: bool, make: Make, tmp_path: Path
) -> None:
    parts: dict[str, dict[str, Any]] = {}
    if eight_bit:
        pytest.importorskip("bitsandbytes")
        # Bitsandbytes keeps the moments of small matrices whole.
        parts = {"optimiser": {"eight_bit": True, "learning_rate": 0.01}, "lora": {"rank": 32}}
    whole = run(make(loop={"steps": 6}, **parts), tmp_path / "whole")
    assert any(value.dtype == torch.uint8 for name, value in whole.items() if "optimiser/" in name) == eight_bit
    first = make(loop={"steps": 6, "checkpoint_every": 2}, **parts)
    write_stop_file_after(tmp_path / "cut", first, steps=3)
    assert list_checkpoints(tmp_path / "cut")[-1].name == "step-00000003"
    assert same(run(first, tmp_path / "cut", "latest"), whole)
    losses = [[line["loss"] for line in read_metrics(tmp_path / name) if "loss" in line] for name in ("whole", "cut")]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 6


# A minute for the C++ of four programs, where no earlier run left them in torch's cache.
@pytest.mark.heavy
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with it")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_a_compiled_run_trains_saves_and_goes_on_as_one_that_is_not(make: Make, tmp_path: Path) -> None:
    plain = run(make(loop={"steps": 6}), tmp_path / "plain")
    compiled = make(loop={"steps": 6}, compute={"checkpointing": "selective", "compile": True})
    write_stop_file_after(tmp_path / "compiled", compiled, steps=3)
    assert distance(run(compiled, tmp_path / "compiled", "latest"), plain) < 1e-5


def write_stop_file_after(out: Path, config: TrainConfig, steps: int) -> None:
    """Train until the stop file, written while step ``steps`` is under way, ends the run."""
    seen = 0

    def count(state: TrainState, encoders: Encoders, config: TrainConfig) -> Painter:
        def hook(gradient: torch.Tensor) -> None:
            nonlocal seen
            seen += 1
            if seen == steps * config.accumulation(1):
                write_stop_file(out)

        next(iter(state.parameters.values())).register_hook(hook)
        return lambda batch, seeds: batch.grids()

    train(TrainOptions(config=config, out=out), count)


def test_the_batch_may_be_split_into_portions_of_any_size(make: Make, tmp_path: Path) -> None:
    split = {name: make(loop={"steps": 2, "micro_batch": size})
             for name, size in (("one", 1), ("four", 4))}  # fmt: skip
    one, four = (run(config, tmp_path / name) for name, config in split.items())
    assert distance(one, four) < 1e-5


def test_a_bad_step_is_skipped_and_counted_and_the_run_goes_on(make: Make, tmp_path: Path) -> None:
    def poison(state: TrainState, encoders: Encoders, config: TrainConfig) -> Painter:
        weights.update({name: value for name, value in state.parameters.items()})
        next(iter(weights.values())).register_hook(lambda gradient: gradient * next(factors))
        return lambda batch, seeds: batch.grids()

    weights: dict[str, torch.Tensor] = {}
    factors = iter([1.0] * 4 + [float("nan")] + [1.0] * 11)
    train(TrainOptions(config=make(), out=tmp_path), poison)
    progress, _ = read_checkpoint(list_checkpoints(tmp_path)[-1])
    assert (progress.step, progress.position, progress.skipped) == (4, 16, 1)
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert [line["skipped"] for line in read_metrics(tmp_path) if "loss" in line] == [0, 1, 1, 1]


def test_a_run_that_only_skips_stops(make: Make, tmp_path: Path) -> None:
    # The first step throws the weights out of all range; the steps after it have no loss.
    config = make(optimiser={"learning_rate": 1e30}, loop={"steps": 9, "max_bad_steps": 2})
    with pytest.raises(TrainingError, match="the 2th step in a row that is no number"):
        run(config, tmp_path)


def test_sigterm_to_all_processes_of_a_run_saves_and_ends_with_exit_code_0(make: Make, tmp_path: Path) -> None:
    config = make(loop={"steps": 10_000, "workers": 1, "checkpoint_every": 10_000})
    file = tmp_path / "config.yaml"
    file.write_text(config.model_dump_json())
    command = [sys.executable, "-m", "graph200k.cli", "train", "--config", str(file), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    metrics = tmp_path / "out" / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.read_text().count('"loss"') > 1):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    told, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    progress, _ = read_checkpoint(list_checkpoints(tmp_path / "out")[-1])
    assert json.loads(told)["steps"] == progress.step > 1
    assert "go on with --resume latest" in said


Interrupt = Callable[[int], int]


@pytest.fixture
def interrupt(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupt]:
    """Run the command with a worker, press Ctrl-C so often when it has made two steps, and return its exit code."""
    file, out = tmp_path / "config.yaml", tmp_path / "out"
    file.write_text(make(loop={"steps": 10_000, "workers": 1, "checkpoint_every": 10_000}).model_dump_json())
    monkeypatch.setattr(sys, "argv", ["graph200k", "train", "--config", str(file), "--out", str(out)])
    # A shell has the jobs in its background ignore SIGINT: these tests may be one.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def run(times: int) -> int:
        user = threading.Thread(target=press_ctrl_c, args=(out / "metrics.jsonl", times))
        user.start()
        with pytest.raises(SystemExit) as ended:
            main()
        user.join()
        return int(ended.value.code or 0)

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def press_ctrl_c(metrics: Path, times: int) -> None:
    """Send SIGINT to this process and its workers, as a terminal does, and again when the first was seen."""
    while not (metrics.exists() and metrics.read_text().count('"loss"') > 1):
        time.sleep(0.02)
    for number in range(times):
        deadline = time.monotonic() + 10
        while number and signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        signal_workers(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_saves_says_so_and_ends_with_exit_code_130(
    interrupt: Interrupt, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert interrupt(1) == 130
    progress, _ = read_checkpoint(list_checkpoints(tmp_path / "out")[-1])
    assert f"asked to stop: saved step {progress.step}; go on with --resume latest" in caplog.text
    steps = [line["step"] for line in read_metrics(tmp_path / "out") if "loss" in line]
    assert steps[-1] == progress.step > 1
    told = capsys.readouterr()
    assert told.out.startswith(f"{progress.step} steps")
    assert "error" not in told.err


def test_a_second_ctrl_c_ends_a_run_at_once_and_says_so(
    interrupt: Interrupt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert interrupt(2) == 130
    assert "error: stopped; what is finished is kept" in capsys.readouterr().err
    assert not list_checkpoints(tmp_path / "out")


def test_two_processes_of_torchrun_train_as_one(make: Make, tmp_path: Path) -> None:
    alone = run(make(loop={"steps": 2}), tmp_path / "alone")
    file = tmp_path / "config.yaml"
    file.write_text(make(loop={"steps": 2}).model_dump_json())
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = ["-m", "support.torchrun_train", str(file), str(tmp_path), "ddp", "fsdp2"]
    command = [sys.executable, "-m", *launcher, *script]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    for strategy in ("ddp", "fsdp2"):
        # Had the processes trained side by side, each would have written a line a step.
        assert [line["step"] for line in read_metrics(tmp_path / strategy) if "loss" in line] == [1, 2]
        assert distance(saved_tensors(tmp_path / strategy), alone) < 1e-5


def test_the_loss_falls_and_every_part_of_a_run_is_where_it_should_be(make: Make, tmp_path: Path) -> None:
    config = make(
        loop={"steps": 12, "batch": 8, "micro_batch": 4, "tracker": "tensorboard", "checkpoint_every": 3, "keep": 2},
        validation={"every": 6, "samples": 2, "contexts": [0, 1], "sigmas": [0.5], "pictures": 1},
    )

    def paint_black(state: TrainState, encoders: Encoders, config: TrainConfig) -> Painter:
        def paint(batch: Batch, seeds: Sequence[int]) -> list[Grid]:
            (grid,) = batch.grids()
            return [Grid(tuple(np.zeros_like(row) for row in grid.rows), grid.masked)]

        return paint

    train(TrainOptions(config=config, out=tmp_path), paint_black)
    lines = read_metrics(tmp_path)
    losses = [line["loss"] for line in lines if "loss" in line]
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    assert {line["padding"] for line in lines if "loss" in line} == {0.0}
    validations = [line for line in lines if LOSS in line]
    assert [line["step"] for line in validations] == [0, 6, 12]
    kinds = {f"validation/{kind}/C{contexts}" for kind in ("trained", "held_out") for contexts in (0, 1)}
    assert kinds <= validations[0].keys()
    assert "validation/task/depth,target" in validations[0]

    assert [path.name[-2:] for path in list_checkpoints(tmp_path)] == ["09", "12"]
    files = {path.name for path in list_checkpoints(tmp_path)[-1].iterdir()}
    assert files == {WEIGHTS_NAME, "ema", TENSORS, "state.json"}
    pictures = sorted((tmp_path / "pictures" / "step-00000012").glob("*.png"))
    assert len(pictures) == 4
    pixels = np.asarray(Image.open(pictures[0]))
    assert pixels[:16, :16].max() == 0
    assert pixels[:16, -16:].max() > 0
    assert list((tmp_path / "tracker").glob("events.*"))


def test_the_dev_variant_trains_on_masked_cells_alone(data: Path, tiny_dev: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"flow.loss_on = 'all' with FLUX.1-dev"):
        run(tiny_config(data, tiny_dev), tmp_path)
    masked = {"flow": {"loss_on": "masked"}, "compute": {"checkpointing": "selective"}}
    run(tiny_config(data, tiny_dev, **masked), tmp_path)
    losses = [line["loss"] for line in read_metrics(tmp_path) if "loss" in line]
    assert losses[-1] < losses[0]


def test_an_earlier_run_is_not_written_over(make: Make, tmp_path: Path) -> None:
    config = make(loop={"steps": 1})
    run(config, tmp_path)
    with pytest.raises(PlanError, match="1 checkpoints of an earlier run; go on with it"):
        run(config, tmp_path)


def test_a_damaged_checkpoint_is_refused(make: Make, tmp_path: Path) -> None:
    config = make(loop={"steps": 1})
    run(config, tmp_path)
    file = list_checkpoints(tmp_path)[-1] / TENSORS
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DatasetError, match="no whole checkpoint"):
        run(config, tmp_path, "latest")
