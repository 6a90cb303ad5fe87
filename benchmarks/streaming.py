"""The streaming loader beside a bare pass of webdataset over the same shards that decodes the same members.

``python -m benchmarks streaming`` takes a minute. Cells have the size of the stored images, so that both only decode:
what is compared is reading, choosing, and putting together, in processor time of one process: the files are cached.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import webdataset
from webdataset.autodecode import ImageHandler

from benchmarks.picture_sets import demo_photographs, square, turned, write_pictures
from benchmarks.rows import row
from graph200k.record import member_name
from sampler.config import SamplerConfig
from sampler.samples import Sample
from sampler.streaming import StreamSettings, TaskStream

SIDE = 512
SHARD_SIZE = 22
TASKS = ("canny,target", "depth,target", "target,hed", "target,depth", "canny,redux_style")
NODES = ("reference", "canny", "hed", "depth", "normal", "instant_style", "redux_style")
"""With the target and its JSON 12 members a record, of which a task needs two or three."""
_ROUNDS = 9


def run() -> list[dict[str, Any]]:
    """Return the share of webdataset's speed that the stream reaches, and its speed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        images = [found for image in demo_photographs(place / "demo") for found in turned(square(image, SIDE))]
        write_pictures(place / "data", images, nodes=NODES, shard_size=SHARD_SIZE)
        return _compare(place / "data")


def _compare(data: Path) -> list[dict[str, Any]]:
    config = SamplerConfig(area_px=SIDE**2, shape="square")
    stream = TaskStream(str(data), config, settings=StreamSettings(capacity=32), only=TASKS)
    samples = [sample for batch in stream.batches(epochs=1) for sample, _ in batch.loaded]
    wanted = _members(samples)
    ours, bare = [], []
    for _ in range(_ROUNDS):
        started = time.process_time()
        count = sum(len(batch.loaded) for batch in stream.batches(epochs=1))
        between = time.process_time()
        decoded = _decode_alone(data, wanted)
        ours.append(between - started)
        bare.append(time.process_time() - between)
    assert count == len(samples) and decoded == sum(map(sum, (counts.values() for counts in wanted.values())))
    ratio = statistics.median(one / other for one, other in zip(bare, ours, strict=True))
    return [
        row("share of the speed of webdataset decoding the same members", ratio, "", 0.85),
        row(f"{SIDE}² cells", len(samples) / min(ours), "samples/s"),
        row(f"members decoded of {SIDE}²", decoded / min(ours), "1/s"),
    ]


def _members(samples: list[Sample]) -> dict[str, Counter[str]]:
    """Return, for each record, the members that the samples show of it and how often."""
    wanted: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        for cells in sample.rows:
            for cell in cells:
                name = member_name(cell.key, cell.node, cell.variant, cell.role)
                wanted[cell.key][name.split(".", 1)[1]] += 1
    return wanted


def _decode_alone(data: Path, wanted: Mapping[str, Counter[str]]) -> int:
    """Return how many images were decoded in one pass over the shards."""
    decode, decoded = ImageHandler("rgb8"), 0
    shards = sorted(str(path) for path in (data / "shards").glob("*.tar"))
    for record in webdataset.WebDataset(shards, shardshuffle=False):
        for name, times in wanted[record["__key__"]].items():
            for _ in range(times):
                decode(name, record[name])
                decoded += 1
    return decoded
