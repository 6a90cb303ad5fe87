"""What a run has to do: the annotators as a dependency graph, cut into stages, and the work each shard still needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx
import pyarrow as pa
import pyarrow.compute as pc

from annotators.base import Annotator, Resources
from graph200k.errors import PlanError
from graph200k.facts import unpack_makers
from graph200k.failures import Failure
from graph200k.record import FACTS, JSON_NODE


@dataclass(frozen=True, slots=True)
class Stage:
    """Annotators that run in one pool of workers, one after the other on each record."""

    annotators: tuple[Annotator, ...]
    on_cpu: bool = False
    """Whether models that want a GPU run without."""

    @property
    def name(self) -> str:
        """Return the annotators' names joined with "+"."""
        return "+".join(annotator.name for annotator in self.annotators)

    @property
    def gpus(self) -> float:
        """Return the GPUs a worker takes."""
        return 0.0 if self.on_cpu else self._taken(lambda needs: needs.gpus)

    @property
    def memory_mb(self) -> int:
        """Return the memory a worker takes, in MiB, its interpreter included."""
        return 200 + int(self._taken(lambda needs: needs.memory_mb))

    def _taken(self, what: Callable[[Resources], float]) -> float:
        """Return what all annotators take together; a family takes what its largest statement says, once."""
        taken: dict[str, float] = {}
        for annotator in self.annotators:
            group = _group_name(annotator)
            taken[group] = max(taken.get(group, 0.0), what(annotator.needs))
        return sum(taken.values())


def dependency_graph(annotators: Iterable[Annotator]) -> nx.DiGraph:
    """Return the graph with an edge from each annotator to those that read what it produces.

    Raises
    ------
    PlanError
        If they depend on each other in a circle, or two produce the same node type.
    """
    graph = nx.DiGraph()
    makers: dict[str, str] = {}
    for annotator in annotators:
        graph.add_node(annotator.name, annotator=annotator)
        for node in annotator.outputs():
            if node in makers:
                raise PlanError(f"{makers[node]} and {annotator.name} both make {node}; choose one of them with --only")
            makers[node] = annotator.name
    for name in graph:
        reads = annotator_of(graph, name).reads
        graph.add_edges_from((makers[node], name) for node in reads if node in makers)
    if not nx.is_directed_acyclic_graph(graph):
        raise PlanError(f"annotators wait for each other: {' → '.join(edge[0] for edge in nx.find_cycle(graph))}")
    return graph


def annotators_of(graph: nx.DiGraph) -> list[Annotator]:
    """Return the annotators of a graph, those that others read from first."""
    return [annotator_of(graph, name) for name in nx.lexicographical_topological_sort(graph)]


def annotator_of(graph: nx.DiGraph, name: str) -> Annotator:
    """Return the annotator at a node of a graph."""
    found: Annotator = graph.nodes[name]["annotator"]
    return found


def plan_stages(graph: nx.DiGraph, *, on_cpu: bool = False) -> list[Stage]:
    """Cut the graph into stages: topological generations, within which all cheap annotators share one stage.

    Those that take a share of a GPU have a stage each, so that tiny models try the stages of large ones; a family has
    one together.
    """

    def shares(group: Sequence[Annotator]) -> bool:
        return all(annotator.needs.cheap and (on_cpu or not annotator.needs.gpus) for annotator in group)

    stages = []
    groups = _groups(graph)
    for generation in nx.topological_generations(groups):
        members: list[list[Annotator]] = [groups.nodes[name]["annotators"] for name in sorted(generation)]
        cheap = tuple(annotator for group in members if shares(group) for annotator in group)
        stages += [Stage(cheap, on_cpu)] if cheap else []
        stages += [Stage(tuple(group), on_cpu) for group in members if not shares(group)]
    return stages


def _groups(graph: nx.DiGraph) -> nx.DiGraph:
    """Return the graph of annotators and families, each with its annotators in the order in which they run.

    If someone outside a family waits for one of it while another of it waits for him, families are left apart.
    """
    annotators = annotators_of(graph)
    for group_name in (_group_name, _own_name):
        groups = nx.DiGraph()
        names = {annotator.name: group_name(annotator) for annotator in annotators}
        for annotator in annotators:
            groups.add_node(names[annotator.name])
            groups.nodes[names[annotator.name]].setdefault("annotators", []).append(annotator)
        groups.add_edges_from((names[a], names[b]) for a, b in graph.edges if names[a] != names[b])
        if nx.is_directed_acyclic_graph(groups):
            break
    return groups


def _group_name(annotator: Annotator) -> str:
    # A colon: no annotator is called so.
    return f"{annotator.needs.family}:" if annotator.needs.family else annotator.name


def _own_name(annotator: Annotator) -> str:
    return annotator.name


def plan_passes(stages: Sequence[Stage], gpus: float) -> list[list[Stage]]:
    """Cut stages into passes over the dataset, one after the other: of each, one worker a stage fits on the GPUs.

    Raises
    ------
    PlanError
        If a stage takes more than there is.
    """
    passes: list[list[Stage]] = [[]]
    for stage in stages:
        if stage.gpus > gpus:
            raise PlanError(
                f"{stage.name} needs {stage.gpus:g} GPU a worker, there are {gpus:g}; "
                "leave it out with --only, name such a cluster with --ray-address, or use --cpu, which is slow"
            )
        # In steps of a thousandth: shares of a tenth do not add up to exactly one.
        if round(sum(other.gpus for other in passes[-1]) + stage.gpus, 3) > gpus:
            passes.append([])
        passes[-1].append(stage)
    return passes


def all_cheap(annotators: Iterable[Annotator]) -> bool:
    """Return whether no annotator needs a GPU that a CPU could not stand in for at once."""
    return all(annotator.needs.cheap or not annotator.needs.gpus for annotator in annotators)


