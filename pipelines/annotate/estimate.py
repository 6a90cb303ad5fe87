"""What a run would do, take and leave, said before it starts: ``graph200k annotate --dry-run``."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
from pydantic import BaseModel, ValidationError

from annotators.cost import ASSUMED_TFLOP_PER_S
from annotators.models import MODELS, LocalModel
from annotators.pretrained import PretrainedAnnotator
from graph200k.catalogue import GRAPH200K, Codec, NodeType
from graph200k.codecs import parse_json
from graph200k.errors import DatasetError, UnsafeInputError
from graph200k.manifest import MANIFEST
from graph200k.records import read_records
from graph200k.settings_errors import explain
from graph200k.storage import Folder
from pipelines.annotate.config import choose_annotators
from pipelines.annotate.engine import Cluster, local_cluster
from pipelines.annotate.options import Options
from pipelines.annotate.run import Plan, Progress, check_inputs, make_plan

RUNS = "runs.jsonl"
"""One line a finished run: what it made and how fast; the next dry run estimates from it."""

START_S = 8.0
"""Seconds that Ray and the workers take to start on a laptop."""


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a run would do."""

    annotators: list[str]
    new_sources: list[str]
    """Sources that would be ingested first; their records are not counted here."""
    records: int
    """Records in the dataset."""
    stages: list[dict[str, Any]]
    """Name, pass over the dataset, workers, GPUs and MiB a worker of each stage."""
    models: list[dict[str, Any]]
    """Name, id, licence, size in GB, whether gated, and annotators of each model that would be loaded."""
    done: dict[str, int]
    """Records that have their output, by annotator."""
    stale: dict[str, int]
    """Of these, records whose output is of another version, weights or parameters."""
    failed: dict[str, int]
    """Records left alone because they failed before, by annotator."""
    to_run: dict[str, int]
    """Records to do, by annotator."""
    storage_bytes: int
    """Estimate of what would be added."""
    gpu_hours: dict[str, float | None]
    """By annotator that takes a GPU: from earlier runs here, else by formula, None where there is neither."""
    gpu_hours_measured: list[str]
    """Annotators whose GPU hours come from earlier runs."""
    seconds: float | None
    """Estimate from the throughput of earlier runs here, None if an annotator never ran here."""


def dry_run(options: Options) -> DryRun:
    """Return what annotating with these options would do; writes nothing and starts no Ray."""
    folder = Folder(options.data)
    cluster = local_cluster()
    annotators = choose_annotators(options.config, options.only, options.weights)
    plan = make_plan(folder, annotators, cluster, options.request, options.config.workers, on_cpu=options.config.on_cpu)
    if options.only is not None:
        check_inputs(plan)
    history = _History.read(folder)
    return DryRun(
        annotators=[annotator.name for annotator in annotators],
        new_sources=list(options.sources),
        records=sum(shard.records for shard in plan.work),
        stages=[
            {
                "name": pool.stage.name,
                "pass": number,
                "workers": pool.workers,
                "gpus": pool.stage.gpus,
                "memory_mb": pool.stage.memory_mb,
            }
            for number, at_once in enumerate(plan.passes, 1)
            for pool in at_once
        ],
        models=_models(plan),
        done=dict(plan.total("done")),
        stale=dict(+plan.total("stale")),
        failed=dict(+plan.total("failed")),
        to_run=dict(plan.to_run),
        storage_bytes=_storage(folder, plan, history),
        gpu_hours=_gpu_hours(plan, history, _mean_pixels(folder)),
        gpu_hours_measured=sorted(name for name in plan.to_run if history.runs[name]),
        seconds=_seconds(plan, history, cluster),
    )


def _models(plan: Plan) -> list[dict[str, Any]]:
    used: dict[str, list[str]] = {}
    sources: dict[str, LocalModel | None] = {}
    for annotator in plan.annotators:
        if isinstance(annotator, PretrainedAnnotator) and plan.to_run.get(annotator.name):
            for name in annotator.models_used:
                used.setdefault(name, []).append(annotator.name)
                sources[name] = annotator.local_model_of(name)
    return [
        {
            "name": name,
            "id": MODELS[name].id if local is None else f"{'tiny' if local.tiny else 'local'}:{local.folder.name}",
            "licence": MODELS[name].licence if local is None else "",
            "gated": local is None and MODELS[name].gated,
            "size_gb": MODELS[name].size_gb if local is None else None,
            "used_by": used[name],
        }
        for name, local in sources.items()
    ]


