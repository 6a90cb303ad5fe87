"""Draws of tasks and records from indexes of 2,000, 200,000 and 5,000,000 records; no pixels.

Each record has each stored node type with a chance of 0.9 and a size of its own, the hardest case for the shared order
of records: nearly all availability masks occur. Each size runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.rows import row
from graph200k.catalogue import GRAPH200K, Storage
from graph200k.index import RECORDS_SCHEMA, write_table
from graph200k.manifest import new_manifest, write_manifest
from graph200k.records import RECORDS
from graph200k.storage import Folder

_DRAW = """
import json, sys, time
def status(name):
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1]) / 1024
from graph200k.dataset import Dataset
from sampler.config import SamplerConfig
from sampler.task_sampler import TaskSampler
dataset = Dataset(sys.argv[1])
started, before = time.perf_counter(), status("VmHWM")
sampler = TaskSampler([dataset], SamplerConfig())
build_s, build_mb = time.perf_counter() - started, status("VmHWM") - before
sampler.draws(0, 20_000)
rates, singles = [], []
for turn in range(5):
    started = time.perf_counter()
    sampler.draws(turn * 20_000, turn * 20_000 + 20_000)
    rates.append(20_000 / (time.perf_counter() - started))
    started = time.perf_counter()
    for index in range(200):
        sampler.draws(index, index + 1)
    singles.append(200 / (time.perf_counter() - started))
print(json.dumps({"build_s": build_s, "build_mb": build_mb, "peak_mb": status("VmHWM"), "rate": sorted(rates)[2],
                  "single": sorted(singles)[2]}))
"""


def run() -> list[dict[str, Any]]:
    """Return draws a second, and time and memory of the index, by number of records."""
    sizes = (2_000, 200_000, 5_000_000)
    with tempfile.TemporaryDirectory() as folder:
        found = {size: _measure(Path(folder) / str(size), size) for size in sizes}
    middle = found[200_000]
    rows = [
        row("200,000 records", middle["rate"], "samples/s", 20_000),
        row("200,000 records, one by one", middle["single"], "samples/s"),
        row("index of 200,000 records", middle["build_s"], "s", 3, "lower"),
        row("index of 200,000 records, memory", middle["build_mb"], "MB", 150, "lower"),
        row("index of 5,000,000 records", found[5_000_000]["build_s"], "s"),
        row("5,000,000 records, peak memory of the process", found[5_000_000]["peak_mb"], "MB"),
    ]
    for size in (2_000, 5_000_000):
        rows.append(row(f"{size:,} records beside 200,000", found[size]["rate"] / middle["rate"], "×", 0.8))
    return rows


def _measure(place: Path, records: int) -> dict[str, float]:
    write_index(place, records)
    done = subprocess.run([sys.executable, "-c", _DRAW, str(place)], check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def write_index(place: Path, records: int) -> None:
    """Write what a sampler reads of a dataset of ``records`` records, without shards."""
    rng = np.random.default_rng(0)
    masks = np.full(records, GRAPH200K.mask(["target"]), np.uint64)
    for entry in GRAPH200K.values():
        has = np.ones(records, bool) if entry.storage is Storage.ONLINE else rng.random(records) < 0.9
        masks |= has.astype(np.uint64) << np.uint64(GRAPH200K.bit(entry.name))
    sides = rng.integers(512, 1100, (records, 2)).astype(np.int32)
    keys = pa.array([f"photo-{number:08d}" for number in range(records)])
    hashes = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), records, [None, pa.py_buffer(rng.bytes(16 * records))])
    shards = (np.arange(records) // 1000).astype(np.int32)
    columns = [keys, pa.array(shards), pa.array(masks), pa.array(sides[:, 0]), pa.array(sides[:, 1]), keys, hashes]
    folder = Folder(str(place))
    write_manifest(folder, new_manifest(1000))
    write_table(folder, RECORDS, pa.table(columns, schema=RECORDS_SCHEMA))
