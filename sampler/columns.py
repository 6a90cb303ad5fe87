"""What fills the columns of a grid: each node type of the task one column, a style node two (paper, Sec. 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from graph200k.catalogue import GRAPH200K, Catalogue, MetaTask
from graph200k.schema import Task


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a grid: the same kind of image in every row."""

    node: str
    """Node type."""
    role: str = ""
    """``reference`` or ``image`` for the two halves of a style; "" for the image of any other node type."""


def task_columns(task: Task, catalogue: Catalogue = GRAPH200K) -> tuple[Column, ...]:
    """Return the columns of a task: what is given in the order of its path, then what is generated.

    Examples
    --------
    >>> from graph200k.schema import find_task
    >>> [(column.node, column.role) for column in task_columns(find_task("canny,redux_style"))]
    [('canny', ''), ('redux_style', 'reference'), ('redux_style', 'image')]
    """
    columns = [Column(node, role) for node in task.path for role in _roles(node, catalogue)]
    asked = [Column(node, _roles(node, catalogue)[-1]) for node in task.targets]
    return (*(column for column in columns if column not in asked), *asked)


def _roles(node: str, catalogue: Catalogue) -> tuple[str, ...]:
    entry = catalogue[node]
    # The matte of a foreground is what is stored, not what a grid shows.
    return entry.roles if entry.meta_task is MetaTask.STYLE_TRANSFER else ("",)
