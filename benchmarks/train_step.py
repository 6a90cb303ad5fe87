"""A training step of the LoRA: time, tokens/s, FLOPs utilisation and memory, beside a bare step and padded batches.

``python -m benchmarks train_step``. With a GPU: FLUX.1-Fill at full size, bf16, LoRA of rank 256, cells of 384², for
each kind of checkpointing, compiled and not; untested, for no machine at hand has one. Without: the same at a tiny size
on one core, in two minutes, compiled left out. Weights and latents are random in both.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.flux_sizes import FULL, TINY, Shape, Size, random_flux, random_samples
from benchmarks.padded_batches import padded_beside_buckets
from benchmarks.rows import row
from trainer.compute import ComputeSettings, prepare_blocks
from trainer.flow import add_noise, draw_noise, draw_sigmas, velocity
from trainer.parallel import open_accelerator
from trainer.predict import transformer_inputs
from trainer.reporting import Report
from trainer.state import TrainState
from trainer.step import Prepared, training_losses
from trainer.throughput import Meter, Work

_ROUNDS = 15
_TARGET_MFU = {"full": 0.42, "none": 0.60}
_TARGET_GB = {((3, 4), "full"): 48}

Step = Callable[[], object]


@dataclass(frozen=True)
class Bench:
    """A model to train, and where."""

    size: Size
    device: torch.device
    state: TrainState
    report: Report
    ceiling: float
    """Operations a second of matrix products."""

    @property
    def on_gpu(self) -> bool:
        """Return whether this is the full size."""
        return self.device.type == "cuda"


def run() -> list[dict[str, Any]]:
    """Return ratios to a bare step and to padded batches, and the figures of each way to run the blocks."""
    torch.set_num_threads(1)
    size = FULL if torch.cuda.is_available() else TINY
    with tempfile.TemporaryDirectory() as folder:
        accelerator = open_accelerator(size.config.loop, Path(folder))
        device = accelerator.device
        state = TrainState(random_flux(size, device), accelerator, size.config)
        with Report(accelerator, size.config, Path(folder), 0) as report:
            return list(_rows(Bench(size, device, state, report, _ceiling(size, device))))


def _rows(bench: Bench) -> Iterator[dict[str, Any]]:
    yield row("ceiling of matrix products", bench.ceiling / 1e12, "TFLOP/s")
    # The smallest grid without checkpointing: anything larger would hide what surrounds the blocks.
    yield row("step beside a bare forward, backward and optimiser step", _beside_bare(bench), "×", 1.05, "lower")
    for checkpointing in ("full", "selective", "none"):
        yield from _figures(bench, ComputeSettings(checkpointing=checkpointing))
    prepare_blocks(bench.state.transformer, ComputeSettings(checkpointing="full"))
    ratio = padded_beside_buckets(
        bench.state.transformer, bench.size, bench.device, lambda step: seconds(step, bench.device)
    )
    yield row("speed beside batches of 8 that are padded to their largest grid", ratio, "×", 1.6)
    if bench.on_gpu:  # on a CPU it measures the C++ compiler
        for checkpointing in ("full", "selective", "none"):
            yield from _figures(bench, ComputeSettings(checkpointing=checkpointing, compile=True))


def our_step(bench: Bench, samples: Prepared) -> Step:
    """Return an optimiser step of the loop from where a batch is encoded: its own functions, in its order."""
    state, flow, meter = bench.state, bench.size.config.flow, Meter(bench.ceiling)
    work = Work.of(state.transformer)
    count, tokens = len(samples.clean), samples.image_tokens

    def step() -> None:
        total = torch.zeros((), device=bench.device)
        with state.replicas.accumulating(last=True):
            loss = training_losses(state.model, samples, flow).mean()
            loss.backward()
        total += loss.detach()
        meter.add(count * tokens, count * work.training_step(tokens, samples.text_tokens), 0.0)
        mean_loss, _ = state.replicas.reduce(total, 0.0)
        norm = state.update(mean_loss, state.progress.position + count)
        measured = {"loss": mean_loss, "gradient_norm": norm, "skipped": state.progress.skipped, **meter.report()}
        bench.report.step(state.progress.step, measured)

    return step


def bare_step(bench: Bench, samples: Prepared) -> Step:
    """Return the least that a step can be: inputs made before, no noise drawn, no clipping, no moving average."""
    state, flow, clean = bench.state, bench.size.config.flow, samples.clean
    sigmas = draw_sigmas(samples.generators, samples.image_tokens, flow).to(bench.device)
    noise = draw_noise(samples.generators, *clean.shape[1:]).to(bench.device)
    noisy, target = add_noise(clean, noise, sigmas), velocity(clean, noise)
    inputs = transformer_inputs(
        state.transformer, noisy, sigmas, samples.conditions, samples.prompts, guidance=flow.guidance
    )

    def step() -> None:
        prediction = state.transformer(**inputs, return_dict=False)[0]
        torch.nn.functional.mse_loss(prediction.float(), target).backward()
        state.optimiser.step()
        state.optimiser.zero_grad(set_to_none=True)

    return step


def seconds(step: Step, device: torch.device) -> float:
    """Return what a step takes: processor time on a CPU, which others may be using, else the clock's."""
    if device.type == "cpu":
        started = time.process_time()
        step()
        return time.process_time() - started
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    step()
    torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _ceiling(size: Size, device: torch.device) -> float:
    """Return what :func:`trainer.throughput.matmul_ceiling` does, by the clock of the steps."""
    side = 8192 if device.type == "cuda" else 1024
    left = torch.randn(side, side, device=device).to(size.torch_dtype)
    return 2 * side**3 / min(seconds(lambda: left @ left, device) for _ in range(20))


