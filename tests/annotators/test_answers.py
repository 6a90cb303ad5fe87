"""Answers as models of both kinds give them, whole, adorned, broken and cut off."""

import numpy as np
import pytest

from annotators.answers import Caption, NamedBox, parse_boxes, parse_caption, score_boxes
from graph200k.errors import AnswerError

CAT, DOG = NamedBox("cat", (12.0, 30.0, 310.0, 455.0)), NamedBox("a small dog", (320.5, 200.0, 610.0, 470.0))
CAT_JSON = '{"bbox_2d": [12, 30, 310, 455], "label": "cat"}'
DOG_JSON = '{"bbox_2d": [320.5, 200, 610, 470], "label": "a small dog"}'

BOTH = {
    "list": f"[{CAT_JSON}, {DOG_JSON}]",
    "fenced": f"```json\n[\n\t{CAT_JSON},\n\t{DOG_JSON}\n]\n```",
    "fence that does not end": f"```json\n[\n\t{CAT_JSON},\n\t{DOG_JSON}\n]",
    "words around": f"Here are the objects:\n\n```json\n[{CAT_JSON},\n{DOG_JSON}]\n```\nThere are two.",
    "words around, no fence": f"The objects are: [{CAT_JSON}, {DOG_JSON}]. I hope this helps!",
    "comma too many": f"[{CAT_JSON}, {DOG_JSON[:-1]},}},\n]",
    "cut off in an entry": f'[{CAT_JSON},\n{DOG_JSON},\n{{"bbox_2d": [5, 6, 7',
    "cut off in an entry, fenced": f'```json\n[\n{CAT_JSON},\n{DOG_JSON},\n{{"bbox_2d": [5, 6, 7, 8], "lab',
    "cut off behind a comma": f"[{CAT_JSON}, {DOG_JSON},",
    "objects without a list": f"{CAT_JSON}\n{DOG_JSON}",
    "list in an object": f'{{"objects": [{CAT_JSON}, {DOG_JSON}]}}',
    "Python's quotes": f"[{CAT_JSON}, {DOG_JSON}]".replace('"', "'"),
    "other keys": f"[{CAT_JSON}, {DOG_JSON}]".replace("bbox_2d", "bbox").replace("label", "name"),
    "more keys": f'[{CAT_JSON}, {DOG_JSON[:-1]}, "sub_label": null, "point_2d": [3, 4]}}]',
    "an entry that is none": f'[{CAT_JSON}, {{"label": "fog"}}, {{"bbox_2d": [1, 2, 3], "label": "x"}}, 7, {DOG_JSON}]',
    "no numbers": f'[{CAT_JSON}, {{"bbox_2d": [1, 2, "3", true], "label": "x"}}, {DOG_JSON}]',
    "not a number": f'[{CAT_JSON}, {{"bbox_2d": [1, 2, 3, NaN], "label": "x"}}, {DOG_JSON}]',
    "Qwen2-VL's marks": "<|object_ref_start|>cat<|object_ref_end|><|box_start|>(12,30),(310,455)<|box_end|>"
    "<|object_ref_start|>a small dog<|object_ref_end|><|box_start|>(320.5,200),(610,470)<|box_end|>",
    "marks that were skipped": "cat(12,30),(310,455)a small dog(320.5, 200), (610, 470)",
    "marks in lines": "1. cat: <|box_start|>(12,30),(310,455)<|box_end|>\n"
    "2. a small dog: <|box_start|>(320.5,200),(610,470)",
    "marks in sentences": "- cat (12,30),(310,455)\n- a small dog: (320.5,200),(610,470)\n- and a tree (5,",
}  # fmt: skip


@pytest.mark.parametrize("answer", BOTH.values(), ids=BOTH.keys())
def test_both_boxes_are_read(answer: str) -> None:
    assert parse_boxes(answer) == [CAT, DOG]


