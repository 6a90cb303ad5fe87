"""The indexed loader with pixels: beside a pipeline that decodes whole records, beside the bound, and with workers.

``python -m benchmarks loader`` takes a minute and a half. Records are whole: all stored node types, styles in three
variants, edits in five, at 512²; tasks are drawn as by default, grids at 384².
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import webdataset

from benchmarks.picture_sets import demo_photographs, square, turned, write_pictures
from benchmarks.rows import row
from graph200k.dataset import Dataset
from sampler.config import SamplerConfig
from sampler.loader import ClozeLoader
from sampler.task_sampler import TaskSampler

SAMPLES = 96
_ROUNDS = 5


def run() -> list[dict[str, Any]]:
    """Return ratios to whole-record decoding, and of two workers to one."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        images = [found for image in demo_photographs(place / "demo") for found in turned(square(image, 512))][::2]
        write_pictures(place / "data", images, variants=3, shard_size=22)
        return [*_whole_records(place / "data"), *_workers(place / "data")]


def _whole_records(data: Path) -> list[dict[str, Any]]:
    sampler = TaskSampler([Dataset(str(data))], SamplerConfig())
    ours, theirs = [], []
    for _ in range(_ROUNDS):
        # Processor time: both sides work in one thread, on cached files.
        started = time.process_time()
        grid_rows = sum(len(sampler.load(index)[1].rows) for index in range(SAMPLES))
        between = time.process_time()
        _read_records(data, grid_rows)
        ours.append(between - started)
        theirs.append(time.process_time() - between)
    ratio = statistics.median(other / one for one, other in zip(ours, theirs, strict=True))
    return [
        row("speed beside a webdataset pipeline that decodes the whole record of each grid row", ratio, "×", 5),
        row("one process", SAMPLES / min(ours), "samples/s"),
    ]


def _read_records(data: Path, number: int) -> None:
    """Read records, decode all members of each, and resize those that a task of two images shows."""
    shards = sorted(str(path) for path in (data / "shards").glob("*.tar"))
    records = webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8").repeat()
    for _, record in zip(range(number), records, strict=False):
        np.concatenate([square(record[name], 384) for name in ("target.jpg", "reference.jpg")], axis=1)


def _workers(data: Path) -> list[dict[str, Any]]:
    sampler = TaskSampler([Dataset(str(data))], SamplerConfig())
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(_ROUNDS):
        for workers, found in rates.items():
            batches = ClozeLoader(sampler, batch_size=2, workers=workers).batches(SAMPLES)
            next(batches)  # the workers have started
            started = time.perf_counter()
            done = sum(len(batch.samples) for batch in batches)
            found.append(done / (time.perf_counter() - started))
    ratio = statistics.median(two / one for one, two in zip(rates[1], rates[2], strict=True))
    return [row("two workers beside one", ratio, "×", 1.7), row("two workers", max(rates[2]), "samples/s")]