def _beside_bare(bench: Bench) -> float:
    """Return the median ratio of rounds that time both, each first in every second one."""
    samples = random_samples(bench.size, bench.size.shapes[0], bench.state.transformer, bench.size.batch, bench.device)
    steps = our_step(bench, samples), bare_step(bench, samples)
    ratios = []
    for number in range(_ROUNDS + 1):
        order = steps if number % 2 else steps[::-1]
        took = {step: seconds(step, bench.device) for step in order}
        ratios.append(took[steps[0]] / took[steps[1]])
    return statistics.median(ratios[1:])


def _figures(bench: Bench, settings: ComputeSettings) -> Iterator[dict[str, Any]]:
    prepare_blocks(bench.state.transformer, settings)
    for shape in bench.size.shapes:
        name = f"{shape[0]}×{shape[1]}, {settings.checkpointing} checkpointing" + ", compiled" * settings.compile
        try:
            yield from _of_shape(bench, settings, shape, name)
        except torch.OutOfMemoryError:
            print(f"{name}: does not fit", flush=True)
            bench.state.optimiser.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()


def _of_shape(bench: Bench, settings: ComputeSettings, shape: Shape, name: str) -> Iterator[dict[str, Any]]:
    samples = random_samples(bench.size, shape, bench.state.transformer, bench.size.batch, bench.device)
    step = our_step(bench, samples)
    step(), step()
    if bench.on_gpu:
        torch.cuda.reset_peak_memory_stats(bench.device)
    took = statistics.median(seconds(step, bench.device) for _ in range(5))
    count = bench.size.batch
    operations = count * Work.of(bench.state.transformer).training_step(samples.image_tokens, samples.text_tokens)
    # A core's caches and the kernels' starts decide at the tiny size; the targets are those of the full one.
    target = _TARGET_MFU.get(settings.checkpointing) if bench.on_gpu and settings.compile else None
    yield row(f"{name}: step", 1000 * took, "ms")
    yield row(f"{name}: rate", count * samples.image_tokens / took, "tokens/s")
    yield row(f"{name}: MFU", operations / took / bench.ceiling, "", target)
    if bench.on_gpu:
        peak = torch.cuda.max_memory_allocated(bench.device) / 2**30
        yield row(f"{name}: peak memory", peak, "GB", _TARGET_GB.get((shape, settings.checkpointing)), "lower")
