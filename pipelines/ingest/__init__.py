"""Ingest: from photographs, tars, record folders and parquet to the first members of shards."""

from __future__ import annotations

from pipelines.ingest.options import IngestOptions, IngestReport
from pipelines.ingest.run import ingest, resume_ingest
from pipelines.ingest.source import SOURCES

__all__ = ["SOURCES", "IngestOptions", "IngestReport", "ingest", "resume_ingest"]
