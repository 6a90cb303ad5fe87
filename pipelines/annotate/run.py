"""The driver of an annotation run: look at what is there, do the rest, seal each shard when its last unit is done."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import networkx as nx

from annotators.base import ANNOTATORS, Annotator
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
    annotators_of,
    dependency_graph,
    fingerprints,
    plan_passes,
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
    passes: list[list[Pool]]
    """Pools of workers; those of one pass over the dataset run at once, for together they fit on the GPUs."""
    work: list[ShardWork]

    @property
    def pools(self) -> list[Pool]:
        """Return the pools of all passes."""
        return [pool for at_once in self.passes for pool in at_once]

    @property
    def annotators(self) -> list[Annotator]:
        """Return the annotators, those that others read from first."""
        return annotators_of(self.graph)

    def total(self, what: Literal["done", "stale", "failed"]) -> Counter[str]:
        """Return that count over all shards, by annotator."""
        return sum((getattr(shard, what) for shard in self.work), Counter())

    @property
    def lacking(self) -> Counter[tuple[str, str]]:
        """Return of how many records an annotator lacks a node type that it reads, by both."""
        return sum((shard.lacking for shard in self.work), Counter())

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
    """Records that needed work when the run started, each counted once in every pass that needs it."""
    done: int = 0
    """Of these, those that are done with."""
    made: Counter[str] = field(default_factory=Counter)
    """Annotations made in this run, by node type."""
    failed: Counter[str] = field(default_factory=Counter)
    """Failures of this run, by ``annotator:class``."""
    runs: Counter[str] = field(default_factory=Counter)
    """Records that each annotator did."""
    seconds: Counter[str] = field(default_factory=Counter)
    """Time spent in each annotator, over all workers."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Generated pictures that a quality gate rejected, by ``annotator:reason``."""
    bytes: Counter[str] = field(default_factory=Counter)
    """Encoded size of what each annotator made."""
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
            for name in ("made", "failed", "runs", "seconds", "bytes", "rejected"):
                getattr(self, name).update(report[name])

    @property
    def images_per_s(self) -> float | None:
        """Return records a second after the first finished unit; None while that one is most of what was done."""
        elapsed, later = self.last - self.first, self.done - self.first_done
        return later / elapsed if elapsed > 0 and later > self.first_done else None


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

    Without a ``cluster``, only what there is to do: the plan has no passes then. Stages without work have no pool.

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
    if cluster is None:
        return Plan(graph, prints, [], work)
    # Tiny models need no leave to run on a machine without a GPU.
    tiny = not cluster.gpus and all_cheap(annotators_of(graph))
    needed = {name for shard in work for _, _, names in shard.needs for name in names}
    stages = [
        stage
        for stage in plan_stages(graph, on_cpu=on_cpu or tiny)
        if any(annotator.name in needed for annotator in stage.annotators)
    ]
    passes = [size_pools(at_once, cluster, workers) for at_once in plan_passes(stages, cluster.gpus)]
    return Plan(graph, prints, passes, work)


def check_inputs(plan: Plan) -> None:
    """Refuse a run that can only fail.

    Raises
    ------
    PlanError
        If an annotator reads what none of the records that it is to do has, and no other annotator of the run makes.
    """
    lacking, to_run = plan.lacking, plan.to_run
    for annotator in plan.annotators:
        records = to_run[annotator.name]
        missing = [node for node in annotator.reads if records and lacking[annotator.name, node] == records]
        if missing:
            raise PlanError(
                f"{annotator.name} reads {', '.join(missing)}, which none of the {records} records to do has, "
                f"and nothing else in --only makes; add to it {', '.join(map(_makers, missing))}"
            )


def _makers(node: str) -> str:
    """Return the annotators that make a node type or state a fact, in words."""
    names = [name for name, cls in sorted(ANNOTATORS.items()) if node in cls.outputs()]
    return " or ".join(names) + ("" if names == [node] else f" (for {node})")


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
    passes = [(pools, units(_work_of(plan, pools), _unit_size(plan, pools))) for pools in plan.passes]
    progress = Progress(sum(len(needs) for _, pieces in passes for _, _, needs in pieces))
    on_progress(progress)
    run = _Run(session, plan, seed, weights)
    for pools, pieces in passes:
        remaining = Counter(shard for _, shard, _ in pieces)
        for unit in _run(run, pools, pieces):
            progress.add(unit)
            on_progress(progress)
            remaining[unit["shard"]] -= 1
            if remaining[unit["shard"]] == 0:
                session.seal(unit["shard"])
    return progress


def _work_of(plan: Plan, pools: Sequence[Pool]) -> list[ShardWork]:
    """Return the work of one pass."""
    mine = {annotator.name for pool in pools for annotator in pool.stage.annotators}
    found = []
    for shard in plan.work:
        needs = [(ordinal, key, [name for name in names if name in mine]) for ordinal, key, names in shard.needs]
        found.append(replace(shard, needs=[need for need in needs if need[2]]))
    return found


def _unit_size(plan: Plan, pools: Sequence[Pool]) -> int:
    workers = max((pool.workers for pool in pools), default=1)
    largest = max(UNIT_SIZE, plan.records // MAX_UNITS)
    return max(1, min(largest, plan.records // (workers * UNITS_PER_WORKER)))


@dataclass(frozen=True, slots=True)
class _Run:
    """What all passes of a run have in common."""

    session: Session
    plan: Plan
    seed: int
    weights: Path


def _run(run: _Run, pools: Sequence[Pool], pieces: Sequence[tuple[int, int, Any]]) -> Iterator[dict[str, Any]]:
    read = {node for annotator in run.plan.annotators for node in annotator.reads}
    configs = [
        StageConfig(
            data=run.session.folder.url,
            run=run.session.run,
            stage=pool.stage.name,
            annotators=pool.stage.annotators,
            fingerprints=run.plan.fingerprints,
            forward=frozenset(read),
            weights=run.weights,
            seed=run.seed,
        )
        for pool in pools
    ]
    work = [{"number": number, "shard": shard, "needs": needs} for number, shard, needs in pieces]
    return run_units(pools, configs, work) if work else iter(())
