from __future__ import annotations

import re

import pytest

from graph200k.catalogue import Catalogue, MetaTask, NodeType
from graph200k.record import Edit, Text
from graph200k.schema import Task, find_task
from sampler.columns import task_columns
from sampler.instructions import instruct
from sampler.phrasebook import frames
from support.instructing import ALL_SAID, SCENES, say


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ("canny,target", 0),
        ("target,instant_style", 0),
        ("target,redux_style", 2),
        ("target,reference", 1),
        ("rain,target", 0),
        ("foreground,target", 0),
    ],
)
def test_no_content_is_told_where_cues_suffice(task: str, wanted: int) -> None:
    assert {say(task, [wanted], picks=picks).content for picks in range(50)} == {""}


@pytest.mark.parametrize("text", [Text(), Text(item="", description="  "), Text(item="N/A", description="none.")])
def test_no_content_is_told_where_there_is_no_caption(text: Text) -> None:
    assert say("canny,target", text=text).content == ""


@pytest.mark.parametrize("task", ["canny,target", "rain,target", "reference,target"])
def test_the_content_is_name_and_caption_of_the_photograph(task: str) -> None:
    for picks in range(50):
        said = say(task, picks=picks)
        assert said.content.endswith(": A red teapot. It stands on a sill, steaming.")
        assert f"[IMAGE{len(task_columns(find_task(task)))}]" in said.content


def test_a_caption_is_taken_as_it_is() -> None:
    said = say("canny,target", text=SCENES[1])
    assert said.content.endswith(': Wooden horse. A toy {on axles} wheels marked "100%".')


OWL = Edit(node="fill_edit", variant=1, name="An owl", description="it looks back")


def test_an_edit_is_told_from_the_picture_given_to_the_picture_wanted() -> None:
    forward = {say("fill_edit,target", [1], picks=picks, edit=OWL).content for picks in range(200)}
    backward = {say("fill_edit,target", [0], picks=picks, edit=OWL).content for picks in range(200)}
    assert len(forward) == len(backward) == len(frames().edit)
    assert 'For [IMAGE2], replace "an owl" with "a red teapot". It stands on a sill, steaming.' in forward
    assert 'For [IMAGE1], replace "a red teapot" with "an owl". It looks back.' in backward


def test_an_edit_from_something_unnamed_tells_the_new_subject_only() -> None:
    found = {say("depth_edit,target", picks=picks).content for picks in range(200)}
    assert 'After the edit, [IMAGE2] shows "a red teapot". It stands on a sill, steaming.' in found
    assert len(found) == len(frames().edit_to)


def test_an_edit_to_something_unnamed_is_told_by_its_caption() -> None:
    content = say("fill_edit,target", edit=OWL, text=SCENES[2]).content
    assert content.endswith(": Two cyclists at dusk.") and "owl" not in content


def test_where_both_pictures_of_an_edit_are_wanted_each_has_its_content() -> None:
    content = say("fill_edit,target", [0, 1], edit=OWL).content
    assert re.fullmatch(
        r".*\[IMAGE1\].*: An owl\. It looks back\. .*\[IMAGE2\].*: A red teapot\. It stands .*", content
    )


def test_an_edit_of_another_node_is_not_told() -> None:
    assert say("depth_edit,target", [0], edit=OWL).content == ""


OMNIEDIT = Catalogue(
    "omniedit",
    [
        NodeType(name="target", meta_task=MetaTask.TARGET),
        NodeType(name="removal", meta_task=MetaTask.IMAGE_EDITING, generates=frozenset({"target"})),
        NodeType(name="style", meta_task=MetaTask.STYLE_TRANSFER, generates=frozenset({"target"})),
    ],
)


def instruction(node: str, meta_task: str, wanted: list[int], picks: int) -> str:
    task = Task((node, "target"), meta_task)
    return instruct(
        task,
        task_columns(task, OMNIEDIT),
        [(0, column) for column in wanted],
        rows=1,
        text=Text(),
        edit=Edit(node=node, variant=0, name="", description="take the kite out of the sky"),
        picks=picks,
        config=ALL_SAID,
        catalogue=OMNIEDIT,
    ).content


@pytest.mark.parametrize(("node", "meta_task"), [("removal", "image editing"), ("style", "style transfer")])
def test_an_edit_without_a_name_is_an_instruction_towards_the_target(node: str, meta_task: str) -> None:
    found = {instruction(node, meta_task, [1], picks) for picks in range(200)}
    assert len(found) == len(frames().instruction)
    assert all("[IMAGE2]" in content and content.endswith(": Take the kite out of the sky.") for content in found)


@pytest.mark.parametrize("wanted", [[0], [0, 1]])
def test_an_instruction_is_not_told_where_its_picture_is_wanted(wanted: list[int]) -> None:
    assert instruction("removal", "image editing", wanted, 0) == ""


def test_the_query_record_says_nothing_about_cells_of_other_rows() -> None:
    task = find_task("canny,target")
    for masked, told in (([(0, 1)], False), ([(0, 1), (1, 0)], False), ([(0, 0), (1, 1)], True)):
        said = instruct(task, task_columns(task), masked, rows=2, text=SCENES[0], edit=None, picks=3, config=ALL_SAID)
        assert bool(said.content) == told
