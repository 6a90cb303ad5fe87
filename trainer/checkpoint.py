"""Checkpoints: everything a run needs to go on as if it had never stopped, in safetensors and JSON.

    checkpoints/step-00001000/
      pytorch_lora_weights.safetensors   the adapter, as pipelines load it
      ema/pytorch_lora_weights.safetensors   its moving average, likewise
      state.safetensors                  optimiser moments, moving average, random states
      state.json                         step, position of the stream, losses

A checkpoint appears by one rename, or not at all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from graph200k.errors import DatasetError, PlanError

CHECKPOINTS = "checkpoints"
STATE = "state.json"
TENSORS = "state.safetensors"
_PREFIX = "step-"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run has come."""

    step: int = 0
    """Optimiser steps done, those skipped included."""
    position: int = 0
    """Samples given out by the stream, over all ranks."""
    stream: str = ""
    """Fingerprint of the stream."""
    skipped: int = 0
    """Steps skipped because a loss or gradient was no number."""
    best: float | None = None
    """Lowest validation loss so far."""
    best_step: int | None = None
    """Step of that loss."""


def optimiser_tensors(optimiser: torch.optim.Optimizer, names: Mapping[int, str]) -> dict[str, torch.Tensor]:
    """Return an optimiser's state by parameter name and quantity, on the CPU.

    Parameters
    ----------
    optimiser
        Whose state are tensors and whole numbers, as AdamW's; bitsandbytes counts steps in such a number.
    names
        Name of each parameter by its ``id``.
    """
    return {
        f"{names[id(parameter)]}/{quantity}": torch.as_tensor(value).detach().cpu().clone()
        for parameter, state in optimiser.state.items()
        for quantity, value in state.items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, names: Mapping[int, str], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Give an optimiser the state that :func:`optimiser_tensors` returned."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        parameter, _, quantity = name.rpartition("/")
        found.setdefault(parameter, {})[quantity] = value
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            state = found.get(names[id(parameter)], {})
            device = {True: parameter.device, False: torch.device("cpu")}
            optimiser.state[parameter] = {
                # A step count stays where the optimiser made it: on the CPU, unless it is fused.
                quantity: _as_number(value.to(device[bool(value.ndim or group.get("fused"))]))
                for quantity, value in state.items()
            }


def _as_number(value: torch.Tensor) -> torch.Tensor | int:
    """Return what was a whole number as one again; AdamW of torch counts steps in a floating-point tensor."""
    return value if value.ndim or value.is_floating_point() else int(value)


def write_checkpoint(
    out: Path, progress: Progress, tensors: Mapping[str, torch.Tensor], adapters: Mapping[str, Any]
) -> Path:
    """Write a checkpoint and return its folder.

    Parameters
    ----------
    out
        Folder of the run.
    progress
        Goes into ``state.json``.
    tensors
        Go into ``state.safetensors``.
    adapters
        Functions that save an adapter into a folder, by the folder's name ("" for the checkpoint's own).
    """
    place = checkpoint_path(out, progress.step)
    draft = place.with_name(f".{place.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, save in adapters.items():
        save(draft / name)
    save_file({name: value.contiguous() for name, value in tensors.items()}, draft / TENSORS)
    (draft / STATE).write_text(json.dumps(asdict(progress), indent=1) + "\n")
    shutil.rmtree(place, ignore_errors=True)
    draft.rename(place)
    return place


def read_checkpoint(folder: Path) -> tuple[Progress, dict[str, torch.Tensor]]:
    """Return progress and tensors of a checkpoint.

    Raises
    ------
    DatasetError
        If it is damaged.
    """
    try:
        values = json.loads((folder / STATE).read_text())
        return Progress(**values), load_file(folder / TENSORS)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise DatasetError(
            f"{folder} is no whole checkpoint ({' '.join(str(error).split())[:200]}); resume from an earlier one"
        ) from None


def checkpoint_path(out: Path, step: int) -> Path:
    """Return the folder of the checkpoint after ``step`` steps."""
    return out / CHECKPOINTS / f"{_PREFIX}{step:08d}"


def list_checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    return sorted(path.parent for path in (out / CHECKPOINTS).glob(f"{_PREFIX}*/{STATE}"))


def find_checkpoint(out: Path, resume: str) -> Path:
    """Return the checkpoint that ``--resume`` names: ``latest``, or a folder.

    Raises
    ------
    PlanError
        If there is none.
    """
    found = list_checkpoints(out)
    if resume == "latest":
        if not found:
            raise PlanError(f"--resume latest: {out / CHECKPOINTS} has no checkpoint; leave --resume out to start")
        return found[-1]
    if not (Path(resume) / STATE).is_file():
        raise PlanError(f"--resume {resume}: no checkpoint there; expected `latest` or a folder with {STATE}")
    return Path(resume)


def prune_checkpoints(out: Path, keep: int, best_step: int | None) -> None:
    """Delete all checkpoints but the last ``keep`` and the best one."""
    best = None if best_step is None else checkpoint_path(out, best_step)
    for path in list_checkpoints(out)[:-keep]:
        if path != best:
            shutil.rmtree(path)
