from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest

from graph200k.record import Edit, Text
from graph200k.schema import Task, find_task, graph200k_tasks
from graph200k.seeds import derive_rng
from sampler.columns import task_columns
from sampler.config import InstructionConfig
from sampler.instructions import Instructions, instruct
from sampler.phrasebook import frames, phrases
from support.english import UNTIDY, WRONG_ARTICLE
from support.instructing import ALL_SAID, SCENES, say

IMAGE = re.compile(r"\[IMAGE(\d+)\]")


def edit_of(task: Task) -> Edit | None:
    return next(
        (Edit(node=node, variant=0, name="An owl", description="") for node in task.path if "edit" in node), None
    )


def faults(said: Instructions, rows: int, columns: int, wanted: int) -> list[str]:
    parts = [part for part in (said.layout, said.task, said.content) if part]
    found = [f"spelling: {part}" for part in parts if UNTIDY.search(part) or WRONG_ARTICLE.search(part)]
    found += [f"start or end: {part}" for part in parts if not part[0].isupper() or part[-1] not in '."!?']
    counts = Counter(re.findall(r"\d+ (?:rows?|columns?|images?)", said.layout))
    nouns = ((rows, "row"), (columns, "column"), (rows * columns, "image"))
    if counts != Counter(f"{count} {noun}{'s' * (count > 1)}" for count, noun in nouns):
        found.append(f"counts: {said.layout}")
    named = Counter(map(int, IMAGE.findall(said.task)))
    twice = (
        {wanted + 1}
        if "must be generated" in said.task or "find [" in said.task or "Generate [" in said.task
        else set()
    )
    if named != Counter([*range(1, columns + 1), *twice]):
        found.append(f"images: {said.task}")
    if set(IMAGE.findall(said.content)) - {str(wanted + 1)}:
        found.append(f"images: {said.content}")
    return found


@pytest.mark.parametrize("meta_task", sorted({task.meta_task for task in graph200k_tasks()}))
def test_every_instruction_of_every_task_is_proof_read(meta_task: str) -> None:
    picks = iter(derive_rng("proof-reading", meta_task).integers(1 << 63, size=40_000).tolist())
    scenes = itertools.cycle(SCENES)
    for task in graph200k_tasks():
        if task.meta_task != meta_task:
            continue
        columns, edit = len(task_columns(task)), edit_of(task)
        for wanted, rows, _ in itertools.product(range(columns), (1, 2, 3), range(50)):
            said = say(task, [wanted], rows=rows, picks=next(picks), text=next(scenes), edit=edit)
            assert faults(said, rows, columns, wanted) == [], task.name


def test_each_direction_says_what_is_given_and_what_is_wanted() -> None:
    forward = {say("canny,target", [1], picks=picks).task.split(" (")[0] for picks in range(300)}
    backward = {say("canny,target", [0], picks=picks).task.split(" (")[0] for picks in range(300)}
    assert {"Infer [IMAGE2]", "Given [IMAGE1]", "Use [IMAGE1]"} <= forward
    assert {"Infer [IMAGE1]", "Given [IMAGE2]", "Use [IMAGE2]"} <= backward
    assert not {"Infer [IMAGE1]", "Given [IMAGE2]"} & forward


def test_several_wanted_columns_are_all_listed() -> None:
    found = {say("reference,canny,target", [0, 2], picks=picks).task for picks in range(300)}
    assert any(
        re.match(r"Infer \[IMAGE1\] \(.+\) and \[IMAGE3\] \(.+\) from \[IMAGE2\] \(.+\)\.$", task) for task in found
    )
    assert any(re.search(r"find \[IMAGE1\] and \[IMAGE3\] by means of the other column\.$", task) for task in found)


def test_where_nothing_is_given_only_wanted_columns_are_told() -> None:
    for picks in range(100):
        task = say("canny,target", [0, 1], picks=picks).task
        assert sorted(IMAGE.findall(task)) == ["1", "2"]
        assert not re.search(r"Given|from \[|other column", task)