def fingerprints(graph: nx.DiGraph) -> dict[str, str]:
    """Return each annotator's fingerprint, with those of the annotators it reads from mixed in.

    An output is stale when the annotator changed, or when one further up did.
    """
    found: dict[str, str] = {}
    for annotator in annotators_of(graph):
        upstream = sorted(found[before] for before in graph.predecessors(annotator.name))
        found[annotator.name] = "-".join([annotator.fingerprint, *(print_[:4] for print_ in upstream)])
    return found


@dataclass(frozen=True, slots=True)
class Request:
    """Which of the work that could be done is asked for."""

    redo: frozenset[str] = frozenset()
    """Annotators to run again even where their output is there."""
    redo_stale: bool = False
    """Run annotators again where their output is of another version, weights or parameters."""
    retry: frozenset[str] | None = None
    """Classes of failure to try again; empty for all, None for none."""


@dataclass(slots=True)
class ShardWork:
    """What one shard still needs."""

    shard: int
    records: int
    needs: list[tuple[int, str, list[str]]] = field(default_factory=list)
    """Position in the shard, key, and names of the annotators to run, for each record that needs any."""
    done: Counter[str] = field(default_factory=Counter)
    """Records that have their output, by annotator."""
    stale: Counter[str] = field(default_factory=Counter)
    """Records whose output is of another version, by annotator."""
    failed: Counter[str] = field(default_factory=Counter)
    """Records that failed before and are left alone, by annotator."""
    lacking: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Of the records to do, those without an input that no annotator here makes, by annotator and input."""


def shard_work(
    shard: int,
    index: pa.Table,
    graph: nx.DiGraph,
    prints: dict[str, str],
    failures: Mapping[tuple[str, str], Failure],
    request: Request,
) -> ShardWork:
    """Compare a shard's index with what the annotators of ``graph`` would make.

    ``prints`` are the annotators' fingerprints, ``failures`` those on file by key and annotator.
    """
    keys = pc.unique(index.column("key")).to_pylist()
    work = ShardWork(shard, len(keys))
    needs: dict[str, list[str]] = {}
    redo = _with_descendants(graph, request.redo)
    annotators = annotators_of(graph)
    makers = {node: annotator.name for annotator in annotators for node in annotator.outputs()}
    for annotator in annotators:
        name = annotator.name
        present = _present(index, annotator.produces or annotator.states)
        inputs = {node: _present(index, [node]) for node in annotator.reads if node != "target"}  # which all have
        for key in keys:
            to_come = needs.get(key, ())
            lacking = [node for node, found in inputs.items() if key not in found and makers.get(node) not in to_come]
            failure = failures.get((key, name))
            if failure is not None and failure.error == "missing_input" and not lacking:
                failure = None
            state = _state(name, present.get(key), prints[name], failure, request, redo=name in redo)
            if state == "needed":
                needs.setdefault(key, []).append(name)
                work.lacking.update((name, node) for node in lacking)
            elif state == "failed":
                work.failed[name] += 1
            else:
                work.done[name] += 1
                work.stale[name] += state == "stale"
    work.needs = [(position, key, needs[key]) for position, key in enumerate(keys) if key in needs]
    return work


def _with_descendants(graph: nx.DiGraph, names: Iterable[str]) -> set[str]:
    known = [name for name in names if name in graph]
    return {*known, *(after for name in known for after in nx.descendants(graph, name))}


def _present(index: pa.Table, nodes: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return (annotator, fingerprint) of their members or facts, for the keys that have every one of ``nodes``."""
    found: dict[str, tuple[str, str]] = {}
    counts: Counter[str] = Counter()
    for node in nodes:
        made = _facts(index, node) if node in FACTS else _members(index, node)
        counts.update(made.keys())
        found.update(made)
    return {key: value for key, value in found.items() if counts[key] == len(nodes)}


def _members(index: pa.Table, node: str) -> dict[str, tuple[str, str]]:
    rows = index.filter(pc.equal(index.column("node"), node))
    columns = (rows.column(name).to_pylist() for name in ("key", "annotator", "fingerprint"))
    return {key: (by, fingerprint) for key, by, fingerprint in zip(*columns, strict=True)}


def _facts(index: pa.Table, name: str) -> dict[str, tuple[str, str]]:
    packed = {key: unpack_makers(fingerprint) for key, (_, fingerprint) in _members(index, JSON_NODE).items()}
    return {key: (made[name].annotator, made[name].fingerprint) for key, made in packed.items() if name in made}


def _state(
    name: str,
    present: tuple[str, str] | None,
    fingerprint: str,
    failure: Failure | None,
    request: Request,
    *,
    redo: bool,
) -> str:
    """Return ``needed``, ``done``, ``stale`` or ``failed`` for one annotator on one record."""
    if present is not None:
        by_us = present[0] == name
        stale = by_us and present[1] != fingerprint
        if by_us and (redo or (stale and request.redo_stale)):
            return "needed"
        return "stale" if stale else "done"
    if failure is None or failure.fingerprint != fingerprint:
        return "needed"
    retried = request.retry is not None and (not request.retry or failure.error in request.retry)
    return "needed" if retried or redo else "failed"


def units(work: Sequence[ShardWork], size: int) -> list[tuple[int, int, list[tuple[int, str, list[str]]]]]:
    """Return (number, shard, needs) of pieces of at most ``size`` records, none of which crosses a shard."""
    pieces = [
        (shard.shard, shard.needs[start : start + size]) for shard in work for start in range(0, len(shard.needs), size)
    ]
    return [(number, shard, needs) for number, (shard, needs) in enumerate(pieces)]
