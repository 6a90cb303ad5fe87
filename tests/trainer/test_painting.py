from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from graph200k.dataset import Dataset
from sampler.batch import collate
from sampler.task_sampler import TaskSampler
from support.full_datasets import make_full_dataset
from support.training import tiny_config
from trainer.codec import VaeCodec
from trainer.latents import GridEncoder
from trainer.models import load_text, load_transformer, load_vae
from trainer.painting import make_painter
from trainer.parallel import open_accelerator
from trainer.prompts import PromptEncoder
from trainer.state import TrainState
from trainer.step import Encoders


def test_validation_draws_masked_cells_with_the_lora_as_it_is_at_the_time(tiny_fill: Path, tmp_path: Path) -> None:
    make_full_dataset(tmp_path / "data", 3)
    config = tiny_config(tmp_path / "data", tiny_fill, validation={"inference_steps": 2})
    state = TrainState(load_transformer(tiny_fill, config.model), open_accelerator(config.loop, tmp_path), config)
    encoders = Encoders(
        GridEncoder(VaeCodec(load_vae(tiny_fill, config.model)), config.latents),
        PromptEncoder(load_text(tiny_fill, config.model)),
    )
    sampler = TaskSampler([Dataset(tmp_path / "data")], config.data.sampler)
    batch = collate([sampler.load(index) for index in (0, 1)])
    paint = make_painter(state, encoders, config)
    before = paint(batch, [3, 4])
    with torch.no_grad():
        for parameter in state.parameters.values():
            parameter += 0.1
    after = paint(batch, [3, 4])
    for grid, old, new in zip(batch.grids(), before, after, strict=True):
        for number in range(len(grid.rows)):
            given = ~grid.pixel_mask(number)
            assert np.array_equal(new.rows[number][given], grid.rows[number][given])
        assert any(not np.array_equal(one, other) for one, other in zip(old.rows, new.rows, strict=True))
