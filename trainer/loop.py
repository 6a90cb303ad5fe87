"""The training loop: read it from top to bottom (paper, Sec. 4.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from accelerate import Accelerator

from graph200k.errors import PlanError
from sampler.command import open_sampler
from sampler.loader import ClozeLoader
from trainer.cache import open_cache
from trainer.checkpoint import find_checkpoint, list_checkpoints
from trainer.codec import VaeCodec
from trainer.config import TrainConfig
from trainer.dev_variant import CleanTokenFlux
from trainer.latents import GridEncoder
from trainer.models import find_model, load_text, load_transformer, load_vae
from trainer.parallel import open_accelerator
from trainer.prompts import PromptEncoder
from trainer.reporting import Report
from trainer.state import TrainState
from trainer.step import Encoders, padding_share, prepare, training_losses
from trainer.stopping import clear_stop_file, stop_on_signals
from trainer.throughput import Meter, Work, matmul_ceiling
from trainer.tiny import Kind, save_tiny_flux
from trainer.validation import LOSS, Painter, Validation

logger = logging.getLogger(__name__)

MODEL = "model"
"""Folder of a run's own base model, in the run's."""
TINY: dict[str, Kind] = {"tiny-fill": "fill", "tiny-dev": "dev"}
"""Values of ``model.base`` that stand for a tiny FLUX with random weights, made in the run's folder."""

