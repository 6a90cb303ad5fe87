"""A driver that tests start as a process of its own, to kill it: ``SOURCE DATA WORKERS SHARD_SIZE``."""

from __future__ import annotations

import sys

from graph200k.session import write_session
from pipelines.ingest import IngestOptions, ingest


def _show(*counts: int) -> None:
    sys.stdout.write(f"{counts}\n")
    sys.stdout.flush()


def main() -> None:
    source, data, workers, shard_size = sys.argv[1:]
    with write_session(data, shard_size=int(shard_size)) as session:
        ingest(session, source, IngestOptions(workers=int(workers)), _show)


if __name__ == "__main__":
    main()
