"""Seconds a picture and memory of the generators, one picture a call of the pipeline and several, as a Markdown table.

Run ``python -m benchmarks.generation`` on a GPU with 80 GB: FLUX.1-Fill, FLUX.1-Depth with Redux, and SDXL as for
InstantStyle, of full size with random weights (nothing is downloaded; the time does not depend on the weights), at 512²
and 1024², some 10 minutes. ``--steps 4`` is quicker; time grows with the steps. ``--tiny`` tries the script on tiny
models. It was not run at full size: no GPU was at hand when it was written. ``make bench`` does not run this.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from annotators.flux import DepthJob, FillJob, Running, Sampling, load_depth, load_fill, make_depth, make_fill
from annotators.sdxl import StyleJob, StyleSampling, load_style_pipeline, make_stylise
from annotators.tiny.base import TINY_MODELS
from benchmarks import full_size

Generate = Callable[[Sequence[Any], Sequence[int], Any], list[np.ndarray]]

SIZES = (512, 1024)
BATCHES = (1, 4)
_PICTURE = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
_MODELS = ("flux_fill", "flux_depth", "flux_redux", "sdxl", "sdxl_canny", "ip_adapter")


@dataclass(frozen=True, slots=True)
class Case:
    """One generator."""

    name: str
    generate: Generate
    job: Callable[[int], Any]
    """From a side in pixels to what it is asked for."""
    sampling: Any


def full_size_cases(steps: int) -> Iterator[Case]:
    """Yield the generators at full size with random weights, each made when its turn comes and freed after it."""
    with torch.device("cuda"), _in_bf16():
        fill = settled(full_size.make_flux_fill())
    yield fill_case(make_fill(fill), steps)
    with torch.device("cuda"), _in_bf16():
        depth, redux = full_size.make_flux_depth(fill), settled(full_size.make_flux_redux())
    del fill
    yield depth_case(make_depth(settled(depth), redux), steps)
    del depth, redux
    torch.cuda.empty_cache()
    with torch.device("cuda"), _in_bf16():
        sdxl = settled(full_size.make_sdxl())
    yield style_case(make_stylise(sdxl), steps)


def tiny_cases(folder: Path, steps: int) -> Iterator[Case]:
    """Yield the generators on tiny models."""
    folders = {name: TINY_MODELS[name](folder / name) for name in _MODELS}
    redux = ("flux_redux", folders["flux_redux"])
    yield fill_case(load_fill("flux_fill", folders["flux_fill"], Running()), steps)
    yield depth_case(load_depth("flux_depth", folders["flux_depth"], Running(), redux=redux), steps)
    yield style_case(load_style_pipeline(folders, Running())[1], steps)


def fill_case(generate: Generate, steps: int) -> Case:
    """Return FLUX.1-Fill painting a diagonal."""
    return Case(
        "FLUX.1-Fill",
        generate,
        lambda side: FillJob(_PICTURE[:side, :side], np.eye(side, dtype=bool), "a cup on a table"),
        Sampling(steps, 30.0),
    )


def depth_case(generate: Generate, steps: int) -> Case:
    """Return FLUX.1-Depth with a reference that Redux describes."""
    return Case(
        "FLUX.1-Depth + Redux",
        generate,
        lambda side: DepthJob(np.ascontiguousarray(_PICTURE[:side, :side, 0]), "", _PICTURE[:512, :512]),
        Sampling(steps, 10.0),
    )


def style_case(generate: Generate, steps: int) -> Case:
    """Return SDXL with a ControlNet and a reference in the style block."""
    return Case(
        "SDXL, InstantStyle",
        generate,
        lambda side: StyleJob(np.ascontiguousarray(_PICTURE[:side, :side, 0]), _PICTURE[:512, :512], "a cup"),
        StyleSampling(steps, 5.0, 1.0, 0.6, "blurry"),
    )


def settled(pipeline: Any) -> Any:
    """Return a pipeline in bf16 on the GPU, quiet."""
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to("cuda", torch.bfloat16)


@contextmanager
def _in_bf16() -> Iterator[None]:
    """Make new weights in bf16: in fp32 those of FLUX.1 alone would fill the GPU."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def measure(case: Case, side: int, batch: int) -> tuple[float, float]:
    """Return seconds a picture and the most GPU memory (GiB) for pictures made ``batch`` at once, after one warm-up."""
    jobs = [case.job(side)] * batch
    batch_size_of(case).now = batch
    case.generate(jobs, range(batch), case.sampling)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    case.generate(jobs, range(batch), case.sampling)
    seconds = (time.perf_counter() - started) / batch
    return seconds, torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0


def batch_size_of(case: Case) -> Any:
    """Return the generator's own batch size, which its function holds on to."""
    cells = (cell.cell_contents for cell in case.generate.__closure__ or ())
    return next(found for found in cells if hasattr(found, "fit"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--tiny", action="store_true", help="tiny models at 64 pixels, to try this script")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = tiny_cases(Path(folder), options.steps) if options.tiny else full_size_cases(options.steps)
        print(f"{torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'}, {options.steps} steps")
        print("| pipeline | side | at once | s a picture | × one by one | GiB |\n|---|---|---|---|---|---|")
        for case in found:
            for side in (64,) if options.tiny else SIZES:
                alone, _ = measure(case, side, 1)
                for batch in BATCHES:
                    seconds, memory = measure(case, side, batch)
                    print(f"| {case.name} | {side} | {batch} | {seconds:.3f} | {alone / seconds:.2f} | {memory:.1f} |")


if __name__ == "__main__":
    main()
