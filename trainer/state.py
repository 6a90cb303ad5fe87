"""The state of a training run: what is trained, and how it is saved, restored and moved by one step."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import FluxTransformer2DModel

from graph200k.errors import TrainingError
from graph200k.seeds import derive_seed
from trainer.checkpoint import (
    Progress,
    optimiser_tensors,
    prune_checkpoints,
    read_checkpoint,
    restore_optimiser,
    write_checkpoint,
)
from trainer.compute import prepare_blocks
from trainer.config import TrainConfig
from trainer.ema import ExponentialAverage
from trainer.lora import add_lora, lora_parameters, read_lora, save_lora
from trainer.optimiser import clip_gradients, make_optimiser
from trainer.parallel import Replicas
from trainer.random_states import random_states, restore_random_states
from trainer.step import Model

AVERAGE = "ema"
"""Folder of the moving average inside a checkpoint."""


class TrainState:
    """A LoRA on a transformer with its optimiser, moving average and progress.

    Parameters
    ----------
    transformer
        Frozen, without a LoRA.
    accelerator
        Of this process.
    config
        Of the run.
    """

    def __init__(self, transformer: FluxTransformer2DModel, accelerator: Accelerator, config: TrainConfig) -> None:
        self._config = config
        self._accelerator = accelerator
        generator = torch.Generator().manual_seed(derive_seed("lora", config.loop.seed))
        add_lora(transformer, config.lora, generator)
        prepare_blocks(transformer, config.compute)
        self.replicas = Replicas(transformer, accelerator, config.loop.strategy)
        self.transformer = transformer
        self.model = Model(transformer, self.replicas.model)
        """To train: its gradients are averaged over the ranks."""
        self.own_model = Model(transformer, transformer)
        """The same on this rank alone, to validate."""
        self.parameters = lora_parameters(transformer)
        self.optimiser = make_optimiser(self.parameters.values(), config.optimiser)
        self.ema = ExponentialAverage(self.parameters, config.loop.ema_decay)
        self.progress = Progress()
        self._names = {id(parameter): name for name, parameter in self.parameters.items()}
        self._bad_in_a_row = 0

    def update(self, loss: float, position: int) -> float:
        """Take one optimiser step from the accumulated gradients, and return their norm before clipping.

        If ``loss`` or the norm is no number, nothing is changed but the count of skipped steps. All ranks decide alike:
        they have the same loss and the same gradients.

        Raises
        ------
        TrainingError
            If that was the ``max_bad_steps``-th time in a row.
        """
        self.replicas.average_gradients()
        norm = float(clip_gradients(self.parameters.values(), self._config.optimiser))
        good = math.isfinite(loss) and math.isfinite(norm)
        if good:
            self.optimiser.step()
            self.ema.update()
        self.optimiser.zero_grad(set_to_none=True)
        self._bad_in_a_row = 0 if good else self._bad_in_a_row + 1
        progress = self.progress
        self.progress = replace(
            progress, step=progress.step + 1, position=position, skipped=progress.skipped + (not good)
        )  # fmt: skip
        if self._bad_in_a_row >= self._config.loop.max_bad_steps:
            raise TrainingError(
                f"step {self.progress.step}: loss {loss}, gradient norm {norm}, the {self._bad_in_a_row}th step in a "
                "row that is no number; resume from a checkpoint (--resume) with a lower optimiser.learning_rate"
            )
        return norm

    def note_validation(self, loss: float) -> bool:
        """Note a validation loss, and return whether it is the lowest so far."""
        better = self.progress.best is None or loss < self.progress.best
        if better:
            self.progress = replace(self.progress, best=loss, best_step=self.progress.step)
        return better

    def save(self, out: Path, stream: str) -> None:
        """Write a checkpoint and drop old ones; all ranks call it, the first one writes.

        ``stream`` is the fingerprint of the samples' stream.
        """
        gathered = {
            f"random/{name}": self._accelerator.gather(value[None].to(self._accelerator.device)).cpu()
            for name, value in random_states().items()
        }
        self.progress = replace(self.progress, stream=stream)
        if self._accelerator.is_main_process:
            average = self.ema.state_dict()
            optimiser = {f"optimiser/{name}": value for name, value in self._optimiser_tensors().items()}
            tensors = optimiser | gathered | {"ema/updates": average["updates"]}
            adapters = {
                "": lambda folder: save_lora(self.transformer, folder),
                AVERAGE: lambda folder: save_lora(self.transformer, folder, average),
            }
            write_checkpoint(out, self.progress, tensors, adapters)
            prune_checkpoints(out, self._config.loop.keep, self.progress.best_step)
        self._accelerator.wait_for_everyone()

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint, on any number of ranks."""
        self.progress, tensors = read_checkpoint(folder)
        with torch.no_grad():
            for name, value in read_lora(self.transformer, folder).items():
                self.parameters[name].copy_(value)
        average = read_lora(self.transformer, folder / AVERAGE)
        self.ema.load_state_dict({**average, "updates": tensors["ema/updates"]})
        restore_optimiser(self.optimiser, self._names, _below("optimiser/", tensors))
        states = _below("random/", tensors)
        rank = self._accelerator.process_index
        restore_random_states({name: value[rank % len(value)] for name, value in states.items()})

    def _optimiser_tensors(self) -> dict[str, torch.Tensor]:
        return optimiser_tensors(self.optimiser, self._names)


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
