"""The whole of ``graph200k annotate``: ingest what is new, annotate what is missing, say what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Protocol

from annotators.base import Annotator
from annotators.pretrained import PretrainedAnnotator
from graph200k.contact_sheet import save_contact_sheet
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError
from graph200k.failures import read_failures
from graph200k.manifest import DEFAULT_SHARD_SIZE, MANIFEST
from graph200k.record import nodes_stored_by_default
from graph200k.schema import graph200k_tasks
from graph200k.session import Session, write_session
from graph200k.storage import Folder
from pipelines.annotate.config import choose_annotators
from pipelines.annotate.engine import RayNotes, ray_cluster
from pipelines.annotate.estimate import log_run
from pipelines.annotate.options import Options
from pipelines.annotate.run import Plan, Progress, annotate, check_inputs, make_plan
from pipelines.ingest import IngestOptions, IngestReport, ingest, resume_ingest
from pipelines.ingest.location import Location

CONTACT_SHEET = "contact_sheet.png"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run leaves behind."""

    records: int
    """Records in the dataset."""
    annotations: dict[str, int]
    """Records by stored node type that they can serve, over the whole dataset."""
    absent: list[str]
    """Node types that no record has, because nothing here makes them."""
    failures: dict[str, int]
    """Failures on file, by ``annotator:class``, over the whole dataset."""
    rejected: dict[str, int]
    """Generated pictures that a quality gate rejected in this run, by ``annotator:reason``."""
    stale: dict[str, int]
    """Records whose output is of another version, weights or parameters, by annotator."""
    tasks: int
    """Tasks that at least one record can serve."""
    annotated: int
    """Records that this run worked on."""
    images_per_s: float | None
    """Records a second from the first to the last finished unit of work, None for fewer than two."""
    seconds: float
    """Whole time, Ray's start included."""
    paths: dict[str, str]
    ingested: list[IngestReport] = field(default_factory=list)


class Listener(Protocol):
    """Where a run says how far it is; a progress bar is one."""

    def phase(self, name: str) -> None:
        """Begin another phase."""

    def counts(self, done: int, failed: int, total: int, images_per_s: float | None = None) -> None:
        """Set the counts of this phase."""


def run_annotate(options: Options, listener: Listener) -> Report:
    """Bring the dataset up to date with its sources and annotators, and return what it holds then.

    Raises
    ------
    Graph200KError
        Of the kind that says what to do: see :mod:`graph200k.errors`.
    """
    started = time.monotonic()
    annotators = choose_annotators(options.config, options.only, options.weights)
    _check_inputs(options)
    with write_session(options.data, shard_size=options.shard_size or DEFAULT_SHARD_SIZE) as session:
        resume_ingest(session, IngestOptions(workers=options.config.workers), listener.counts)
        ingested = [_ingest(session, source, options, listener) for source in options.sources]
        plan, progress = _annotate(session, annotators, options, listener)
        if plan.records:
            log_run(session.folder, plan, progress, time.monotonic() - started)
        session.settle()
        dataset = Dataset(options.data)
        save_contact_sheet(dataset, CONTACT_SHEET)
    if options.sources and not len(dataset):
        raise DatasetError(
            f"nothing in {', '.join(options.sources)} could be read as a record: "
            f"`graph200k failures --data {options.data}` says why"
        )
    return _report(dataset, plan, progress, ingested, time.monotonic() - started)


def _check_inputs(options: Options) -> None:
    """Refuse what cannot be read before a session makes a folder for it."""
    for source in options.sources:
        Location(source)
    folder = Folder(options.data)
    if not options.sources and not folder.exists(MANIFEST):
        raise DatasetError(f"{options.data} is not a dataset; name images to make it of: `graph200k annotate photos/`")


def _ingest(session: Session, source: str, options: Options, listener: Listener) -> IngestReport:
    listener.phase(f"reading {source}")
    how = IngestOptions(dedup=options.dedup, workers=options.config.workers)
    return ingest(session, source, how, listener.counts)


def _annotate(
    session: Session, annotators: Sequence[Annotator], options: Options, listener: Listener
) -> tuple[Plan, Progress]:
    # What the run needs is checked against the cluster that it runs on, which may not be this machine.
    plan = make_plan(session.folder, annotators, None, options.request, options.config.workers)
    if options.only is not None:  # a preset goes as far as it can
        check_inputs(plan)
    if not plan.records:
        return plan, annotate(session, plan, seed=options.config.seed, weights=options.weights)
    listener.phase("starting Ray")
    with redirect_stdout(RayNotes()), ray_cluster(options.ray_address) as cluster:
        plan = make_plan(
            session.folder, annotators, cluster, options.request, options.config.workers, on_cpu=options.config.on_cpu
        )
        if options.ray_address is None:
            listener.phase("looking for models")
            fetch_models(annotator for annotator in annotators if plan.to_run.get(annotator.name))
        # Before the first output: a run killed after its last one finds nothing to do, and would not come by here.
        presets = sorted({*session.manifest.presets, options.config.preset})
        session.save_manifest(session.manifest.updated(presets=tuple(presets)))
        listener.phase("annotating")
        progress = annotate(
            session,
            plan,
            seed=options.config.seed,
            weights=options.weights,
            on_progress=lambda now: _show(now, listener),
        )
    return plan, progress


def fetch_models(annotators: Iterable[Annotator]) -> None:
    """Bring models from the Hub into its cache on this machine, once, before workers of this machine load them.

    Raises
    ------
    MissingWeightsError
        If one cannot be had. From a worker, the same error would come with a page of Ray's own traces.
    """
    for annotator in annotators:
        if isinstance(annotator, PretrainedAnnotator):
            annotator.fetch()


def _show(now: Progress, listener: Listener) -> None:
    listener.counts(now.done, now.failed.total(), now.records, now.images_per_s)


def _report(dataset: Dataset, plan: Plan, progress: Progress, ingested: list[IngestReport], seconds: float) -> Report:
    counts = dataset.node_counts()
    stored = {node: counts[node] for node in dataset.stored_nodes()}
    absent = [node for node in nodes_stored_by_default() if node not in stored]
    failures = Counter(f"{failure.annotator}:{failure.error}" for failure in read_failures(dataset.folder))
    return Report(
        records=len(dataset),
        annotations=stored,
        absent=absent,
        failures=dict(sorted(failures.items())),
        rejected=dict(sorted(progress.rejected.items())),
        stale=dict(+plan.total("stale")),
        tasks=sum(count > 0 for count in dataset.task_counts(graph200k_tasks())),
        annotated=plan.records,
        images_per_s=progress.images_per_s,
        seconds=seconds,
        paths={"data": dataset.folder.url, "contact sheet": dataset.folder.shown(CONTACT_SHEET)},
        ingested=ingested,
    )
