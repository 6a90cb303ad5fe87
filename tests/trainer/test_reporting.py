"""What a run tells a tracker. W&B, where it is installed, writes into the run's folder what it would send."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.training import tiny_config
from trainer.parallel import open_accelerator
from trainer.reporting import PICTURES, Report


def test_numbers_settings_and_pictures_reach_wandb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    config = tiny_config(tmp_path / "somewhere", "tiny-fill", loop={"tracker": "wandb", "steps": 2})
    out = tmp_path / "my-run"
    out.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    step = {"loss": 0.123456789, "tokens_per_s": 98765.4321, "mfu": 0.5, "data_wait": 0.0, "padding": 0.0, "skipped": 0}
    with Report(open_accelerator(config.loop, out), config, out, 0) as report:
        report.step(1, step)
        report.log(1, {"validation/loss": 0.987654321})
        report.pictures(1, {"trained-C0-0": pixels})

    (run,) = out.glob("wandb/offline-run-*")
    (file,) = run.glob("*.wandb")
    written = file.read_bytes()
    for value in (step["loss"], step["tokens_per_s"], 0.987654321, "graph200k", "my-run", str(tmp_path / "somewhere")):
        assert (value if isinstance(value, str) else json.dumps(value)).encode() in written
    (picture,) = run.glob("files/media/images/trained-C0-0_1_*.png")
    assert np.array_equal(np.asarray(Image.open(picture)), pixels)
    assert np.array_equal(np.asarray(Image.open(out / PICTURES / "step-00000001" / "trained-C0-0.png")), pixels)
