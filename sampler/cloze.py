"""Cloze specs: any conditions and any targets over the node types of a dataset, beyond the paths of its graph.

``openpose,canny:target`` puts two conditions together, ``target:depth,normal`` asks for two maps at once. They are
for evaluation on tasks that training never saw (paper, Sec. 5), and drawn only when they are asked for by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from graph200k.catalogue import GRAPH200K, Catalogue
from graph200k.errors import PlanError
from graph200k.schema import Task, find_task

SEPARATOR = ":"
CLOZE = "cloze"
"""Meta-task of all specs."""


@dataclass(frozen=True, slots=True)
class ClozeTask(Task):
    """A task of any conditions and any number of targets; all targets are masked, and no condition ever is."""

    asked: int = 1
    """How many node types at the end of the path are targets."""

    @property
    def name(self) -> str:
        """Return conditions and targets, as :func:`parse_cloze` takes them."""
        return SEPARATOR.join((",".join(self.conditions), ",".join(self.targets)))

    @property
    def conditions(self) -> tuple[str, ...]:
        """Return the node types that are given; there may be none."""
        return self.path[: -self.asked]

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the node types that are generated."""
        return self.path[-self.asked :]


def is_cloze(name: str) -> bool:
    """Return whether a name is that of a spec and not of a task of the graph."""
    return SEPARATOR in name


def find_task_or_cloze(name: str, catalogue: Catalogue = GRAPH200K) -> Task:
    """Return the task of the graph with this name, or the one that a spec describes.

    Raises
    ------
    PlanError
        For a spec without a target, or with a node type twice.
    UnknownNameError
        For a task or a node type that does not exist.
    """
    return parse_cloze(name, catalogue) if is_cloze(name) else find_task(name, catalogue)


def parse_cloze(name: str, catalogue: Catalogue) -> ClozeTask:
    """Return the task that a spec describes.

    Raises
    ------
    PlanError
        If it has no target, or a node type twice.
    UnknownNameError
        For a node type that does not exist.

    Examples
    --------
    >>> from graph200k.catalogue import GRAPH200K
    >>> parse_cloze("target:depth,normal", GRAPH200K).targets
    ('depth', 'normal')
    """
    parts = [[node for node in part.split(",") if node] for part in name.split(SEPARATOR)]
    path = tuple(catalogue[node].name for part in parts for node in part)
    if len(parts) != 2 or not parts[1] or len(set(path)) < len(path):
        raise PlanError(f"{name!r} is no cloze spec; expected CONDITIONS:TARGETS, each node type once")
    return ClozeTask(path, CLOZE, len(parts[1]))
