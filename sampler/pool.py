"""Which tasks can be drawn from which records, and how often: everything a draw looks up, made once at the start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graph200k.catalogue import Catalogue, Storage
from graph200k.dataset import Dataset
from graph200k.errors import PlanError, UnknownNameError
from graph200k.schema import Task, catalogue_tasks
from sampler.cloze import is_cloze, parse_cloze
from sampler.columns import Column, task_columns
from sampler.config import DatasetShare, TaskWeights
from sampler.serving import RecordList, RecordLists
from sampler.weights import group_weight, task_group, task_probabilities, weight_inside

TURNED = frozenset({"rotate90", "rotate270"})
"""Degradations that swap width and height: their rows fit one size only if cells are squares."""


@dataclass(frozen=True, slots=True)
class PoolTask:
    """A task of one dataset, with what a draw needs of it."""

    dataset: int
    """Position of the dataset in the mix."""
    task: Task
    columns: tuple[Column, ...]
    """In the order of the path."""
    weight: float
    """Probability of the task."""
    records: RecordList


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A task that is not drawn, and why."""

    data: str
    task: str
    reason: str
    missing: tuple[str, ...] = ()
    """Node types of it that no record has."""


class Pool:
    """All tasks that a mix of datasets can serve, with probabilities, columns and records.

    Parameters
    ----------
    datasets
        The datasets of the mix.
    shares
        Their weights, one a dataset.
    only
        Names of tasks, or cloze specs (:mod:`sampler.cloze`); None takes all tasks that are not held out.
    square
        Whether all cells are squares.

    Raises
    ------
    PlanError
        If no task can be served.
    UnknownNameError
        For a task, group, meta-task or node type that no dataset of the mix has.
    """

    def __init__(
        self, datasets: Sequence[Dataset], shares: Sequence[DatasetShare], only: Iterable[str] | None, *, square: bool
    ) -> None:
        self.left_out: list[LeftOut] = []
        self.duplicates = 0
        """Records that are never drawn, being exact duplicates of others."""
        wanted = None if only is None else frozenset(only)
        found: list[PoolTask] = []
        specs = sorted(name for name in wanted or () if is_cloze(name))
        catalogues = [
            (*catalogue_tasks(dataset.catalogue), *(parse_cloze(name, dataset.catalogue) for name in specs))
            for dataset in datasets
        ]
        _check_names(catalogues, shares, wanted)
        total = 0.0
        for position, (dataset, share, tasks) in enumerate(zip(datasets, shares, catalogues, strict=True)):
            served = self._served(position, dataset, share, tasks, wanted, square=square)
            if served:
                found.extend(served)
                total += share.weight
        if not found:
            reasons = "; ".join(f"{left.task}: {left.reason}" for left in self.left_out[:3])
            raise PlanError(
                f"no task can be drawn ({reasons or 'the mix is empty'}); `graph200k tasks --data DIR` shows what a "
                "dataset can serve, `graph200k annotate` adds to it"
            )
        self.tasks = [replace(entry, weight=entry.weight * shares[entry.dataset].weight / total) for entry in found]

    def _served(
        self,
        position: int,
        dataset: Dataset,
        share: DatasetShare,
        tasks: Sequence[Task],
        wanted: frozenset[str] | None,
        *,
        square: bool,
    ) -> list[PoolTask]:
        """Return the tasks of one dataset that can be drawn, weights within the dataset; note why others cannot."""
        lists = RecordLists(dataset.availability, dataset.sizes, dataset.content_ids())
        self.duplicates += lists.duplicates
        kept: list[tuple[Task, RecordList]] = []
        for task in tasks:
            turned = square or not TURNED.isdisjoint(task.path)
            records = lists.serving(task_need(task, dataset.catalogue), square=turned)
            reason = _why_not(task, share, dataset.catalogue, wanted)
            if reason:
                self.left_out.append(LeftOut(share.data, task.name, reason))
            elif reason is None and len(records) == 0:
                self.left_out.append(_unserved(share.data, task, dataset.catalogue, lists))
            elif reason is None:
                kept.append((task, records))
        if not kept:
            return []
        weights = share.weights if wanted is None else TaskWeights()
        probabilities = task_probabilities([task for task, _ in kept], weights)
        return [
            PoolTask(position, task, task_columns(task, dataset.catalogue), float(weight), records)
            for (task, records), weight in zip(kept, probabilities, strict=True)
        ]


def held_out_tasks(share: DatasetShare, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the names of the tasks of a dataset that are kept for evaluation."""
    return catalogue.held_out if share.held_out is None else share.held_out


def task_need(task: Task, catalogue: Catalogue) -> int:
    """Return the availability mask that a record must have: an online node type needs its target and nothing else."""
    stored = [node for node in task.path if catalogue[node].storage is not Storage.ONLINE]
    return catalogue.mask([*stored, "target"])


def _why_not(task: Task, share: DatasetShare, catalogue: Catalogue, wanted: frozenset[str] | None) -> str | None:
    """Return why a task that could be served is not drawn, "" if nobody asked for it, None if it is."""
    if wanted is not None:
        return None if task.name in wanted else ""
    if task.name in held_out_tasks(share, catalogue):
        return "held out"
    if weight_inside(task, share.weights) * group_weight(task, share.weights) == 0:
        return "its weight is 0"
    return None


def _unserved(data: str, task: Task, catalogue: Catalogue, lists: RecordLists) -> LeftOut:
    """Return why no record serves a task: node types that none has, or that none has all of them together."""
    missing = tuple(node for node in task.path if len(lists.serving(catalogue.mask([node]), square=False)) == 0)
    lacking = " or ".join(missing) if missing else f"{' and '.join(task.path)} together"
    return LeftOut(data, task.name, f"no record has {lacking}", missing)


def _check_names(
    catalogues: Sequence[Sequence[Task]], shares: Sequence[DatasetShare], wanted: frozenset[str] | None
) -> None:
    everything = {task.name for tasks in catalogues for task in tasks}
    for name in wanted or ():
        if name not in everything:
            raise UnknownNameError("task", name, everything)
    for tasks, share in zip(catalogues, shares, strict=True):
        known = {
            "meta-task": ({task.meta_task for task in tasks}, share.weights.meta_tasks),
            "task group": ({task_group(task) for task in tasks}, share.weights.groups),
            "task": ({task.name for task in tasks}, [*share.weights.tasks, *(share.held_out or ())]),
            "node type": ({node for task in tasks for node in task.path}, share.weights.nodes),
        }
        for kind, (names, used) in known.items():
            for name in used:
                if name not in names:
                    raise UnknownNameError(kind, name, names)


def dataset_fingerprint(dataset: Dataset) -> str:
    """Return 16 hex digits that change when records, their sizes or what they can serve do; 1 s at 5,000,000."""
    digest = hashlib.blake2b(digest_size=8)
    for values in (dataset.availability, dataset.sizes, dataset.content_ids()):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
