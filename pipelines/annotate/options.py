"""What the command line asks of an annotation run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipelines.annotate.config import AnnotateConfig
from pipelines.annotate.plan import Request


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks for."""

    data: str
    sources: tuple[str, ...] = ()
    config: AnnotateConfig = field(default_factory=AnnotateConfig)
    only: tuple[str, ...] | None = None
    request: Request = field(default_factory=Request)
    weights: Path
    ray_address: str | None = None
    shard_size: int | None = None
    """Source records a shard, for a new dataset."""
    dedup: bool = False
