"""Small training runs for tests: a tiny FLUX on a dataset drawn in code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from trainer.checkpoint import TENSORS, list_checkpoints
from trainer.config import TrainConfig
from trainer.lora import WEIGHTS_NAME


def tiny_config(data: Path, base: Path | str, **parts: dict[str, Any]) -> TrainConfig:
    """Return settings of a run of seconds; ``parts`` go on top, by part and name."""
    values: dict[str, dict[str, Any]] = {
        "data": {
            "datasets": [{"data": str(data), "held_out": ["depth,target"]}],
            "sampler": {"area_px": 64**2, "shape_block": 4},
        },
        "model": {"base": str(base), "dtype": "float32"},
        "lora": {"rank": 4},
        "optimiser": {"learning_rate": 0.01},
        "compute": {"checkpointing": "none"},
        "loop": {"steps": 4, "batch": 4, "workers": 0, "tracker": "none", "checkpoint_every": 100},
        "validation": {"every": 100, "samples": 1, "contexts": [0], "sigmas": [0.5], "pictures": 1},
    }
    for name, settings in parts.items():
        values[name] = values.get(name, {}) | settings
    return TrainConfig.model_validate(values)


def saved_tensors(out: Path) -> dict[str, Any]:
    """Return all tensors of a run's last checkpoint by name, but for the states of global random generators."""
    checkpoint = list_checkpoints(out)[-1]
    files = {"": checkpoint / WEIGHTS_NAME, "ema/": checkpoint / "ema" / WEIGHTS_NAME, "state/": checkpoint / TENSORS}
    return {
        prefix + name: value
        for prefix, file in files.items()
        for name, value in load_file(file).items()
        if not name.startswith("random/")
    }


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return the norm of the difference of two saved states relative to the norm of one of them.

    By the norm and not by the element: AdamW divides by a gradient's size, and blows rounding up where that is near 0.
    """
    assert one.keys() == other.keys()
    left, right = (torch.cat([state[name].double().flatten() for name in sorted(one)]) for state in (one, other))
    return float((left - right).norm() / right.norm())
