"""The streaming loader beside a bare pass of webdataset over the same shards that decodes the same members.

``python -m benchmarks streaming`` takes a minute. Cells have the size of the stored images, so that both only decode:
what is compared is reading, choosing, and putting together, in processor time of one process: the files are cached.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import webdataset
from PIL import Image
from webdataset.autodecode import ImageHandler

from benchmarks.rows import row
from graph200k.catalogue import GRAPH200K
from graph200k.codecs import encode_image
from graph200k.parts import PartRow, write_part
from graph200k.record import SOURCE, Origin, RecordInfo, member_name
from graph200k.session import write_session
from pipelines.demo import write_demo
from sampler.config import SamplerConfig
from sampler.fit import fit_image
from sampler.samples import Sample
from sampler.streaming import StreamSettings, TaskStream

SIDE = 512
SHARD_SIZE = 22
TASKS = ("canny,target", "depth,target", "target,hed", "target,depth", "canny,redux_style")
_ROUNDS = 9


def run() -> list[dict[str, Any]]:
    """Return the share of webdataset's speed that the stream reaches, and its speed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_demo(place / "demo")
        photographs = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((place / "demo").glob("*.png"))]
        data = place / "data"
        _write_dataset(data, [turned for image in photographs for turned in _turned(image)])
        return _compare(data)


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


def _turned(image: np.ndarray) -> Iterator[np.ndarray]:
    """Yield eight pictures that differ: the four quarter turns of an image and of its mirror image."""
    square = fit_image(image, (SIDE, SIDE), "crop")
    for source in (square, square[:, ::-1]):
        for turns in range(4):
            yield np.ascontiguousarray(np.rot90(source, turns))


def _write_dataset(data: Path, images: list[np.ndarray]) -> None:
    with write_session(str(data), shard_size=SHARD_SIZE) as session:
        for shard, start in enumerate(range(0, len(images), SHARD_SIZE)):
            part = images[start : start + SHARD_SIZE]
            rows = [found for number, image in enumerate(part) for found in _record(image, start + number, number)]
            write_part(session.folder, session.run, shard, "all-0", rows)
            session.seal(shard)


def _record(image: np.ndarray, number: int, ordinal: int) -> Iterator[PartRow]:
    """Yield a record of 12 members, of which a task needs two or three."""
    origin = Origin(name=str(number), kind="images", sha256=hashlib.sha256(image.tobytes()).hexdigest())
    info = RecordInfo(key=f"photograph-{number}", origin=origin)
    yield PartRow(ordinal=ordinal, key=info.key, annotator="", node="json", data=info.to_json())
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    yield _part_row(info.key, ordinal, "target", image, annotator=SOURCE)
    yield _part_row(info.key, ordinal, "canny", cv2.Canny(image, 100, 200))
    for node, blur in (("reference", 1), ("hed", 3), ("depth", 9), ("normal", 5)):
        source = image if GRAPH200K[node].channels == 3 else grey
        yield _part_row(info.key, ordinal, node, cv2.GaussianBlur(source, (0, 0), blur))
    for node in ("instant_style", "redux_style"):
        for role in ("reference", "image"):
            yield _part_row(info.key, ordinal, node, image[:, ::-1].copy(), variant=0, role=role)


def _part_row(key: str, ordinal: int, node: str, image: np.ndarray, **names: Any) -> PartRow:
    data = encode_image(image, GRAPH200K[node].codec)
    names = {"annotator": node} | names
    return PartRow(ordinal=ordinal, key=key, node=node, width=SIDE, height=SIDE, data=data, **names)
