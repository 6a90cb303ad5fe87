"""Catalogues of other datasets: each gives the tasks it is there for, and what the core needs of it."""

from __future__ import annotations

import networkx as nx
import pytest

from graph200k.catalogue import GRAPH200K, MetaTask, Storage
from graph200k.catalogues import catalogue_names, find_catalogue
from graph200k.drawing import draw_schema
from graph200k.errors import UnknownNameError
from graph200k.record import MAX_KEY_LENGTH, member_name
from graph200k.schema import catalogue_tasks, find_task, from_node_link, graph200k_tasks, schema_graph, to_node_link

OTHERS = [name for name in catalogue_names() if name != GRAPH200K.name]

TASKS = {
    "viton_hd": {"person,garment,target", "agnostic,garment,target"},
    "photodoodle": {
        "monster_lulu,target",
        "magic_effects,target",
        "painting_effects,target",
        "edge_effect,target",
        "cartoon_effect,target",
        "cloud_sketch,target",
    },
    "omniedit": {
        "addition,target",
        "removal,target",
        "swap,target",
        "attribute_modification,target",
        "environment,target",
        "style,target",
    },
}


def test_the_catalogue_of_graph200k_comes_first_and_is_found_like_the_others() -> None:
    assert catalogue_names()[0] == "graph200k"
    assert find_catalogue("graph200k") is GRAPH200K
    assert catalogue_tasks(GRAPH200K) == graph200k_tasks()


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="unknown catalogue 'omni_edit'; did you mean omniedit"):
        find_catalogue("omni_edit")


@pytest.mark.parametrize("name", OTHERS)
def test_a_catalogue_gives_exactly_its_tasks(name: str) -> None:
    assert {task.name for task in catalogue_tasks(find_catalogue(name))} == TASKS[name]


@pytest.mark.parametrize("name", OTHERS)
def test_a_catalogue_is_named_as_its_module_and_has_one_target(name: str) -> None:
    catalogue = find_catalogue(name)
    assert catalogue.name == name
    assert [entry.name for entry in catalogue.values() if entry.meta_task is MetaTask.TARGET] == ["target"]
    assert catalogue.bit("target") == 0
    assert nx.is_strongly_connected(schema_graph(catalogue))


@pytest.mark.parametrize("name", OTHERS)
def test_every_node_type_is_stored_has_a_task_and_a_name_that_fits_a_tar(name: str) -> None:
    catalogue = find_catalogue(name)
    assert {node for task in catalogue_tasks(catalogue) for node in task.path} == set(catalogue)
    for entry in catalogue.values():
        assert entry.storage is Storage.STORED
        assert len(member_name("k" * MAX_KEY_LENGTH, entry.name, None, "", catalogue)) <= 100


@pytest.mark.parametrize("name", OTHERS)
def test_aliases_stand_for_one_node_type_each(name: str) -> None:
    catalogue = find_catalogue(name)
    aliases = [alias for entry in catalogue.values() for alias in entry.aliases]
    assert len({*aliases, *catalogue}) == len(aliases) + len(catalogue)


@pytest.mark.parametrize("name", catalogue_names())
def test_held_out_tasks_are_tasks(name: str) -> None:
    catalogue = find_catalogue(name)
    assert [find_task(held_out, catalogue).name for held_out in catalogue.held_out] == list(catalogue.held_out)


def test_omniedits_attribute_and_environment_edits_are_held_out() -> None:
    assert set(find_catalogue("omniedit").held_out) == {"attribute_modification,target", "environment,target"}


def test_published_names_of_effects_and_edits_are_understood() -> None:
    assert find_catalogue("photodoodle").resolve("sksmonstercalledlulu") == "monster_lulu"
    assert find_catalogue("photodoodle").resolve("edgeeffect") == "edge_effect"
    assert find_catalogue("omniedit").resolve("env") == "environment"


def test_the_graph_in_dataset_json_says_that_no_task_begins_with_a_garment() -> None:
    graph = from_node_link(to_node_link(schema_graph(find_catalogue("viton_hd"))))
    assert {node for node, alone in graph.nodes(data="is_alone", default=True) if not alone} == {"garment"}
    assert all("is_alone" not in attributes for _, attributes in schema_graph().nodes(data=True))


def test_a_small_graph_can_be_drawn() -> None:
    assert draw_schema(schema_graph(find_catalogue("viton_hd")), {"target": 3, "person": 0})[:4] == b"\x89PNG"
