"""``failures.parquet``: what could not be made, why, when, and how often it was tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from graph200k.index import FAILURES_SCHEMA, read_table, rows_table, write_table
from graph200k.parts import PartRow
from graph200k.storage import Folder

FAILURES = "failures.parquet"


@dataclass(frozen=True, slots=True)
class Failure:
    """One annotator that failed on one record (or ``ingest`` on one source file)."""

    key: str
    annotator: str
    fingerprint: str
    """Fingerprint of the annotator that failed; another version is tried again without being asked."""
    error: str
    """Class, such as ``oom`` or ``bad_image``; ``docs/format.md`` lists them."""
    message: str
    when: datetime
    count: int
    """Times it failed."""


def read_failures(folder: Folder) -> list[Failure]:
    """Return all failures on file, sorted by key and annotator."""
    if not folder.exists(FAILURES):
        return []
    table = read_table(folder, FAILURES, FAILURES_SCHEMA)
    return [Failure(**row) for row in table.to_pylist()]


def record_failures(folder: Folder, rows: Iterable[PartRow], resolved: set[tuple[str, str]]) -> None:
    """Add failures to the file and take out those of (key, annotator) in ``resolved``; repeating it changes nothing."""
    known = {(failure.key, failure.annotator): failure for failure in read_failures(folder)}
    before = dict(known)
    for row in sorted(rows, key=_when):  # parts come in any order
        identity = (row.key, row.annotator)
        if identity in resolved:
            continue
        earlier = known.get(identity)
        if earlier is None or _when(row) > earlier.when:
            count = 1 if earlier is None else earlier.count + 1
            known[identity] = Failure(
                row.key, row.annotator, row.fingerprint, row.error or "error", row.message or "", _when(row), count
            )
    for identity in resolved:
        known.pop(identity, None)
    if known != before:
        write_failures(folder, known.values())


def _when(row: PartRow) -> datetime:
    assert row.when is not None
    return row.when


def write_failures(folder: Folder, failures: Iterable[Failure]) -> None:
    """Replace the file."""
    ordered = sorted(failures, key=lambda failure: (failure.key, failure.annotator))
    rows = (tuple(getattr(failure, name) for name in FAILURES_SCHEMA.names) for failure in ordered)
    write_table(folder, FAILURES, rows_table(rows, FAILURES_SCHEMA))
