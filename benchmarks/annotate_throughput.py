"""Annotating with the cheap annotators beside a plain multiprocessing pool that does the same work.

The pool is the bound: it calls the same functions on the same shards with as many processes, and one process writes the
same tar; it has no index, no resuming, no failures, no plan. Both read 1,024 crops of 512² from shards; rates are taken
from the first to the last finished block, sealing included, and as whole runs.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage import data as photographs

from annotators.lines import Canny, LineSegments, canny_edges, line_segments
from benchmarks.rows import row
from graph200k.catalogue import Codec
from graph200k.codecs import decode_image, encode_image
from graph200k.commit import index_path, list_shards, shard_path
from graph200k.index import INDEX_SCHEMA, read_table, table_members
from graph200k.record import Provenance, RecordInfo, member_name
from graph200k.session import write_session
from graph200k.shards import ShardWriter
from graph200k.storage import Folder
from pipelines.annotate.engine import ray_cluster
from pipelines.annotate.plan import Request
from pipelines.annotate.run import Progress, annotate, make_plan

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))  # the tests' way to write a dataset without ingest
from support.datasets import make_dataset

IMAGES = 1024
BLOCK = 32


def run() -> list[dict[str, Any]]:
    """Return both rates and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        make_dataset(data, IMAGES, shard_size=256, draw=_crop)
        workers = os.cpu_count() or 1
        pool = _pool(data, Path(folder) / "pool.tar", workers)
        ours = _ours(Path(shutil.copytree(data, Path(folder) / "ours")), workers)
        return [
            row("steady rate beside a plain pool", ours["steady"] / pool["steady"], "×", 0.85),
            row("whole run beside a plain pool", ours["total"] / pool["total"], "×"),
            row("steady rate", ours["steady"], "images/s"),
            row("steady rate of the pool", pool["steady"], "images/s"),
            row("Ray's start, before the first block", ours["start_s"], "s", better="lower"),
        ]


def _crop(number: int) -> np.ndarray:
    """Return a 512² crop of a photograph, mirrored and shifted by number."""
    pictures = [photographs.astronaut(), photographs.coffee(), photographs.rocket(), photographs.chelsea()]
    picture = cv2.resize(pictures[number % 4], (720, 640), interpolation=cv2.INTER_AREA)
    top, left = (number * 37) % 128, (number * 53) % 208
    crop = picture[top : top + 512, left : left + 512]
    return np.ascontiguousarray(crop[:, ::-1] if number % 8 > 3 else crop)


def _ours(data: Path, workers: int) -> dict[str, float]:
    started = time.perf_counter()
    first: list[tuple[float, int]] = []

    def note(progress: Progress) -> None:
        if progress.done and not first:
            first.append((time.perf_counter(), progress.done))

    with write_session(str(data), shard_size=256) as session, ray_cluster(None) as cluster:
        plan = make_plan(session.folder, [Canny(), LineSegments()], cluster, Request(), workers)
        annotate(session, plan, seed=0, weights=data, on_progress=note)
        sealed = time.perf_counter()
    ended = time.perf_counter()
    (at, done), *_ = first
    return {"steady": (IMAGES - done) / (sealed - at), "total": IMAGES / (ended - started), "start_s": at - started}


def _pool(data: Path, out: Path, workers: int) -> dict[str, float]:
    started = time.perf_counter()
    folder = Folder(str(data))
    blocks = list(_blocks(folder))
    first = 0.0
    with multiprocessing.get_context("spawn").Pool(workers, _start) as pool, open(out, "wb") as file:
        with ShardWriter(file) as shard:
            for members in pool.imap(_annotate_block, [(str(data), *block) for block in blocks]):
                first = first or time.perf_counter()
                for name, content in members:
                    shard.add(name, content)
        sealed = time.perf_counter()
    ended = time.perf_counter()
    return {"steady": (IMAGES - BLOCK) / (sealed - first), "total": IMAGES / (ended - started)}


def _start() -> None:
    cv2.setNumThreads(1)


def _blocks(folder: Folder) -> Iterator[tuple[int, list[Any]]]:
    for number in list_shards(folder):
        members = table_members(read_table(folder, index_path(number), INDEX_SCHEMA))
        pairs = list(zip(members[::2], members[1::2], strict=True))
        for start in range(0, len(pairs), BLOCK):
            yield number, pairs[start : start + BLOCK]


def _annotate_block(job: tuple[str, int, list[Any]]) -> list[tuple[str, bytes]]:
    """Return the members of a block of records: target, canny, mlsd, JSON with its provenance."""
    data, number, pairs = job
    folder = Folder(data)
    found = []
    for target, info in pairs:
        jpeg = folder.read_range(shard_path(number), target.offset, target.size)
        record = RecordInfo.from_json(folder.read_range(shard_path(number), info.offset, info.size))
        image = decode_image(jpeg, channels=3)
        found.append((member_name(target.key, "target", None, ""), jpeg))
        for node, lines in (("canny", canny_edges(image)), ("mlsd", line_segments(image))):
            found.append((member_name(target.key, node, None, ""), encode_image(lines, Codec.PNG)))
        made = [Provenance(node=node, annotator=node, parameters=json.dumps({})) for node in ("canny", "mlsd")]
        found.append((member_name(target.key, "json", None, ""), record.with_annotations(made).to_json()))
    return found
