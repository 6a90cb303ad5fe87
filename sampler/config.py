"""Settings of the sampler, read once from a TOML file or made in code."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from graph200k.errors import PlanError
from graph200k.settings_errors import explain

RELEASE_CONTEXTS = (0.3, 0.4, 0.3)
"""Probabilities of 0, 1 and 2 in-context examples in the public release."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InstructionConfig(_Settings):
    """How often instructions are left out, as the public release trains."""

    drop_prompt: float = Field(default=0.1, ge=0, le=1)
    """Probability that nothing at all is said."""
    drop_task: float = Field(default=0.2, ge=0, le=1)
    """Probability that the task is not said."""
    drop_content: float = Field(default=0.2, ge=0, le=1)
    """Probability that the content is not said."""


ALL_SAID = InstructionConfig(drop_prompt=0.0, drop_task=0.0, drop_content=0.0)
"""No instruction is left out: for generation and validation."""


class TaskWeights(_Settings):
    """How often tasks are drawn: groups are drawn first, then a task of the group. What is not named weighs 1."""

    meta_tasks: dict[str, float] = {}
    """Factors on the groups of a meta-task."""
    groups: dict[str, float] = {}
    """Weights of groups; see :func:`sampler.weights.task_group`."""
    tasks: dict[str, float] = {}
    """Weights of tasks inside their group, by name; 0 leaves a task out."""
    nodes: dict[str, float] = {}
    """Factors on the tasks whose path has the node type."""

    @model_validator(mode="after")
    def _not_negative(self) -> Self:
        for name in ("meta_tasks", "groups", "tasks", "nodes"):
            if bad := {key: value for key, value in getattr(self, name).items() if not 0 <= value < float("inf")}:
                raise ValueError(f"weights are 0 or more, found {bad} in {name}")
        return self


class DatasetShare(_Settings):
    """One dataset of a mix."""

    data: str
    """Folder or URL of the dataset."""
    weight: float = Field(default=1.0, gt=0)
    """Share of the samples that come from it, relative to the others'."""
    weights: TaskWeights = TaskWeights()
    """How often its tasks are drawn."""
    held_out: tuple[str, ...] | None = None
    """Names of tasks that are kept for evaluation and never drawn; by default those of the dataset's catalogue."""


class SamplerConfig(_Settings):
    """Settings of a stream of samples; every one of them is part of its fingerprint."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the stream."""
    contexts: tuple[float, ...] = RELEASE_CONTEXTS
    """Probabilities of 0, 1, 2 … in-context examples; scaled to sum to 1."""
    reverse: float = Field(default=0.5, ge=0, le=1)
    """Probability that the cell to generate is in a column other than the last."""
    shape_block: int = Field(default=8, ge=1)
    """Consecutive samples that have one grid shape."""
    area_px: int = Field(default=384**2, ge=64**2, le=2048**2)
    """Area of a cell, in pixels."""
    shape: Literal["aspect", "square"] = "aspect"
    """Cells of the target's aspect ratio (the nearest of a few), or squares as the public release trains."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """What is done to an image of another aspect ratio than its cell."""
    instructions: InstructionConfig = InstructionConfig()
    """How often instructions are left out."""

    @model_validator(mode="after")
    def _probabilities(self) -> Self:
        if not self.contexts or min(self.contexts) < 0 or not 0 < sum(self.contexts) < float("inf"):
            raise ValueError(f"contexts are probabilities of 0, 1, 2 … examples, found {self.contexts}")
        return self


class MixConfig(_Settings):
    """Content of the file given with ``--config``: the datasets and the settings."""

    datasets: tuple[DatasetShare, ...] = ()
    """Datasets to draw from; the one of ``--data`` if there are none."""
    sampler: SamplerConfig = SamplerConfig()
    """Settings of the stream."""


def read_mix(path: Path) -> MixConfig:
    """Return the mix that a TOML file describes.

    Raises
    ------
    PlanError
        If the file is missing, is not TOML, or has names or values that do not belong there.
    """
    try:
        return MixConfig.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise PlanError(f"--config {path}: no such file") from None
    except ValueError as error:
        raise PlanError(f"--config {path}: {explain(error, MixConfig)}") from None


def with_overrides(config: SamplerConfig, overrides: Mapping[str, Any]) -> SamplerConfig:
    """Return the settings with those of ``overrides`` that are not None on top, checked.

    Raises
    ------
    PlanError
        For a value that is out of range.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return SamplerConfig.model_validate(config.model_dump() | given)
    except ValueError as error:
        raise PlanError(explain(error, SamplerConfig)) from None


def context_probabilities(max_context: int) -> tuple[float, ...]:
    """Return probabilities of 0 … ``max_context`` examples: the release's as far as they go, else all the same.

    Examples
    --------
    >>> context_probabilities(0), context_probabilities(2), context_probabilities(3)
    ((0.3,), (0.3, 0.4, 0.3), (1.0, 1.0, 1.0, 1.0))
    """
    if max_context < len(RELEASE_CONTEXTS):
        return RELEASE_CONTEXTS[: max_context + 1]
    return (1.0,) * (max_context + 1)
