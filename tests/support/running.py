"""Run annotators on a dataset, on the Ray of the test session."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from annotators.base import Annotator
from graph200k.session import write_session
from pipelines.annotate.engine import Cluster, Pool
from pipelines.annotate.plan import Request
from pipelines.annotate.run import Progress, annotate, make_plan
from pipelines.annotate.stage import StageWorker, unit_table
from pipelines.annotate.unit import StageConfig

EVERYTHING_MISSING = Request()


def run_annotators(
    data: Path,
    annotators: Sequence[Annotator],
    cluster: Cluster,
    *,
    request: Request = EVERYTHING_MISSING,
    workers: int | None = None,
    weights: Path = Path("no-weights"),
    seed: int = 0,
) -> Progress:
    """Annotate the dataset at ``data`` and return how it went."""
    with write_session(str(data), shard_size=8) as session:
        plan = make_plan(session.folder, annotators, cluster, request, workers)
        return annotate(session, plan, seed=seed, weights=weights)


def annotate_here(
    data: Path, annotators: Sequence[Annotator], *, request: Request = EVERYTHING_MISSING, seed: int = 0
) -> Progress:
    """Do the same in this process, stage after stage, without Ray."""
    cluster = Cluster(cpus=2, gpus=1, memory_mb=64_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.annotate.run.run_units", _run_units_here)
        return run_annotators(data, annotators, cluster, request=request, seed=seed)


def _run_units_here(
    pools: Sequence[Pool], configs: Sequence[StageConfig], units: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    workers = [StageWorker(config) for config in configs]
    for unit in units:
        row = unit_table([unit])
        for worker in workers:
            row = worker(row)
        yield json.loads(row.to_pylist()[0]["unit"])


def sealed_bytes(data: Path) -> dict[str, bytes]:
    """Return the files of a dataset that must not depend on how it came about, by relative path."""
    names = ["dataset.json", "records.parquet"]
    paths = [*data.glob("shards/*"), *data.glob("index/*"), *(data / name for name in names)]
    return {str(path.relative_to(data)): path.read_bytes() for path in sorted(paths)}


def assert_clean(data: Path) -> None:
    """Assert that no work in progress, temporary file or lock is left."""
    left = [
        str(path) for path in data.rglob("*") if "parts" in path.parts or ".tmp-" in path.name or "lock" in path.name
    ]
    assert left == []
