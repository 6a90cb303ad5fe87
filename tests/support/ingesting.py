"""Running an ingest in tests, and looking at what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from graph200k.dataset import Dataset
from graph200k.failures import Failure, read_failures
from graph200k.session import write_session
from graph200k.storage import Folder
from pipelines.ingest import IngestOptions, IngestReport, ingest


@dataclass
class Outcome:
    """An ingested dataset, opened."""

    data: Path
    report: IngestReport
    progress: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def dataset(self) -> Dataset:
        return Dataset(str(self.data))

    @property
    def failures(self) -> dict[str, Failure]:
        return {failure.key: failure for failure in read_failures(Folder(str(self.data)))}

    def by_name(self) -> dict[str, str]:
        """Key of each record by its name in the source."""
        dataset = self.dataset
        return {dataset.record(key).info.origin.name: key for key in dataset.keys}


def run_ingest(source: Path | str, data: Path, *, shard_size: int = 1000, **options: object) -> Outcome:
    progress: list[tuple[int, int, int]] = []
    settings = IngestOptions(**{"workers": 1, **options})  # type: ignore[arg-type]
    with write_session(str(data), shard_size=shard_size) as session:
        report = ingest(session, str(source), settings, lambda *counts: progress.append(counts))
    return Outcome(data, report, progress)


def picture(seed: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth coloured picture whose four corners differ: turns and flips show."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 256, (2, 2, 3)).astype(float)
    y, x = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    top = corners[0, 0] * (1 - x) + corners[0, 1] * x
    bottom = corners[1, 0] * (1 - x) + corners[1, 1] * x
    return np.rint(top * (1 - y) + bottom * y).astype(np.uint8)


def files_of(data: Path) -> dict[str, bytes]:
    """All files of a dataset that must be equal for equal sources."""
    found = {str(path.relative_to(data)): path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}
    return {name: content for name, content in found.items() if name != "failures.parquet"}