def _gpu_hours(plan: Plan, history: _History, pixels: float) -> dict[str, float | None]:
    """Return hours of a whole GPU; an annotator that had a share of one took that share of its time."""
    found: dict[str, float | None] = {}
    for pool in plan.pools:
        for annotator in pool.stage.annotators:
            count, share = plan.to_run[annotator.name], annotator.needs.gpus
            if annotator.needs.cheap or not share or not count:
                continue
            tflop = annotator.tflop(pixels)
            if history.runs[annotator.name] and pool.stage.gpus:
                seconds = share * history.seconds[annotator.name] / history.runs[annotator.name]
            elif tflop is not None:
                seconds = tflop / ASSUMED_TFLOP_PER_S
            else:
                found[annotator.name] = None
                continue
            found[annotator.name] = count * seconds / 3600
    return found


def log_run(folder: Folder, plan: Plan, progress: Progress, seconds: float) -> None:
    """Add a finished run to the dataset's log."""
    line = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "records": plan.records,
        "seconds": round(seconds, 1),
        "runs": progress.runs,
        "busy_s": {name: round(value, 2) for name, value in progress.seconds.items()},
        "bytes": progress.bytes,
        "rejected": progress.rejected,
    }
    earlier = folder.read(RUNS) if folder.exists(RUNS) else b""
    folder.write(RUNS, earlier + json.dumps(line).encode() + b"\n")


class _Run(BaseModel):
    """What later estimates need of a line of the log."""

    runs: dict[str, int]
    busy_s: dict[str, float]
    bytes: dict[str, int]


@dataclass(frozen=True, slots=True)
class _History:
    runs: Counter[str]
    seconds: Counter[str]
    bytes: Counter[str]

    @classmethod
    def read(cls, folder: Folder) -> _History:
        found = cls(Counter(), Counter(), Counter())
        for line in folder.read(RUNS).splitlines() if folder.exists(RUNS) else []:
            try:
                run = _Run.model_validate(parse_json(line))
            except (UnsafeInputError, ValidationError) as error:
                raise DatasetError(
                    f"{folder.shown(RUNS)} has a line that is no run ({explain(error, _Run, 'field')[:200]}); remove "
                    "the line: estimates alone are made from it"
                ) from None
            found.runs.update(run.runs)
            found.seconds.update(run.busy_s)
            found.bytes.update(run.bytes)
        return found


def _storage(folder: Folder, plan: Plan, history: _History) -> int:
    pixels = _mean_pixels(folder)
    by_name = {annotator.name: annotator for annotator in plan.annotators}
    total = 0.0
    for name, count in plan.to_run.items():
        if history.runs[name]:
            total += count * history.bytes[name] / history.runs[name]
        else:
            annotator = by_name[name]
            kinds = [_bytes_per_pixel(GRAPH200K[node]) for node in annotator.produces]
            total += count * pixels * annotator.images_per_record * sum(kinds) / max(1, len(kinds))
    return int(total)


def _mean_pixels(folder: Folder) -> float:
    records = read_records(folder) if folder.exists(MANIFEST) else None
    if records is None or len(records) == 0:
        return 0.0
    return float(pc.mean(pc.multiply(records.column("width"), records.column("height"))).as_py())


def _bytes_per_pixel(entry: NodeType) -> float:
    """Return a first guess, from the demo photographs; runs made here replace it."""
    if entry.codec is Codec.PNG:
        return 0.05
    return 0.2 if entry.channels == 1 else 0.6


def _seconds(plan: Plan, history: _History, cluster: Cluster) -> float | None:
    to_run = plan.to_run
    if any(not history.runs[name] for name in to_run):
        return None
    busy = sum(count * history.seconds[name] / history.runs[name] for name, count in to_run.items())
    workers = max((pool.workers for pool in plan.pools), default=1)
    return busy / min(cluster.cpus, workers) + START_S if to_run else 0.0
