"""How results look on the command line: JSON for scripts, short tables for people."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx

from graph200k.console import amount, duration, show_json, show_line, show_table
from graph200k.failures import Failure
from graph200k.schema import Task, enumerate_tasks, to_node_link
from graph200k.storage import writing
from graph200k.verify import Problem

if TYPE_CHECKING:
    from annotators.models import ModelId
    from annotators.weights import WeightFile
    from pipelines.annotate.command import Report
    from pipelines.annotate.estimate import DryRun
    from pipelines.ingest import IngestReport
    from trainer.command import RunSummary


def show_ingest(report: IngestReport, out: str, *, as_json: bool) -> None:
    """Show what an ingest added."""
    if as_json:
        show_json(dataclasses.asdict(report))
        return
    show_line(f"{report.records} records added to {out}, {report.already_present} were there")
    if report.duplicates:
        kept = "dropped" if report.dropped_duplicates else "kept; --dedup drops them"
        show_line(f"{report.duplicates} exact duplicates ({kept})")
    _show_failures_by_class(report.failures)


def show_annotate(report: Report, *, as_json: bool) -> None:
    """Show what a dataset holds after an annotation run."""
    if as_json:
        show_json(dataclasses.asdict(report))
        return
    show_table("Annotations", ["node type", "records"], report.annotations.items())
    _show_failures_by_class(report.failures)
    if report.rejected:
        counts = ", ".join(f"{name} {count}" for name, count in report.rejected.items())
        show_line(f"rejected and drawn again: {counts}")
    for name, count in report.stale.items():
        show_line(f"{name}: {count} outputs of another version or other parameters; --redo-stale makes them anew")
    if report.absent:
        show_line(f"no record has: {', '.join(report.absent)}")
    speed = "" if report.images_per_s is None else f" ({report.images_per_s:.1f} images/s once the workers ran)"
    show_line(f"{report.records} records; {report.annotated} annotated in {duration(report.seconds)}{speed}")
    show_line(f"{report.tasks} of 134 tasks can be served")
    for name, path in report.paths.items():
        show_line(f"{name}: {path}")


def show_dry_run(plan: DryRun, *, as_json: bool) -> None:
    """Show what a run would do."""
    if as_json:
        show_json(dataclasses.asdict(plan))
        return
    for source in plan.new_sources:
        show_line(f"{source} would be ingested first; its records are not counted here")
    if not plan.records:
        show_line(f"on each record: {', '.join(plan.annotators)}; `graph200k ingest` it to have the work counted")
        return
    columns = ("pass", "name", "workers", "gpus", "memory_mb")
    stages = [tuple(stage[column] for column in columns) for stage in plan.stages]
    show_table("Stages", ["pass", "stage", "workers", "GPUs each", "MiB each"], stages)
    if plan.models:
        models = [
            (found["name"], found["id"], found["size_gb"] or "", "gated" if found["gated"] else "", found["licence"])
            for found in plan.models
        ]
        show_table("Models", ["model", "id", "GB", "", "licence"], models)
    rows = [
        (name, plan.done.get(name, 0), plan.stale.get(name, 0), plan.failed.get(name, 0), plan.to_run.get(name, 0))
        for name in plan.annotators
    ]
    show_table(
        f"Work on {plan.records} records", ["annotator", "done", "of these stale", "failed before", "to do"], rows
    )
    time = "unknown: not all of these ran here before" if plan.seconds is None else f"about {duration(plan.seconds)}"
    show_line(f"adds about {amount(plan.storage_bytes)}; time {time}")
    if plan.gpu_hours:
        known = {name: hours for name, hours in plan.gpu_hours.items() if hours is not None}
        hours = ", ".join(
            f"{name} {hours:.3g}{'' if name in plan.gpu_hours_measured else ' (by formula)'}"
            for name, hours in known.items()
        )
        unknown = ", ".join(name for name in plan.gpu_hours if name not in known)
        show_line(f"GPU hours: {hours or 'none known'}" + (f"; never measured here: {unknown}" if unknown else ""))


def show_graph(
    graph: nx.MultiDiGraph[str], counts: Mapping[str, int] | None, *, png: Path | None, as_json: bool
) -> None:
    """Show the schema graph, with how many records have each node type where a dataset is at hand."""
    if png is not None:
        from graph200k.drawing import draw_schema

        drawn = draw_schema(graph, counts)
        with writing(str(png)):
            png.parent.mkdir(parents=True, exist_ok=True)
            png.write_bytes(drawn)
    if as_json:
        for node, attributes in graph.nodes(data=True):
            attributes["records"] = None if counts is None else counts[node]
        show_json(to_node_link(graph))
        return
    rows = [
        (node, attributes["meta_task"], attributes["storage"], "" if counts is None else counts[node])
        for node, attributes in graph.nodes(data=True)
    ]
    show_table("Node types", ["node type", "meta-task", "storage", "records"], rows)
    show_line(f"{graph.number_of_nodes()} node types, {len(enumerate_tasks(graph))} tasks")
    if png is not None:
        show_line(f"drawn: {png}")


def show_tasks(tasks: Sequence[Task], counts: Sequence[int] | None, *, as_json: bool) -> None:
    """Show tasks with how many records can serve each."""
    numbers: Sequence[int | None] = [None] * len(tasks) if counts is None else counts
    if as_json:
        show_json(
            [
                {"name": task.name, "path": list(task.path), "meta_task": task.meta_task, "records": number}
                for task, number in zip(tasks, numbers, strict=True)
            ]
        )
        return
    rows = [
        (task.name, task.meta_task, "" if number is None else number)
        for task, number in zip(tasks, numbers, strict=True)
    ]
    show_table("Tasks", ["task", "meta-task", "records"], rows)
    served = "" if counts is None else f", {sum(count > 0 for count in counts)} of them served by at least one record"
    show_line(f"{len(tasks)} tasks{served}")


def show_statistics(found: dict[str, Any], *, as_json: bool) -> None:
    """Show what a dataset holds."""
    if as_json:
        show_json(found)
        return
    rows = [
        (node["node"], node["records"], node["members"], node["unusable"], amount(node["bytes"]))
        for node in found["nodes"]
    ]
    show_table("Stored", ["node type", "usable in records", "members", "unusable", "size"], rows)
    sides = ", ".join(
        f"{side} {found[side]['min']} to {found[side]['max']} px (median {found[side]['median']})"
        for side in ("width", "height")
    )
    show_line(f"{found['records']} records in {found['shards']} shards, {amount(found['bytes'])}; {sides}")
    show_line(f"{found['tasks_served']} of {found['tasks']} tasks can be served")
    _show_failures_by_class(found["failures"])


def show_problems(problems: Sequence[Problem], *, repaired: bool, as_json: bool) -> None:
    """Show what a check found."""
    if as_json:
        show_json([dataclasses.asdict(problem) for problem in problems])
        return
    for problem in problems:
        show_line(": ".join(part for part in (problem.shard, problem.member, problem.message) if part))
    if not problems:
        show_line("nothing is wrong")
    elif repaired:
        show_line(
            f"{len(problems)} problems; mended: what was damaged is in quarantine/. A record without its photograph or "
            "JSON is gone; ingest its source again to have it back, and annotate what is missing"
        )
    else:
        show_line(f"{len(problems)} problems; `graph200k verify --repair` mends what can be mended")


def show_failures(failures: Sequence[Failure], *, as_json: bool) -> None:
    """Show failures on file."""
    if as_json:
        show_json([dataclasses.asdict(failure) for failure in failures])
        return
    rows = [(failure.key, failure.annotator, failure.error, failure.message, failure.count) for failure in failures]
    if rows:
        show_table("Failures", ["key", "annotator", "error", "message", "times"], rows)
    else:
        show_line("no failures")


def show_weights(files: Sequence[tuple[WeightFile, Path | None, bool]], *, as_json: bool) -> None:
    """Show weight files, and whether each is there and whole."""
    if as_json:
        show_json(
            [
                {
                    "name": file.name,
                    "model": file.model,
                    "licence": file.licence,
                    "authors": file.authors,
                    "size_bytes": file.size_bytes,
                    "path": path,
                    "ok": good,
                }
                for file, path, good in files
            ]
        )
        return
    rows = [
        (file.name, file.model, file.licence, amount(file.size_bytes), str(path) if good else "missing or damaged")
        for file, path, good in files
    ]
    show_table("Weights", ["name", "model", "licence", "size", "path"], rows)


def show_models(models: Sequence[tuple[ModelId, list[str], Path | None]], *, as_json: bool) -> None:
    """Show models of the Hub, the annotators that use each, and where its files are."""
    if as_json:
        show_json(
            [
                dataclasses.asdict(model)
                | {"pinned": model.pinned, "page": model.page, "annotators": used_by, "path": path}
                for model, used_by, path in models
            ]
        )
        return
    rows = [
        (
            model.name,
            f"{model.id}@{model.revision[:12]}",
            model.licence + (", gated" if model.gated else ""),
            f"{model.size_gb:g} GB",
            ", ".join(used_by),
            str(path) if path else "not here",
        )
        for model, used_by, path in models
    ]
    show_table("Models", ["name", "model", "licence", "size", "used by", "path"], rows)


def show_training(run: RunSummary, *, as_json: bool) -> None:
    """Show how a training run went, and where what it made lies."""
    if as_json:
        show_json(dataclasses.asdict(run))
        return
    skipped = f", {run.skipped} of them skipped" if run.skipped else ""
    window = "step" if run.window == 1 else f"{run.window} steps"
    means = f"mean loss {run.loss_first:.4f} over the first {window}, {run.loss_last:.4f} over the last {window}"
    show_line(f"{run.steps} steps{skipped}; {means}")
    if run.validation_first is not None and run.validation_last is not None:
        show_line(f"masked-cell loss in validation: {run.validation_first:.4f} at first, {run.validation_last:.4f}")
    show_line(f"LoRA      {run.lora}")
    show_line(f"average   {run.average}")
    if run.pictures is not None:
        show_line(f"pictures  {run.pictures}")


def show_counts(title: str, counts: Mapping[str, int], *, as_json: bool) -> None:
    """Show numbers by name."""
    if as_json:
        show_json(dict(counts))
    else:
        show_table(title, ["node type", "records"], counts.items())


def _show_failures_by_class(failures: Mapping[str, int]) -> None:
    if failures:
        rows = [
            (*name.rsplit(":", 1), count) if ":" in name else ("ingest", name, count)
            for name, count in failures.items()
        ]
        show_table("Failures (details: graph200k failures)", ["by", "class", "number"], rows)
