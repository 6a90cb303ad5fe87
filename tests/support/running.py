"""Run annotators on a dataset, on the Ray of the test session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from annotators.base import Annotator
from graph200k.session import write_session
from pipelines.annotate.engine import Cluster
from pipelines.annotate.plan import Request
from pipelines.annotate.run import Progress, annotate, make_plan

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
