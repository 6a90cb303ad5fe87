"""All settings of a training run, from one YAML file; those of models, LoRA and objective stand beside their code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from graph200k.errors import PlanError
from graph200k.settings_errors import explain
from sampler.config import DatasetShare, MixConfig
from trainer.cache import CacheSettings
from trainer.compute import ComputeSettings
from trainer.flow import FlowSettings
from trainer.latents import LatentSettings
from trainer.lora import LoraSettings
from trainer.models import ModelSettings
from trainer.optimiser import OptimiserSettings
from trainer.settings import Settings


class LoopSettings(Settings):
    """How long to train, in what portions, and what to keep."""

    steps: int = Field(default=20_000, ge=1)
    """Optimiser steps."""
    batch: int = Field(default=64, ge=1)
    """Samples an optimiser step, over all ranks and accumulated."""
    micro_batch: int = Field(default=1, ge=1)
    """Samples a rank sees at once."""
    workers: int = Field(default=4, ge=0)
    """Processes a rank that read and decode samples; 0 reads between steps."""
    encoders: Literal["device", "cpu"] = "device"
    """Where VAE and text encoders work: beside the transformer, or on the CPU to save 10 GB there."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of LoRA, noise levels and noise; the stream of samples has its own."""
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the moving average of the LoRA that is saved beside it."""
    checkpoint_every: int = Field(default=500, ge=1)
    """Steps between checkpoints; the last step has one too."""
    keep: int = Field(default=3, ge=1)
    """Checkpoints to keep beside the best one."""
    max_bad_steps: int = Field(default=10, ge=1)
    """Steps in a row whose loss or gradient is no number, before the run stops; each is skipped."""
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    """Whether each rank holds the whole base model, or a shard of it; every rank has the whole LoRA."""
    tracker: Literal["tensorboard", "wandb", "none"] = "tensorboard"
    """Where losses and pictures go, beside ``metrics.jsonl``."""


class ValidationSettings(Settings):
    """What is measured and drawn every so often, always on the same samples."""

    every: int = Field(default=1000, ge=1)
    """Steps between validations; there is one before the first step and one after the last."""
    samples: int = Field(default=8, ge=1)
    """Samples for each number of contexts, of the tasks that are trained and of those held out."""
    contexts: tuple[int, ...] = (0, 1, 2)
    """Numbers of in-context examples."""
    sigmas: tuple[float, ...] = (0.25, 0.5, 0.75)
    """Noise levels that the loss is averaged over."""
    pictures: int = Field(default=2, ge=0)
    """Of those samples, how many are drawn; 0 draws none."""
    inference_steps: int = Field(default=30, ge=1)
    """Steps of the sampling of pictures."""
    guidance: float = Field(default=30.0, ge=0)
    """Guidance of the sampling of pictures."""
    seed: int = Field(default=1_000_003, ge=0, lt=2**63)
    """Seed of the samples, other than the training's."""


class TrainConfig(Settings):
    """Content of ``configs/*.yaml``."""

    data: MixConfig = MixConfig()
    model: ModelSettings = ModelSettings()
    lora: LoraSettings = LoraSettings()
    latents: LatentSettings = LatentSettings()
    flow: FlowSettings = FlowSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    compute: ComputeSettings = ComputeSettings()
    loop: LoopSettings = LoopSettings()
    validation: ValidationSettings = ValidationSettings()
    cache: CacheSettings = CacheSettings()

    @model_validator(mode="after")
    def _portions(self) -> Self:
        if self.loop.batch % self.loop.micro_batch:
            raise ValueError(f"loop.batch {self.loop.batch} is no multiple of micro_batch {self.loop.micro_batch}")
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
                f"loop.batch {self.loop.batch} is no multiple of {world_size} ranks × micro_batch "
                f"{self.loop.micro_batch}; change one of them"
            )
        return self.loop.batch // portion

    def with_data(self, named: str | None, default: str) -> TrainConfig:
        """Return the same with a dataset to draw from.

        Parameters
        ----------
        named
            The dataset of the command line: it takes the place of the config's only dataset.
        default
            The dataset for a config that has none, if none was named.

        Raises
        ------
        PlanError
            If one was named and the config mixes several.
        """
        shares = self.data.datasets
        if named is None and shares:
            return self
        if len(shares) > 1:
            raise PlanError(f"--data {named}: the config mixes {len(shares)} datasets; name their folders there")
        share = shares[0] if shares else DatasetShare(data="")
        share = share.model_copy(update={"data": named or default})
        return self.model_copy(update={"data": self.data.model_copy(update={"datasets": (share,)})})


def read_config(path: Path | None, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> TrainConfig:
    """Return the settings of a YAML file, with those of ``overrides`` (by part and name) that are not None on top.

    Raises
    ------
    PlanError
        If the file is missing, is not YAML, or has names or values that do not belong there.
    """
    try:
        values = (yaml.safe_load(path.read_text()) if path else None) or {}
        if not isinstance(values, dict):
            raise ValueError(f"expected a mapping of {', '.join(TrainConfig.model_fields)}")
        for part, settings in (overrides or {}).items():
            given = {name: value for name, value in settings.items() if value is not None}
            if isinstance(found := values.get(part) or {}, dict):  # what else it is, the check below tells
                values[part] = {**found, **given}
        return TrainConfig.model_validate(values)
    except FileNotFoundError:
        raise PlanError(f"--config {path}: no such file; configs/ has some to start from") from None
    except (ValueError, yaml.YAMLError) as error:
        raise PlanError(f"{f'--config {path}: ' if path else ''}{explain(error, TrainConfig)}") from None
