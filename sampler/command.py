"""What ``graph200k sample-tasks`` does: open a mix, draw samples, write their pictures."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from graph200k.dataset import Dataset
from graph200k.storage import Folder
from sampler.config import DatasetShare, MixConfig
from sampler.grid import Grid
from sampler.pool import LeftOut
from sampler.render import render_sample
from sampler.samples import Sample
from sampler.task_sampler import TaskSampler

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleOptions:
    """What to sample."""

    mix: MixConfig
    data: str
    """Dataset to draw from if the mix names none."""
    only: tuple[str, ...] | None = None
    """Names of tasks; None draws all."""
    first: int = 0
    """Index of the first sample."""
    count: int = 8
    out: Path | None = None
    """Folder for one PNG a sample, ``SEED-INDEX.png``."""


def open_sampler(mix: MixConfig, data: str, only: tuple[str, ...] | None = None) -> TaskSampler:
    """Return the sampler of a mix, or of the dataset ``data`` if the mix names none; tell the log what is left out."""
    shares = mix.datasets or (DatasetShare(data=data),)
    datasets = [Dataset(share.data) for share in shares]
    sampler = TaskSampler(datasets, mix.sampler, shares=shares, only=only)
    for line in explain(sampler.pool.left_out):
        logger.warning("%s", line)
    if sampler.pool.duplicates:
        logger.warning("%d records are left out: exact duplicates of others", sampler.pool.duplicates)
    return sampler


def sample_tasks(options: SampleOptions) -> Iterator[Sample]:
    """Yield samples, and write their pictures if a folder is given.

    Samples that cannot be read give way to others of the same shape, with a line in the log.
    """
    sampler = open_sampler(options.mix, options.data, options.only)
    for index in range(options.first, options.first + options.count):
        if options.out is None:
            yield sampler[index]
            continue
        sample, grid = sampler.load(index)
        with Folder(str(options.out)).writer(f"{sample.seed}-{sample.index}.png") as file:
            picture(sample, grid).save(file, "PNG")
        yield sample


def picture(sample: Sample, grid: Grid) -> Image.Image:
    """Return a sample as a picture for people: the grid with its hole, captions, and the instructions under it."""
    columns = enumerate(sample.columns, start=1)
    captions = [f"[IMAGE{number}] {column.node} {column.role}".rstrip() for number, column in columns]
    said = sample.instructions
    return render_sample(grid, captions, [("layout", said.layout), ("task", said.task), ("content", said.content)])


def explain(left_out: Sequence[LeftOut]) -> list[str]:
    """Return why tasks are not drawn, in a line or two a dataset.

    Examples
    --------
    >>> unserved = [LeftOut("data", f"{node},target", "", (node,)) for node in ("depth", "normal")]
    >>> explain([*unserved, LeftOut("data", "canny,target", "held out")])
    ['data: 2 tasks are left out: no record has depth, normal', 'data: 1 task is left out: held out']
    """
    counts = Counter((left.data, "" if left.missing else left.reason) for left in left_out)
    missing: dict[str, dict[str, None]] = {}
    for left in left_out:
        missing.setdefault(left.data, {}).update(dict.fromkeys(left.missing))
    return [
        f"{data}: {count} {'task is' if count == 1 else 'tasks are'} left out: "
        f"{reason or 'no record has ' + ', '.join(missing[data])}"
        for (data, reason), count in counts.items()
    ]