def test_boxes_that_follow_one_name_have_that_name() -> None:
    boxes = "<|box_start|>(1,2),(3,4)<|box_end|><|box_start|>(5,6),(7,8)<|box_end|>"
    answer = f"<|object_ref_start|>cups<|object_ref_end|>{boxes}"
    assert parse_boxes(answer) == [NamedBox("cups", (1, 2, 3, 4)), NamedBox("cups", (5, 6, 7, 8))]


@pytest.mark.parametrize(
    "answer", ["[]", "```json\n[]\n```", "There is nothing to see.\n```json\n[]\n```", '{"objects": []}']
)
def test_an_empty_list_says_that_there_is_nothing(answer: str) -> None:
    assert parse_boxes(answer) == []


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I see a cat.",
        '["cat", "dog"]',
        '[{"label": "cat"}]',
        "{",
        "[[" * 600,
        "(12,30),(310,455)",
        "null",
        "[1, 2, 3, 4]",
    ],
)
def test_an_answer_without_boxes_is_an_error_that_has_its_text(answer: str) -> None:
    with pytest.raises(AnswerError) as raised:
        parse_boxes(answer)
    assert answer[:100] in str(raised.value)


def test_of_a_long_answer_both_ends_are_told() -> None:
    with pytest.raises(AnswerError, match=r"found 'So begins .* … .* at the end'$") as raised:
        parse_boxes(f"So begins {'it goes on ' * 100} at the end")
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("answer", BOTH.values(), ids=BOTH.keys())
def test_a_box_is_as_sure_as_its_digits(answer: str) -> None:
    probabilities = np.full(len(answer), 0.5, np.float32)
    probabilities[: answer.rindex("310")] = 0.25
    for sign in "{[(":
        probabilities[[place for place, letter in enumerate(answer) if letter == sign]] = 0  # no digits
    cat, dog = score_boxes(parse_boxes(answer), answer, probabilities)
    assert (cat.score, dog.score) == (pytest.approx((4 * 0.25 + 6 * 0.5) / 10, abs=0.001), 0.5)


def test_of_equal_boxes_each_has_its_own_score() -> None:
    answer = "a (1,2),(3,4) b (1,2),(3,4)"
    probabilities = np.arange(len(answer)) / 100
    first, second = score_boxes(parse_boxes(answer), answer, probabilities)
    assert (first.score, second.score) == (0.07, 0.21)


def test_numbers_written_oddly_have_no_score() -> None:
    answer = '[{"bbox_2d": [1e1, 20, 30, 40], "label": "cat"}]'
    assert score_boxes(parse_boxes(answer), answer, np.ones(len(answer))) == parse_boxes(answer)


CAPTIONS = {
    "plain": '{"item": "a red cup", "description": "A red cup on a table."}',
    "fenced": '```json\n{\n  "item": "a red cup",\n  "description": "A red cup\\non a table."\n}\n```',
    "comma too many": '{"item": " a red cup ", "description": "A red cup on a table.",}',
    "in a list": '[{"item": "a red cup", "description": "A red cup on a table."}]',
    "words around": 'Sure: {"item": "a red cup", "description": "A red cup on a table."}',
    "turn marks": '{"item": "a red cup", "description": "A red cup on a table."}<|im_end|>',
}


@pytest.mark.parametrize("answer", CAPTIONS.values(), ids=CAPTIONS.keys())
def test_item_and_description_are_read(answer: str) -> None:
    assert parse_caption(answer) == Caption("a red cup", "A red cup on a table.")


@pytest.mark.parametrize(
    "answer",
    ["A red cup on a table.", '{"item": "a red cup"}', '{"item": "", "description": "A cup."}', "[]", "[1]",
     '{"item": "a red cup", "description": "A red cup on a', '{"item": ["cup"], "description": "A cup."}'],
)  # fmt: skip
def test_half_a_caption_is_none(answer: str) -> None:
    with pytest.raises(AnswerError, match="expected"):
        parse_caption(answer)