def test_the_gap_is_in_the_row_or_the_last_row_or_the_grid() -> None:
    def places(masked: list[tuple[int, int]], rows: int) -> set[str]:
        task = find_task("canny,target")
        told = [
            instruct(task, task_columns(task), masked, rows=rows, text=Text(), edit=None, picks=picks, config=ALL_SAID)
            for picks in range(300)
        ]
        return {found[1] for said in told if (found := re.search(r"known in (the [a-z ]+?) is", said.task))}

    assert places([(0, 1)], 1) == {"the row"}
    assert places([(2, 1)], 3) == {"the last row"}
    assert places([(0, 1), (2, 1)], 3) == {"the grid"}


def test_columns_are_named_in_the_order_shown() -> None:
    task = find_task("reference,canny,target")
    columns = [task_columns(task)[index] for index in (1, 0, 2)]
    for picks in range(100):
        said = instruct(task, columns, [(0, 2)], rows=1, text=Text(), edit=None, picks=picks, config=ALL_SAID)
        if found := re.search(r"\[IMAGE1\] (?:\(|is )([^)]*)", said.task):
            assert re.search("edge|Canny", found[1])


def test_the_two_halves_of_a_style_are_told_apart() -> None:
    known = phrases("graph200k")["redux_style"]
    for picks in range(100):
        task = say("depth,redux_style", picks=picks).task
        assert any(phrase in task for phrase in known["reference"]) and any(phrase in task for phrase in known["image"])


def test_the_same_picks_give_the_same_words_and_others_other_words() -> None:
    assert say("canny,target", picks=7) == say("canny,target", picks=7)
    assert len({say("canny,target", picks=picks).prompt for picks in range(200)}) > 190


def test_all_sentences_and_phrases_are_used_about_equally() -> None:
    told = Counter(say("canny,target", picks=picks).layout for picks in range(5600))
    assert len(told) == len(frames().layout)
    assert max(told.values()) < 1.4 * min(told.values())


def test_parts_are_dropped_as_often_as_asked_and_independently() -> None:
    config = InstructionConfig(drop_prompt=0.1, drop_task=0.2, drop_content=0.3)
    count = 6000
    told = [say("canny,target", picks=picks, config=config) for picks in range(count)]
    heard = [said for said in told if said.prompt]
    assert len(heard) / count == pytest.approx(0.9, abs=0.015)
    assert sum(not said.task for said in heard) / len(heard) == pytest.approx(0.2, abs=0.02)
    assert sum(not said.content for said in heard) / len(heard) == pytest.approx(0.3, abs=0.02)
    assert sum(not said.task and not said.content for said in heard) / len(heard) == pytest.approx(0.06, abs=0.012)
    assert all(said.layout for said in heard)


def test_dropping_one_part_leaves_the_words_of_the_others() -> None:
    for picks in range(50):
        whole = say("canny,target", picks=picks)
        assert say(
            "canny,target", picks=picks, config=InstructionConfig(drop_prompt=0, drop_task=1, drop_content=0)
        ) == (Instructions(whole.layout, "", whole.content))
        assert say("canny,target", picks=picks, config=InstructionConfig(drop_prompt=1)).prompt == ""


def test_a_prompt_joins_what_is_there_with_single_spaces() -> None:
    assert Instructions("A.", "", "C.").prompt == "A. C."
    assert Instructions("", "", "").prompt == ""


@pytest.mark.parametrize("masked", [[], [(1, 0)], [(0, 2)], [(0, -1)]])
def test_cells_outside_the_grid_are_refused(masked: list[tuple[int, int]]) -> None:
    task = find_task("canny,target")
    with pytest.raises(ValueError, match="within 1 × 2"):
        instruct(task, task_columns(task), masked, rows=1, text=Text(), edit=None, picks=0, config=ALL_SAID)


@pytest.mark.parametrize("field", ["drop_prompt", "drop_task", "drop_content"])
def test_a_probability_outside_0_to_1_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=rf"{field}\s+Input should be less than or equal to 1"):
        InstructionConfig(**{field: 1.5})