PainterFactory: TypeAlias = Callable[[TrainState, Encoders, TrainConfig], Painter]
"""From what is trained to what draws its pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOptions:
    """What to train, where, and from where on."""

    config: TrainConfig
    """With its datasets named."""
    out: Path
    """Folder of the run."""
    resume: str | None = None
    """``latest``, or the folder of a checkpoint; None begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a process of a run came to its end; what it trained is saved."""

    is_first: bool
    """Whether this process is the one to tell how it went."""
    interrupted: bool
    """Whether Ctrl-C asked it to stop."""


def train(options: TrainOptions, make_painter: PainterFactory | None = None) -> Ending:
    """Train a LoRA; every process of a run calls this.

    Parameters
    ----------
    options
        See :class:`TrainOptions`.
    make_painter
        Makes what draws the pictures of validations; None draws none.

    Raises
    ------
    PlanError
        If the run cannot start: data, ranks, batch and checkpoint do not fit together.
    TrainingError
        If too many steps in a row have a loss or gradient that is no number.
    """
    config, out = options.config, options.out
    accelerator = open_accelerator(config.loop, out)
    ranks, device = accelerator.num_processes, accelerator.device
    accumulation = config.accumulation(ranks)
    checkpoint = _checkpoint(options)
    loader = _open_loader(config, accelerator)
    validation = Validation(config.data, config.validation, config.flow, accelerator)
    state, encoders = _load(config, out, accelerator)
    if checkpoint is not None:
        state.restore(checkpoint)
        loader.load_state_dict({"position": state.progress.position, "fingerprint": state.progress.stream})
    paint = make_painter(state, encoders, config) if make_painter and config.validation.pictures else None
    meter, work = _open_meter(config, state, accelerator)
    seeds = ("train", config.loop.seed)

    def validate() -> bool:
        losses = validation.measure(state.own_model, encoders)
        report.log(state.progress.step, losses)
        if paint is not None:
            report.pictures(state.progress.step, validation.draw(paint))
        meter.start()
        return state.note_validation(losses[LOSS])

    steps_left = config.loop.steps - state.progress.step
    batches = meter.watch(loader.batches(steps_left * accumulation))
    with Report(accelerator, config, out, state.progress.step) as report, stop_on_signals(out) as stop:
        if state.progress.step == 0:
            validate()
        stopping = False
        while state.progress.step < config.loop.steps and not stopping:
            total = torch.zeros((), device=device)
            for portion in range(accumulation):
                batch = next(batches)
                prepared = prepare(batch, encoders, seeds=seeds, device=device)
                with state.replicas.accumulating(last=portion == accumulation - 1):
                    # Every sample weighs the same, however the batch is split over ranks and portions.
                    loss = training_losses(state.model, prepared, config.flow).mean() / accumulation
                    loss.backward()
                total += loss.detach()
                samples, tokens = len(batch.samples), prepared.image_tokens
                operations = samples * work.training_step(tokens, prepared.text_tokens)
                meter.add(samples * tokens, operations, padding_share(batch, tokens))

            loss_sum, asked = state.replicas.reduce(total, stop.asked)
            mean_loss, stopping = loss_sum / ranks, asked > 0
            norm = state.update(mean_loss, loader.position)
            step, last = state.progress.step, state.progress.step == config.loop.steps
            measured = {"loss": mean_loss, "gradient_norm": norm, "skipped": state.progress.skipped, **meter.report()}
            report.step(step, measured | {"tokens_per_s": ranks * measured["tokens_per_s"]})

            better = (last or step % config.validation.every == 0) and validate()
            if better or last or stopping or step % config.loop.checkpoint_every == 0:
                state.save(out, loader.sampler.fingerprint)
                meter.start()
    if stopping:
        logger.warning("asked to stop: saved step %d; go on with --resume latest", state.progress.step)
    return Ending(is_first=bool(accelerator.is_main_process), interrupted=stop.interrupted)


def _checkpoint(options: TrainOptions) -> Path | None:
    """Return the checkpoint to go on from, None to begin.

    Raises
    ------
    PlanError
        If there is none, or if a run that begins would write over another one's checkpoints.
    """
    if options.resume is not None:
        return find_checkpoint(options.out, options.resume)
    if found := list_checkpoints(options.out):
        raise PlanError(
            f"--out {options.out} has {len(found)} checkpoints of an earlier run; go on with it (--resume latest), or "
            "name another folder"
        )
    return None


def _open_loader(config: TrainConfig, accelerator: Accelerator) -> ClozeLoader:
    return ClozeLoader(
        open_sampler(config.data, ""),
        batch_size=config.loop.micro_batch,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
        workers=config.loop.workers,
        pin_memory=accelerator.device.type == "cuda",
    )


def _load(config: TrainConfig, out: Path, accelerator: Accelerator) -> tuple[TrainState, Encoders]:
    """Load the base model: the transformer with its LoRA, and the encoders."""
    with accelerator.main_process_first():
        out.mkdir(parents=True, exist_ok=True)
        clear_stop_file(out)
        kind = TINY.get(config.model.base)
        folder = find_model(config.model) if kind is None else save_tiny_flux(out / MODEL, kind)
    place = accelerator.device if config.loop.encoders == "device" else torch.device("cpu")
    prompts = PromptEncoder(load_text(folder, config.model), open_cache(config.cache, "prompts"))
    prompts.to(place)
    codec = VaeCodec(load_vae(folder, config.model).to(place))
    encoders = Encoders(GridEncoder(codec, config.latents, open_cache(config.cache, "rows")), prompts)
    transformer = load_transformer(folder, config.model)
    if isinstance(transformer, CleanTokenFlux) and config.flow.loss_on != "masked":
        raise PlanError(
            "flow.loss_on = 'all' with FLUX.1-dev: its condition tokens are clean, with nothing to predict for them; "
            "set it to masked"
        )
    return TrainState(transformer, accelerator, config), encoders


def _open_meter(config: TrainConfig, state: TrainState, accelerator: Accelerator) -> tuple[Meter, Work]:
    dtype = {"bfloat16": torch.bfloat16, "float32": torch.float32}[config.model.dtype]
    # Large enough to reach the ceiling, small enough to take no time.
    size = 8192 if accelerator.device.type == "cuda" else 512
    return Meter(matmul_ceiling(accelerator.device, dtype, size)), Work.of(state.transformer)
