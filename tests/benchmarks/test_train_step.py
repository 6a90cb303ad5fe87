from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.flux_sizes import TINY, random_flux, random_samples
from benchmarks.train_step import Bench, bare_step, our_step
from trainer.parallel import open_accelerator
from trainer.reporting import Report, read_metrics
from trainer.state import TrainState


@pytest.mark.parametrize("make_step", [our_step, bare_step])
def test_both_steps_that_are_compared_train_the_lora(make_step: object, tmp_path: Path) -> None:
    size = replace(TINY, batch=2)
    accelerator = open_accelerator(size.config.loop, tmp_path)
    state = TrainState(random_flux(size, accelerator.device), accelerator, size.config)
    before = [parameter.detach().clone() for parameter in state.parameters.values()]
    samples = random_samples(size, (2, 2), state.transformer, 2, accelerator.device)
    with Report(accelerator, size.config, tmp_path, 0) as report:
        make_step(Bench(size, accelerator.device, state, report, 1.0), samples)()
    moved = [not torch.equal(one, other) for one, other in zip(before, state.parameters.values(), strict=True)]
    assert any(moved)
    assert len(read_metrics(tmp_path)) == (make_step is our_step)
