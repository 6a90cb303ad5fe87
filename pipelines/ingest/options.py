"""What an ingest is asked to do, and what it says it did."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field

from graph200k.codecs import DEFAULT_LIMITS, Limits


def _cpus() -> int:
    """Return the number of CPUs this process may use; only Linux knows of affinity."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestOptions:
    """How to ingest a source."""

    dedup: bool = False
    """Whether exact copies of a target (by the bytes in the source) are dropped; they are reported either way."""
    kind: str | None = None
    """Kind of source, found out by looking if None."""
    workers: int | None = None
    """Processes that read and transcode, one a CPU if None; with 1 the work is done in this process, which a crash of a
    codec ends."""
    limits: Limits = DEFAULT_LIMITS
    """What one piece of input may cost."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers={self.workers}; expected 1 or more")

    @property
    def processes(self) -> int:
        """Return how many processes read and transcode."""
        return self.workers or _cpus()


@dataclass(slots=True)
class IngestReport:
    """What one ingest did."""

    records: int = 0
    """Records added."""
    failures: Counter[str] = field(default_factory=Counter)
    """New failures by class; each is a row of ``failures.parquet``."""
    duplicates: int = 0
    """Exact copies met in this run, of each other or of what the dataset holds."""
    dropped_duplicates: int = 0
    """Those of them that were left out."""
    already_present: int = 0
    """Items that the dataset holds already."""
    already_failed: int = 0
    """Items that failed in an earlier run, and have not changed."""
    ignored: int = 0
    """Files that are no part of such a source: other extensions, hidden files."""
    shards: list[int] = field(default_factory=list)
    """Numbers of the shards written."""
