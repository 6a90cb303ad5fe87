"""How often each task is drawn: first a group, then a task of the group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph200k.catalogue import MetaTask
from graph200k.errors import PlanError
from graph200k.schema import Task
from sampler.config import TaskWeights


def task_group(task: Task) -> str:
    """Return the group of a task: its meta-task and what stands beside its main condition.

    Examples
    --------
    >>> from graph200k.schema import find_task
    >>> task_group(find_task("reference,canny,target"))
    'conditional generation with reference'
    >>> task_group(find_task("canny,redux_style")), task_group(find_task("target,redux_style"))
    ('style transfer from condition', 'style transfer')
    """
    conditions = task.conditions
    if "reference" in conditions and (len(conditions) > 1 or task.meta_task == MetaTask.STYLE_TRANSFER):
        return f"{task.meta_task} with reference"
    if task.meta_task == MetaTask.STYLE_TRANSFER and conditions != ("target",):
        return f"{task.meta_task} from condition"
    return task.meta_task


def task_probabilities(tasks: Sequence[Task], weights: TaskWeights) -> np.ndarray:
    """Return the probability of each task, float64: first a group by its weight, then a task of the group by its own.

    Groups of which no task is given, or whose tasks all weigh nothing, are not drawn.

    Raises
    ------
    PlanError
        If nothing weighs anything.
    """
    groups = [task_group(task) for task in tasks]
    inside = np.array([weight_inside(task, weights) for task in tasks])
    outside = {group: group_weight(task, weights) for group, task in zip(groups, tasks, strict=True)}
    members = {group: np.array([found == group for found in groups]) for group in outside}
    totals = {group: float(inside[members[group]].sum()) for group in outside}
    whole = sum(outside[group] for group in outside if totals[group] > 0)
    if whole <= 0:
        raise PlanError("every task weighs 0; expected at least one to draw: raise a weight, or hold fewer tasks out")
    return np.array(
        [
            outside[group] / whole * weight / totals[group] if totals[group] > 0 else 0.0
            for group, weight in zip(groups, inside, strict=True)
        ]
    )


def group_weight(task: Task, weights: TaskWeights) -> float:
    """Return the weight of a task's group relative to the other groups."""
    return weights.groups.get(task_group(task), 1.0) * weights.meta_tasks.get(task.meta_task, 1.0)


def weight_inside(task: Task, weights: TaskWeights) -> float:
    """Return the weight of a task relative to the others of its group."""
    factors = [weights.nodes.get(node, 1.0) for node in task.path]
    return weights.tasks.get(task.name, 1.0) * float(np.prod(factors))
