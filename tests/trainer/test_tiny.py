from __future__ import annotations

from pathlib import Path

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel

from trainer.tiny import save_tiny_flux


def test_the_same_seed_gives_the_same_files(tmp_path: Path, tiny_fill: Path) -> None:
    again = save_tiny_flux(tmp_path / "again")
    files = sorted(path.relative_to(tiny_fill) for path in tiny_fill.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert [(tiny_fill / file).read_bytes() for file in files] == [(again / file).read_bytes() for file in files]


def test_another_seed_gives_other_weights(tmp_path: Path, transformer: FluxTransformer2DModel) -> None:
    save_tiny_flux(tmp_path, seed=1)
    other = FluxTransformer2DModel.from_pretrained(tmp_path, subfolder="transformer")
    assert not torch.equal(other.x_embedder.weight, transformer.x_embedder.weight)


def test_saving_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    save_tiny_flux(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_dev_model_runs_in_its_stock_pipeline(tiny_dev: Path) -> None:
    pipeline = FluxPipeline.from_pretrained(tiny_dev)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline("a cat", height=32, width=48, num_inference_steps=1, output_type="np").images
    assert image.shape == (1, 32, 48, 3)
