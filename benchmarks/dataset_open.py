"""Opening a dataset, and reading single members of it, on synthetic tables of 200,000 and 5,000,000 records.

Each size is opened in a process of its own, whose time and peak memory are compared with an interpreter that has
imported the same modules and opened nothing.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from skimage import data

from benchmarks.rows import row
from graph200k.catalogue import GRAPH200K, Codec
from graph200k.codecs import decode_image, encode_image
from graph200k.commit import index_path, shard_path
from graph200k.dataset import Dataset
from graph200k.index import INDEX_SCHEMA, RECORDS_SCHEMA, members_table, write_table
from graph200k.manifest import new_manifest, write_manifest
from graph200k.record import JSON_NODE, Member, Origin, RecordInfo, content_hash, member_name, member_order
from graph200k.records import RECORDS
from graph200k.shards import ShardWriter
from graph200k.storage import Folder

SHARD_SIZE = 1000
_OPEN = """
import json, sys, time
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
started = time.perf_counter()
import graph200k.dataset
imported, before = time.perf_counter(), peak()
dataset = graph200k.dataset.Dataset(sys.argv[1])
done = time.perf_counter()
assert len(dataset) == int(sys.argv[2])
print(json.dumps({"import_s": imported - started, "open_s": done - imported, "peak_mb": peak(),
                  "added_mb": peak() - before}))
"""


def run() -> list[dict[str, Any]]:
    """Return times, memory and the cost of random access beside bare reads."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        write_synthetic(small, 200_000)
        write_synthetic(large, 5_000_000)
        opened, opened_large = _open(small, 200_000), _open(large, 5_000_000)
        bare = _open_interpreter()
        return [
            row("open 200,000 records", opened["open_s"] + opened["import_s"], "s over the interpreter", 0.5, "lower"),
            row("of which imports", opened["import_s"], "s"),
            row("open 200,000 records, memory", opened["added_mb"], "MB over the imported library", 100, "lower"),
            row("the same over a bare interpreter", opened["peak_mb"] - bare, "MB"),
            row("open 5,000,000 records", opened_large["open_s"], "s", 5.0, "lower"),
            row("open 5,000,000 records, peak memory", opened_large["peak_mb"], "MB"),
            *_random_access(small),
        ]


def write_synthetic(place: Path, records: int) -> None:
    """Write tables of ``records`` records of 35 members; the pixels of the first shard alone exist."""
    folder = Folder(str(place))
    write_manifest(folder, new_manifest(SHARD_SIZE))
    numbers = np.arange(records)
    keys = pa.array([f"holiday-photo-{number:08d}-1a2b3c4d" for number in range(records)])
    mask = np.full(records, GRAPH200K.mask(list(GRAPH200K)), np.uint64)
    side = np.full(records, 512, np.int32)
    columns = [keys, (numbers // SHARD_SIZE).astype(np.int32), mask, side, side, keys, pa.nulls(records, pa.binary(16))]
    table = pa.table([pa.array(column) for column in columns], schema=RECORDS_SCHEMA)
    write_table(folder, RECORDS, table)
    _write_first_shard(folder, keys[:SHARD_SIZE].to_pylist())


def _write_first_shard(folder: Folder, keys: list[str]) -> None:
    jpeg = encode_image(data.astronaut(), Codec.JPEG)
    identities = _identities()
    members: list[Member] = []
    with folder.writer(shard_path(0)) as file, ShardWriter(file) as shard:
        for key in keys:
            info = RecordInfo(key=key, origin=Origin(name=key, kind="images", sha256="00" * 32)).to_json()
            for node, variant, role in identities:
                content = info if node == JSON_NODE else jpeg
                offset = shard.add(member_name(key, node, variant, role), content)
                digest = content_hash(content)
                place = (offset, len(content), 512, 512, digest)
                members.append(Member(key, node, variant, role, *place, "a", "0123456789abcdef", True))
    table = members_table(members)
    assert table.schema == INDEX_SCHEMA
    write_table(folder, index_path(0), table)


def _identities() -> list[tuple[str, int | None, str]]:
    """Return 35 members of a full record: 18 node types with their variants and roles, and the JSON."""
    single = "target reference canny hed mlsd segmentation depth normal openpose sam2_mask bbox mask depth_edit".split()
    found: list[tuple[str, int | None, str]] = [(node, None, "") for node in single]
    found += [("foreground", None, "matte"), (JSON_NODE, None, "")]
    found += [("fill_edit", variant, "") for variant in range(5)]
    found += [("instant_style", variant, role) for variant in range(3) for role in ("reference", "image")]
    found += [("redux_style", variant, role) for variant in range(2) for role in ("reference", "image")]
    found += [(node, None, "") for node in ("blur", "jpeg", "rain", "frost", "mosaic")]
    assert len(found) == 35
    return sorted(found, key=lambda identity: member_order(*identity))


def _open(place: Path, records: int) -> dict[str, float]:
    runs = []
    for _ in range(4):
        command = [sys.executable, "-c", _OPEN, str(place), str(records)]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {name: statistics.median(found[name] for found in runs[1:]) for name in runs[0]}


def _open_interpreter() -> float:
    command = [sys.executable, "-c", "print(open('/proc/self/status').read())"]
    status = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _random_access(place: Path) -> list[dict[str, Any]]:
    """Time ``dataset.image`` beside a bare read of the same bytes and their decoding, in turn."""
    dataset = Dataset(str(place))
    rng = np.random.default_rng(1)
    places = [
        (dataset.keys[int(number)], node) for number in rng.integers(0, SHARD_SIZE, 400) for node in ("target", "depth")
    ]
    members = [next(found for found in dataset.members(dataset.row(key)) if found.node == node) for key, node in places]
    path = place / shard_path(0)
    ours, bare = [], []
    with open(path, "rb", buffering=0) as file:
        for (key, node), member in zip(places, members, strict=True):
            started = time.perf_counter()
            dataset.image(key, node)
            between = time.perf_counter()
            file.seek(member.offset)
            decode_image(file.read(member.size), channels=GRAPH200K[node].channels)
            ours.append(between - started)
            bare.append(time.perf_counter() - between)
    ratio = statistics.median(ours) / statistics.median(bare)
    return [
        row("random access to a member, beside a bare read and decode", ratio, "×", 1.3, "lower"),
        row("random access to a member", statistics.median(ours) * 1000, "ms"),
    ]
