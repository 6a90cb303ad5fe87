"""All settings of a training run, from one YAML file; each part stands beside the code that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from graph200k.errors import PlanError
from sampler.config import MixConfig
from trainer.flow import FlowSettings
from trainer.latents import LatentSettings
from trainer.lora import LoraSettings
from trainer.settings import Settings


class ModelSettings(Settings):
    """The frozen model that the LoRA is trained on."""

    base: str = "black-forest-labs/FLUX.1-Fill-dev"
    """Repository on the Hub, or a folder in its layout."""
    revision: str = "main"
    """Commit on the Hub; without meaning for a folder."""
    variant: Literal["fill", "dev"] = "fill"
    """``fill`` sees masked latents and mask as channels; ``dev`` holds the condition tokens clean (paper, App. B)."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Precision of the frozen weights and of the arithmetic; the LoRA's own weights are float32."""
    quantise: Literal["none", "int8", "nf4"] = "none"
    """Storage of the frozen transformer's weights: int8 through torchao, nf4 through bitsandbytes."""
    encoders: Literal["device", "cpu"] = "device"
    """Where VAE and text encoders work: beside the transformer, or on the CPU to save 10 GB there."""


class OptimizerSettings(Settings):
    """AdamW, as the paper and the public release set it."""

    learning_rate: float = Field(default=1e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float = Field(default=2.0, gt=0)
    """Norm that gradients are scaled down to."""
    eight_bit: bool = False
    """Keep the moments in 8 bits, through bitsandbytes."""


class LoopSettings(Settings):
    """How long to train, in what portions, and what to keep."""

    steps: int = Field(default=20_000, ge=1)
    """Optimiser steps."""
    batch: int = Field(default=64, ge=1)
    """Samples an optimiser step, over all ranks and accumulated."""
    micro_batch: int = Field(default=1, ge=1)
    """Samples a rank sees at once."""
    workers: int = Field(default=4, ge=0)
    """Processes a rank that read and decode samples."""
    seed: int = Field(default=0, ge=0)
    """Seed of LoRA, noise levels and noise; the stream of samples has its own."""
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the moving average of the LoRA that is saved beside it."""
    checkpoint_every: int = Field(default=500, ge=1)
    """Steps between checkpoints; the last step has one too."""
    keep: int = Field(default=3, ge=1)
    """Checkpoints to keep beside the best one."""
    max_bad_steps: int = Field(default=10, ge=1)
    """Steps in a row with a loss or gradient that is no number, before the run stops; each is skipped."""
    checkpointing: Literal["none", "selective", "full"] = "full"
    """Activations recomputed in the backward pass: none, those of every second block, those of all blocks."""
    compile: bool = False
    """Compile the transformer's blocks, once for each grid shape."""
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    """Whether each rank holds the whole model, or a shard of it."""
    tracker: Literal["tensorboard", "wandb", "none"] = "tensorboard"
    """Where losses and pictures go, beside ``metrics.jsonl``."""


class ValidationSettings(Settings):
    """What is measured and drawn every so often, always on the same samples."""

    every: int = Field(default=1000, ge=1)
    """Steps between validations; the last step has one too."""
    samples: int = Field(default=8, ge=1)
    """Samples for each number of contexts."""
    contexts: tuple[int, ...] = (0, 1, 2)
    """Numbers of in-context examples."""
    sigmas: tuple[float, ...] = (0.25, 0.5, 0.75)
    """Noise levels that the loss is averaged over."""
    pictures: int = Field(default=2, ge=0)
    """Grids drawn for each number of contexts; 0 draws none."""
    inference_steps: int = Field(default=30, ge=1)
    """Steps of the sampling of pictures."""
    guidance: float = Field(default=30.0, ge=0)
    """Guidance of the sampling of pictures."""
    tasks: tuple[str, ...] = ()
    """Names of the tasks; by default those that are trained and those that are held out."""
    seed: int = Field(default=1_000_003, ge=0)
    """Seed of the samples, other than the training's."""


class TrainConfig(Settings):
    """Content of ``configs/*.yaml``."""

    data: MixConfig = MixConfig()
    model: ModelSettings = ModelSettings()
    lora: LoraSettings = LoraSettings()
    latents: LatentSettings = LatentSettings()
    flow: FlowSettings = FlowSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    loop: LoopSettings = LoopSettings()
    validation: ValidationSettings = ValidationSettings()

    @model_validator(mode="after")
    def _portions(self) -> Self:
        if self.loop.batch % self.loop.micro_batch:
            raise ValueError(f"batch {self.loop.batch} is no multiple of micro_batch {self.loop.micro_batch}")
        return self

    def accumulation(self, world_size: int) -> int:
        """Return how many micro-batches a rank adds up for one optimiser step.

        Raises
        ------
        PlanError
            If the ranks cannot share the batch evenly.
        """
        portion = world_size * self.loop.micro_batch
        if self.loop.batch % portion:
            raise PlanError(
                f"batch {self.loop.batch} is no multiple of {world_size} ranks × micro_batch {self.loop.micro_batch}; "
                "change one of them"
            )
        return self.loop.batch // portion


def read_config(path: Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> TrainConfig:
    """Return the settings of a YAML file, with those of ``overrides`` (by part and name) that are not None on top.

    Raises
    ------
    PlanError
        If the file is missing, is not YAML, or has names or values that do not belong there.
    """
    try:
        values = yaml.safe_load(path.read_text()) or {}
        if not isinstance(values, dict):
            raise ValueError("expected a mapping of data, model, lora, latents, flow, optimizer, loop, validation")
        for part, settings in (overrides or {}).items():
            given = {name: value for name, value in settings.items() if value is not None}
            values[part] = {**(values.get(part) or {}), **given}
        return TrainConfig.model_validate(values)
    except FileNotFoundError:
        raise PlanError(f"--config {path}: no such file") from None
    except (ValueError, yaml.YAMLError) as error:
        raise PlanError(f"--config {path}: {' '.join(str(error).split())[:400]}") from None
