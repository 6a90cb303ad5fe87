"""The numbers of the paper, each derived here from the rules' prose (design, Sec. 4) and not from the catalogue."""

from __future__ import annotations

import itertools
import json

import networkx as nx
import pytest

from graph200k.catalogue import DEGRADATIONS, GRAPH200K
from graph200k.errors import UnknownNameError
from graph200k.schema import (
    EdgeKind,
    Task,
    enumerate_tasks,
    find_task,
    from_node_link,
    graph200k_tasks,
    schema_graph,
    to_node_link,
)

CONDITIONS = set(
    "canny hed mlsd segmentation depth normal openpose sam2_mask foreground background bbox mask".split()
)  # fmt: skip
DENSE = set("canny hed mlsd segmentation depth normal openpose sam2_mask".split())
EDITS = {"fill_edit", "depth_edit"}
STYLING = CONDITIONS - {"foreground", "background"}

PATHS = {task.path for task in graph200k_tasks()}


def paths_to(generated: str, length: int) -> set[tuple[str, ...]]:
    return {path for path in PATHS if path[-1] == generated and len(path) == length}


def columns(task: Task) -> int:
    """Return the number of columns of the task's grid: a style node fills two."""
    return sum(len(GRAPH200K[node].roles) for node in task.path)


def test_there_are_50_node_types_32_of_them_degradations() -> None:
    assert schema_graph().number_of_nodes() == 50
    assert len(DEGRADATIONS) == len(set(DEGRADATIONS)) == 32


def test_annotates_edges_alone_connect_the_graph_strongly() -> None:
    graph = schema_graph()
    edges = [(start, end) for start, end, kind in graph.edges(keys=True) if kind == EdgeKind.ANNOTATES]
    assert sorted(edges) == sorted(
        edge for node in set(graph) - {"target"} for edge in [(node, "target"), ("target", node)]
    )
    assert nx.is_strongly_connected(nx.DiGraph(edges))


def test_there_are_134_tasks_no_two_with_the_same_path() -> None:
    assert len(graph200k_tasks()) == 134
    assert len(PATHS) == 134
    assert len({task.name for task in graph200k_tasks()}) == 134


def test_47_tasks_generate_the_target_from_one_condition() -> None:
    alone = CONDITIONS | {"reference"} | EDITS | set(DEGRADATIONS)
    assert paths_to("target", 2) == {(node, "target") for node in alone}
    assert len(alone) == 47


def test_45_tasks_generate_the_target_from_a_reference_and_one_condition() -> None:
    combined = (CONDITIONS - {"foreground"}) | EDITS | set(DEGRADATIONS)
    assert paths_to("target", 3) == {("reference", node, "target") for node in combined}
    assert len(combined) == 45


def test_9_tasks_ask_for_the_reference_or_a_dense_prediction() -> None:
    found = {path for path in PATHS if path[-1] in DENSE | {"reference"}}
    assert found == {("target", node) for node in DENSE | {"reference"}}
    assert len(found) == 1 + 8


def test_22_tasks_generate_an_instant_style() -> None:
    alone = {(node, "instant_style") for node in {"target", "reference"} | STYLING}
    combined = {("reference", node, "instant_style") for node in STYLING}
    assert paths_to("instant_style", 2) == alone
    assert paths_to("instant_style", 3) == combined
    assert len(alone | combined) == 22


def test_11_tasks_generate_a_redux_style_none_with_a_reference() -> None:
    assert {path for path in PATHS if path[-1] == "redux_style"} == {
        (node, "redux_style") for node in {"target"} | STYLING
    }
    assert len(STYLING) + 1 == 11


def test_grids_have_2_to_4_columns_and_all_of_these_occur() -> None:
    assert {columns(task) for task in graph200k_tasks()} == {2, 3, 4}


def test_every_node_type_is_in_a_task() -> None:
    assert {node for path in PATHS for node in path} == set(GRAPH200K)


def test_a_task_is_a_simple_path_of_combine_edges_that_ends_with_a_generate_edge() -> None:
    graph = schema_graph()
    for path in PATHS:
        assert len(set(path)) == len(path)
        steps = list(itertools.pairwise(path))
        assert graph.has_edge(*steps[-1], key="generate")
        assert all(graph.has_edge(*step, key="combine") for step in steps[:-1])


def test_tasks_are_in_the_same_order_every_time() -> None:
    assert tuple(enumerate_tasks(schema_graph())) == graph200k_tasks()


def test_tasks_of_a_part_of_the_graph_are_those_whose_nodes_are_in_it() -> None:
    part = {"target", "reference", "canny", "instant_style"}
    found = {task.path for task in enumerate_tasks(schema_graph().subgraph(part))}
    assert found == {path for path in PATHS if set(path) <= part}


@pytest.mark.parametrize(
    ("path", "meta_task"),
    [
        ("canny,target", "conditional generation"),
        ("reference,target", "ip preservation"),
        ("reference,canny,target", "conditional generation"),
        ("target,canny", "dense prediction"),
        ("target,reference", "subject extraction"),
        ("reference,depth,instant_style", "style transfer"),
        ("fill_edit,target", "image editing"),
        ("reference,rain,target", "restoration"),
    ],
)
def test_meta_task_says_what_kind_of_work_it_is(path: str, meta_task: str) -> None:
    assert find_task(path).meta_task == meta_task


def test_conditions_and_what_is_generated_are_the_path() -> None:
    task = find_task("reference,fill_edit,target")
    assert (task.conditions, task.generated) == (("reference", "fill_edit"), "target")


def test_graph_survives_the_way_through_node_link_json() -> None:
    graph = schema_graph()
    again = from_node_link(json.loads(json.dumps(to_node_link(graph))))
    assert nx.utils.graphs_equal(graph, again)
    assert list(again) == list(graph)
    assert tuple(enumerate_tasks(again)) == graph200k_tasks()


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("reference,cany,target", "reference,canny,target"),
        ("canny->target", "canny,target"),
        ("target,redux", "target,redux_style"),
    ],
)
def test_an_unknown_task_names_the_closest(wrong: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown task '{wrong}'; did you mean .*{meant}"):
        find_task(wrong)


def test_a_task_like_no_other_names_some_and_not_all() -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_task("???")
    assert "known: " in str(caught.value)
    assert len(str(caught.value)) < 800
