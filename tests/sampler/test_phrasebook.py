from __future__ import annotations

import re
import tomllib
from dataclasses import asdict
from pathlib import Path
from string import Formatter

import pytest

from graph200k.catalogue import GRAPH200K, Catalogue, NodeType
from graph200k.catalogues import catalogue_names, find_catalogue
from graph200k.errors import UnknownNameError
from sampler.phrasebook import FOLDER, frames, node_phrases, phrases
from support.english import WRONG_ARTICLE

CATALOGUES = sorted(path.stem for path in FOLDER.glob("*.toml") if path.stem != "frames")

AT_LEAST = 10

PLACES = {
    "layout": {"rows", "columns", "images"},
    "content": {"image", "caption"},
    "edit": {"image", "before", "after"},
    "edit_to": {"image", "after"},
    "instruction": {"image", "caption"},
}

ALL = {"all", "all_is"}
GIVEN = {"given", "given_as", "given_is"}
WANTED = {"wanted", "wanted_as"}


def written(catalogue: str) -> list[str]:
    return [phrase for uses in phrases(catalogue).values() for options in uses.values() for phrase in options]


def fields(frame: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(frame) if name is not None]


@pytest.mark.parametrize("node", GRAPH200K)
def test_every_node_type_has_ten_phrases_for_every_use(node: str) -> None:
    entry = GRAPH200K[node]
    assert node in phrases("graph200k")
    for role in {role if len(entry.roles) > 1 else "" for role in entry.roles}:
        assert len(node_phrases(node, role, entry.meta_task, GRAPH200K)) >= AT_LEAST
    assert all(len(options) >= AT_LEAST for options in phrases("graph200k")[node].values())


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_every_list_of_a_catalogue_has_ten_phrases_and_none_stands_twice(catalogue: str) -> None:
    assert min(len(options) for uses in phrases(catalogue).values() for options in uses.values()) >= AT_LEAST
    assert sorted(written(catalogue)) == sorted(set(written(catalogue)))


def test_graph200k_has_phrases_for_no_other_node_types() -> None:
    assert set(phrases("graph200k")) == set(GRAPH200K)


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_a_phrase_is_a_singular_noun_phrase_that_fits_into_brackets_and_lists(catalogue: str) -> None:
    for phrase in written(catalogue):
        assert re.match(r"(a|an|the|another) \S", phrase), f"no article: {phrase}"
        assert not re.search(r"[,.;:()\[\]{}\"]|\s\s|^\s|\s$|\bIMAGE", phrase), f"punctuation or spaces: {phrase}"
        assert not WRONG_ARTICLE.search(phrase), f"a or an: {phrase}"
        assert len(phrase.split()) <= 20


@pytest.mark.parametrize("kind", PLACES)
def test_a_sentence_has_each_of_its_places_once(kind: str) -> None:
    options = asdict(frames())[kind]
    assert len(set(options)) == len(options) >= AT_LEAST
    for frame in options:
        assert sorted(fields(frame)) == sorted(PLACES[kind]), frame


def test_a_task_sentence_names_every_column_with_its_phrase_once() -> None:
    options = frames().task
    assert len(set(options)) == len(options) >= AT_LEAST
    for frame in options:
        named = [name for name in fields(frame) if name in ALL | GIVEN | WANTED]
        both = len(named) == 2 and {named[0] in GIVEN, named[1] in GIVEN} == {True, False}
        assert both or (len(named) == 1 and named[0] in ALL and "wanted_names" in fields(frame)), frame


def test_a_free_sentence_tells_of_nothing_given() -> None:
    options = frames().free
    assert len(set(options)) == len(options) >= AT_LEAST
    for frame in options:
        assert len([name for name in fields(frame) if name in ALL | WANTED]) == 1, frame
        assert not set(fields(frame)) & {*GIVEN, "others"}


def test_a_role_comes_before_the_meta_task_and_any_is_for_the_rest() -> None:
    known = phrases("graph200k")
    assert node_phrases("instant_style", "image", "style transfer", GRAPH200K) == known["instant_style"]["image"]
    assert node_phrases("target", "", "restoration", GRAPH200K) == known["target"]["restoration"]
    assert node_phrases("target", "", "dense prediction", GRAPH200K) == known["target"]["any"]


def test_what_has_no_phrases_is_named() -> None:
    entry = NodeType(name="x_ray", meta_task=GRAPH200K["canny"].meta_task)
    with pytest.raises(UnknownNameError, match="sampler/phrases 'medicine'"):
        node_phrases("x_ray", "", "restoration", Catalogue("medicine", [entry]))
    with pytest.raises(UnknownNameError, match="'x_ray'"):
        node_phrases("x_ray", "", "restoration", Catalogue("graph200k", [entry]))
    with pytest.raises(UnknownNameError, match=r"phrases of 'instant_style'.*'any'"):
        node_phrases("instant_style", "", "restoration", GRAPH200K)


def test_the_files_of_phrases_are_packaged() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert "phrases/*.toml" in project["tool"]["setuptools"]["package-data"]["sampler"]


@pytest.mark.parametrize("name", catalogue_names())
def test_the_node_types_of_every_catalogue_have_phrases_and_no_others_do(name: str) -> None:
    assert set(phrases(name)) == set(find_catalogue(name))
