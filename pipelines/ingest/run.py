"""Ingest a source: finish what an earlier run left, plan, read and transcode, seal."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from graph200k.commit import index_path, list_shards
from graph200k.errors import SourceError
from graph200k.failures import read_failures, write_failures
from graph200k.index import INDEX_SCHEMA, read_table
from graph200k.manifest import Source as SourceEntry
from graph200k.parts import PartReader, PartRow, list_parts
from graph200k.record import JSON_NODE
from graph200k.schema import schema_graph, to_node_link
from graph200k.session import Session
from pipelines.ingest.failure import ANNOTATOR
from pipelines.ingest.location import Location
from pipelines.ingest.options import IngestOptions, IngestReport
from pipelines.ingest.plan import PLAN, Header, Plan, PlannedItem, write_plan
from pipelines.ingest.planner import Planner, first_free_shard, remove_parts_from
from pipelines.ingest.pool import run_units
from pipelines.ingest.source import SOURCES, Source, find_kind
from pipelines.ingest.work import Unit

logger = logging.getLogger(__name__)

UNIT_ITEMS = 32
"""Items a unit: enough to hide what a task costs, few enough for a bar that moves."""

OnProgress = Callable[[int, int, int], None]
"""Called with the items done, those of them that failed, and all items."""


def ingest(
    session: Session, source: str, options: IngestOptions, on_progress: OnProgress | None = None
) -> IngestReport:
    """Add a source's new items to a dataset, after finishing an ingest that was interrupted.

    Parameters
    ----------
    session
        The open writing session of the dataset.
    source
        Path, pattern or fsspec URL.
    options
        How.
    on_progress
        Told after each unit.

    Raises
    ------
    SourceError
        If the source, or that of an unfinished ingest, is not there or is of no known kind; if its node types are not
        those of the dataset.
    OutputError
        If the dataset cannot be written; the next run goes on from what is finished.

    Examples
    --------
    >>> from graph200k.session import write_session
    >>> with write_session("data/photos", shard_size=1000) as session:  # doctest: +SKIP
    ...     report = ingest(session, "photos/", IngestOptions())
    """
    report = resume_ingest(session, options, on_progress)
    if session.found_unfinished or session.sealed:
        session.settle()
    location = Location(source, session.folder)
    kind = options.kind or find_kind(location)
    opened = SOURCES[kind](location, options.limits)
    _adopt_catalogue(session, opened)
    header = Header(
        kind=kind,
        spec=location.spec,
        absolute=location.absolute,
        first_shard=first_free_shard(session.folder, session.manifest),
        shard_size=session.manifest.shard_size,
        limits=options.limits,
    )
    remove_parts_from(session.folder, header.first_shard)
    planner = Planner(session.folder, opened, dedup=options.dedup, report=report)
    if write_plan(session.folder, header, planner.items(header.shard_size)):
        _carry_out(session, options.processes, report, on_progress)
    return report


def resume_ingest(session: Session, options: IngestOptions, on_progress: OnProgress | None = None) -> IngestReport:
    """Finish an ingest that was interrupted, if there is one.

    Whoever writes to a dataset does this first: a clean end of another session would throw the unfinished one away.

    Raises
    ------
    SourceError
        If its source is gone.
    """
    report = IngestReport()
    plan = Plan.find(session.folder)
    if plan is not None:
        logger.warning("finishing the interrupted ingest of %s first (%d items)", plan.header.spec, plan.count)
        _check_source(session, plan)
        _carry_out(session, options.processes, report, on_progress)
    return report


def _adopt_catalogue(session: Session, source: Source) -> None:
    """Give an empty dataset the node types of its first source; refuse a source of others later."""
    mine, theirs = session.catalogue, source.catalogue
    if mine.name == theirs.name:
        return
    if session.manifest.sources or list_shards(session.folder):
        raise SourceError(
            f"{source.location.spec} holds records of the catalogue {theirs.name!r}, {session.folder.shown()} those of "
            f"{mine.name!r}; ingest it into a dataset of its own (--out): datasets are mixed when tasks are sampled"
        )
    session.save_manifest(session.manifest.updated(catalogue=theirs.name, graph=to_node_link(schema_graph(theirs))))


def _check_source(session: Session, plan: Plan) -> None:
    try:
        Location(plan.header.absolute)
    except SourceError as error:
        raise SourceError(
            f"an unfinished ingest needs its source, but {error}; bring it back and run again, or give "
            f"up the rest of it by removing {session.folder.shown(PLAN)}"
        ) from None


def _carry_out(session: Session, workers: int, report: IngestReport, on_progress: OnProgress | None) -> None:
    """Do what is left of the plan on disk, enter the source in the manifest, and remove the plan."""
    plan = Plan.find(session.folder)
    assert plan is not None
    _Execution(session, plan, report, on_progress).run(workers)
    _forget_mended(session, plan)
    entry = SourceEntry(
        location=plan.header.spec,
        kind=plan.header.kind,
        first_shard=plan.header.first_shard,
        shards=len(plan.shards),
        items=plan.count,
    )
    if entry not in session.manifest.sources:
        session.save_manifest(session.manifest.updated(sources=(*session.manifest.sources, entry)))
    session.settle()
    session.folder.remove(PLAN)


class _Execution:
    """A plan being carried out: which units of which shard are still missing."""

    def __init__(self, session: Session, plan: Plan, report: IngestReport, on_progress: OnProgress | None) -> None:
        self._session = session
        self._plan = plan
        self._report = report
        self._on_progress = on_progress
        self._missing: Counter[int] = Counter()
        self._done = 0
        self._failed = 0

    def run(self, workers: int) -> None:
        for unit, result in run_units(self._units(), workers):
            self._advance(result.done, result.failed)
            self._missing[unit.shard] -= 1
            if not self._missing[unit.shard]:
                self._seal(unit.shard)

    def _units(self) -> Iterator[Unit]:
        """Yield what is left to do; shards with nothing left are sealed on the way."""
        for number, items in self._plan.items():
            # A shard that has an index was sealed with all its items; its parts may have outlived the last run.
            sealed = self._session.folder.exists(index_path(number))
            rows = [] if sealed else _part_rows(self._session, number)
            done = {row.ordinal for row in rows}
            left = [] if sealed else [item for item in items if item.ordinal not in done]
            self._advance(len(items) - len(left), len(done - {row.ordinal for row in rows if row.node is not None}))
            groups = [left[start : start + UNIT_ITEMS] for start in range(0, len(left), UNIT_ITEMS)]
            self._missing[number] = len(groups)
            if not groups:
                self._seal(number)
            for group in groups:
                yield self._unit(number, group)

    def _unit(self, number: int, items: list[PlannedItem]) -> Unit:
        header = self._plan.header
        return Unit(
            data=self._session.folder.url,
            run=self._session.run,
            kind=header.kind,
            location=header.absolute,
            limits=header.limits,
            shard=number,
            items=items,
        )

    def _seal(self, number: int) -> None:
        rows = _part_rows(self._session, number)
        self._report.records += sum(row.node == JSON_NODE for row in rows)
        self._report.failures.update(row.error or "error" for row in rows if row.node is None)
        self._session.seal(number)
        if number in self._session.sealed:
            self._report.shards.append(number)
            self._report.shards.sort()

    def _advance(self, done: int, failed: int) -> None:
        self._done += done
        self._failed += failed
        if self._on_progress is not None and done:
            self._on_progress(self._done, self._failed, self._plan.count)


def _part_rows(session: Session, number: int) -> Sequence[PartRow]:
    paths = list_parts(session.folder, number)
    return [row for path in paths for row in PartReader.open(session.folder, path).rows()]


def _forget_mended(session: Session, plan: Plan) -> None:
    """Take failures of items off the file that are records now: the file was mended since."""
    failures = read_failures(session.folder)
    on_file = {failure.key for failure in failures if failure.annotator == ANNOTATOR}
    mended: set[str] = set()
    for number, items in plan.items():
        suspects = {item.key: item.label for item in items if item.locator is not None and item.label in on_file}
        if suspects and session.folder.exists(index_path(number)):
            table = read_table(session.folder, index_path(number), INDEX_SCHEMA, ["key"])
            made = set(table.column("key").to_pylist())
            mended.update(label for key, label in suspects.items() if key in made)
    if mended:
        kept = [failure for failure in failures if failure.annotator != ANNOTATOR or failure.key not in mended]
        write_failures(session.folder, kept)
