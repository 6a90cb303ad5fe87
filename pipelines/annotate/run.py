"""The driver of an annotation run: look at what is there, do the rest, seal each shard when its last unit is done."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx

from annotators.base import Annotator
from graph200k.catalogue import GRAPH200K
from graph200k.commit import index_path, list_shards
from graph200k.errors import PlanError
from graph200k.failures import read_failures
from graph200k.index import INDEX_SCHEMA, read_table
from graph200k.manifest import MANIFEST, read_manifest
from graph200k.session import Session
from graph200k.storage import Folder
from pipelines.annotate.engine import Cluster, Pool, run_units, size_pools
from pipelines.annotate.plan import (
    Request,
    ShardWork,
    all_cheap,
    dependency_graph,
    fingerprints,
    plan_stages,
    shard_work,
    units,
)
from pipelines.annotate.unit import StageConfig

logger = logging.getLogger(__name__)

UNITS_PER_WORKER = 16
UNIT_SIZE = 32
"""Records a unit: large enough to hide what a unit costs, small enough that all workers end together."""
MAX_UNITS = 4000
"""Beyond so many units they grow instead: Ray takes in each of them, some 5 ms, before the first one starts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before it starts."""

    graph: nx.DiGraph
    fingerprints: dict[str, str]
    pools: list[Pool]
    work: list[ShardWork]

    @property
    def annotators(self) -> list[Annotator]:
        """Return the annotators, those that others read from first."""
        return [annotator for pool in self.pools for annotator in pool.stage.annotators]

    def total(self, what: str) -> Counter[str]:
        """Return ``done``, ``stale`` or ``failed`` over all shards, by annotator."""
        return sum((getattr(shard, what) for shard in self.work), Counter())

    @property
    def to_run(self) -> Counter[str]:
        """Return how many records each annotator still has to do."""
        return Counter(name for shard in self.work for _, _, names in shard.needs for name in names)

    @property
    def records(self) -> int:
        """Return how many records need anything."""
        return sum(len(shard.needs) for shard in self.work)


@dataclass(slots=True)
class Progress:
    """Where a run is; passed to its listener after each unit."""

    records: int
    """Records that needed work when the run started."""
    done: int = 0
    made: Counter[str] = field(default_factory=Counter)
    """Annotations made in this run, by node type."""
    failed: Counter[str] = field(default_factory=Counter)
    """Failures of this run, by ``annotator:class``."""
    runs: Counter[str] = field(default_factory=Counter)
    """Records that each annotator did."""
    seconds: Counter[str] = field(default_factory=Counter)
    """Time spent in each annotator, over all workers."""
    pixels: Counter[str] = field(default_factory=Counter)
    """Pixels that each annotator saw."""
    bytes: Counter[str] = field(default_factory=Counter)
    """Encoded size of what each annotator made."""
    started: float = 0.0
    first: float = 0.0
    last: float = 0.0
    """Clock at the start of the run, and at the first and last finished unit."""
    first_done: int = 0
    """Records in the first finished unit."""

    def add(self, unit: dict[str, Any]) -> None:
        """Count a finished unit."""
        self.last = time.monotonic()
        self.done += len(unit["needs"])
        if not self.first:
            self.first, self.first_done = self.last, self.done
        for report in unit["reports"]:
            for name in ("made", "failed", "runs", "seconds", "pixels", "bytes"):
                getattr(self, name).update(report[name])

    @property
    def images_per_s(self) -> float | None:
        """Return records a second between the first and the last finished unit, None for fewer than two units."""
        elapsed = self.last - self.first
        return (self.done - self.first_done) / elapsed if elapsed > 0 else None


def make_plan(
    folder: Folder,
    annotators: Sequence[Annotator],
    cluster: Cluster | None,
    request: Request,
    workers: int | None,
    *,
    on_cpu: bool = False,
) -> Plan:
    """Return what a run would do; reads indexes and failures, writes nothing.

    Without a ``cluster``, only what there is to do: the plan has no pools then.

    Raises
    ------
    PlanError
        If the dataset has other node types than those that annotators make.
    """
    _check_catalogue(folder)
    graph = dependency_graph(annotators)
    prints = fingerprints(graph)
    failures = {(failure.key, failure.annotator): failure for failure in read_failures(folder)}
    work = []
    for number in list_shards(folder):
        index = read_table(folder, index_path(number), INDEX_SCHEMA, ["key", "node", "annotator", "fingerprint"])
        work.append(shard_work(number, index, graph, prints, failures, request))
    pools = [] if cluster is None else _pools(graph, cluster, workers, on_cpu=on_cpu)
    return Plan(graph, prints, pools, work)


def _pools(graph: nx.DiGraph, cluster: Cluster, workers: int | None, *, on_cpu: bool) -> list[Pool]:
    # Tiny models need no leave to run on a machine without a GPU.
    tiny = not cluster.gpus and all_cheap(annotator for _, annotator in graph.nodes(data="annotator"))
    return size_pools(plan_stages(graph, on_cpu=on_cpu or tiny), cluster, workers)


def _check_catalogue(folder: Folder) -> None:
    name = read_manifest(folder).catalogue if folder.exists(MANIFEST) else GRAPH200K.name
    if name != GRAPH200K.name:
        raise PlanError(
            f"{folder.shown()} is a dataset of the catalogue {name!r}, and annotators make the node types of "
            f"{GRAPH200K.name!r}; its records are complete as they were ingested. To annotate its images, ingest them "
            "as a folder of images into a dataset of their own"
        )


def annotate(
    session: Session,
    plan: Plan,
    *,
    seed: int,
    weights: Path,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Do what ``plan`` says on the Ray this process is connected to, and seal every shard that it touches."""
    progress = Progress(plan.records, started=time.monotonic())
    on_progress(progress)
    pieces = units(plan.work, _unit_size(plan))
    remaining = Counter(shard for _, shard, _ in pieces)
    for unit in _run(session, plan, seed, weights, pieces):
        progress.add(unit)
        on_progress(progress)
        remaining[unit["shard"]] -= 1
        if remaining[unit["shard"]] == 0:
            session.seal(unit["shard"])
    return progress


def _unit_size(plan: Plan) -> int:
    workers = max((pool.workers for pool in plan.pools), default=1)
    largest = max(UNIT_SIZE, plan.records // MAX_UNITS)
    return max(1, min(largest, plan.records // (workers * UNITS_PER_WORKER)))


def _run(
    session: Session, plan: Plan, seed: int, weights: Path, pieces: Sequence[tuple[int, int, Any]]
) -> Iterator[dict[str, Any]]:
    needed = plan.to_run
    pools = [pool for pool in plan.pools if any(annotator.name in needed for annotator in pool.stage.annotators)]
    read = {node for annotator in plan.annotators for node in annotator.reads}
    configs = [
        StageConfig(
            data=session.folder.url,
            run=session.run,
            stage=pool.stage.name,
            annotators=pool.stage.annotators,
            fingerprints=plan.fingerprints,
            forward=frozenset(read),
            weights=weights,
            seed=seed,
        )
        for pool in pools
    ]
    work = [{"number": number, "shard": shard, "needs": needs} for number, shard, needs in pieces]
    return run_units(pools, configs, work) if work else iter(())
