"""The schema graph, and tasks as its paths (paper, Sec. 3.1).

networkx is imported where a graph is made: opening a dataset needs none, and it would be a quarter of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from graph200k.catalogue import GRAPH200K, Catalogue, MetaTask
from graph200k.errors import UnknownNameError

if TYPE_CHECKING:
    import networkx as nx


class EdgeKind(StrEnum):
    """What an edge of the schema graph says; also its key in the multigraph."""

    ANNOTATES = "annotates"
    """Both images belong to one record."""
    COMBINE = "combine"
    """The first may stand before the second as one more condition."""
    GENERATE = "generate"
    """The second can be asked for, given the first."""


@dataclass(frozen=True, slots=True)
class Task:
    """A path in the schema graph: all nodes but the last are conditions, the last is generated."""

    path: tuple[str, ...]
    """Node types in order."""
    meta_task: str
    """Family of the task, for weights and tables."""

    @property
    def name(self) -> str:
        """Return the path joined with commas, as the command line takes it."""
        return ",".join(self.path)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Return the node types that are given."""
        return self.path[:-1]

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the node types that are asked for: one, the last of the path."""
        return self.path[-1:]

    @property
    def generated(self) -> str:
        """Return the node type that is asked for."""
        return self.path[-1]


def schema_graph(catalogue: Catalogue = GRAPH200K) -> nx.MultiDiGraph:
    """Return the graph over ``catalogue``, nodes with their meta-task and storage, edges keyed by :class:`EdgeKind`.

    Examples
    --------
    >>> import networkx as nx
    >>> graph = schema_graph()
    >>> graph.number_of_nodes(), nx.is_strongly_connected(graph)
    (50, True)
    """
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=catalogue.name)
    for entry in catalogue.values():
        graph.add_node(
            entry.name,
            meta_task=str(entry.meta_task),
            storage=str(entry.storage),
            codec=str(entry.codec),
            excludes=sorted(entry.excludes),
            **({} if entry.is_alone else {"is_alone": False}),
        )
    for entry in catalogue.values():
        if entry.meta_task != MetaTask.TARGET:
            _add_edge(graph, entry.name, "target", EdgeKind.ANNOTATES)
            _add_edge(graph, "target", entry.name, EdgeKind.ANNOTATES)
        for end in sorted(entry.generates):
            _add_edge(graph, entry.name, end, EdgeKind.GENERATE)
        for start in sorted(entry.generated_from):
            _add_edge(graph, start, entry.name, EdgeKind.GENERATE)
        for start in sorted(entry.combined_after):
            _add_edge(graph, start, entry.name, EdgeKind.COMBINE)
    return graph


def _add_edge(graph: nx.MultiDiGraph, start: str, end: str, kind: EdgeKind) -> None:
    graph.add_edge(start, end, key=str(kind))


def enumerate_tasks(graph: nx.MultiDiGraph) -> list[Task]:
    """Return every task of a schema graph: its simple paths of ``combine`` edges that end with a ``generate`` edge.

    Paths are found by depth-first search from each node, in node order; the cost grows with the number of
    ``combine`` paths (a few dozen here).
    """
    starts = [node for node, attributes in graph.nodes(data=True) if attributes.get("is_alone", True)]
    return [task for start in starts for task in _tasks_from(graph, (start,))]


def _tasks_from(graph: nx.MultiDiGraph, conditions: tuple[str, ...]) -> Iterator[Task]:
    last = conditions[-1]
    for _, end, kind in graph.out_edges(last, keys=True):
        if end in conditions:
            continue
        if kind == EdgeKind.COMBINE:
            yield from _tasks_from(graph, (*conditions, end))
        elif kind == EdgeKind.GENERATE and not set(conditions) & set(graph.nodes[end]["excludes"]):
            path = (*conditions, end)
            yield Task(path, _meta_task(graph, path))


def _meta_task(graph: nx.MultiDiGraph, path: tuple[str, ...]) -> str:
    """Name the family of a task: by what it generates, or, for the target itself, by its nearest condition."""
    generated = str(graph.nodes[path[-1]]["meta_task"])
    if generated == MetaTask.CONDITIONAL_GENERATION:
        return "dense prediction"
    if generated == MetaTask.IP_PRESERVATION:
        return "subject extraction"
    if generated == MetaTask.TARGET:
        return str(graph.nodes[path[-2]]["meta_task"])
    return generated


def catalogue_tasks(catalogue: Catalogue) -> tuple[Task, ...]:
    """Return the tasks of a dataset's node types, in the order of their first condition."""
    return graph200k_tasks() if catalogue is GRAPH200K else tuple(enumerate_tasks(schema_graph(catalogue)))


@lru_cache(maxsize=1)
def graph200k_tasks() -> tuple[Task, ...]:
    """Return the 134 tasks of Graph200K."""
    return tuple(enumerate_tasks(schema_graph(GRAPH200K)))


def find_task(name: str, catalogue: Catalogue = GRAPH200K) -> Task:
    """Return the task with this name (its path joined with commas).

    Raises
    ------
    UnknownNameError
        With the closest names, if there is none.

    Examples
    --------
    >>> find_task("reference,canny,target").conditions
    ('reference', 'canny')
    """
    tasks = catalogue_tasks(catalogue)
    for task in tasks:
        if task.name == name:
            return task
    raise UnknownNameError("task", name, [task.name for task in tasks])


def to_node_link(graph: nx.MultiDiGraph) -> dict[str, Any]:
    """Return the graph as node-link JSON (networkx's layout, edges under ``edges``)."""
    import networkx as nx

    data: dict[str, Any] = nx.node_link_data(graph, edges="edges")
    return data


def from_node_link(data: dict[str, Any]) -> nx.MultiDiGraph:
    """Return the graph that :func:`to_node_link` wrote."""
    import networkx as nx

    return nx.node_link_graph(data, directed=True, multigraph=True, edges="edges")
