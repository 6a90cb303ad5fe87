"""Pictures for a training's validations, made as ``graph200k generate`` makes them."""

from __future__ import annotations

from collections.abc import Sequence

from sampler.batch import Batch
from sampler.grid import Grid
from trainer.config import TrainConfig
from trainer.generation import GenerationSettings, generate
from trainer.generation_models import GenerationModels
from trainer.state import TrainState
from trainer.step import Encoders
from trainer.validation import Painter


def make_painter(state: TrainState, encoders: Encoders, config: TrainConfig) -> Painter:
    """Return what completes grids with the model as it is trained at the time of the call."""
    models = GenerationModels(
        transformer=state.transformer,
        grids=encoders.grids,
        prompts=encoders.prompts,
        device=next(iter(state.parameters.values())).device,
    )
    settings = GenerationSettings(steps=config.validation.inference_steps, guidance=config.validation.guidance)

    def paint(batch: Batch, seeds: Sequence[int]) -> list[Grid]:
        return generate(models, batch.grids(), batch.prompts, seeds, settings)

    return paint
