from __future__ import annotations

import pytest

from sampler.wording import as_name, as_sentence, listed, listed_clauses, said


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "  \n",
        "None",
        "N/A.",
        "null",
        "No description available.",
        "Sorry, I cannot help with that.",
        "I'm unable to describe the image.",
        "As an AI model, I see nothing.",
        "There is no image attached.",
    ],
)
def test_a_caption_that_describes_nothing_counts_as_missing(text: str | None) -> None:
    assert said(text) == ""


@pytest.mark.parametrize("text", ["None of the three chairs is taken", "I love NY mug", "There is no one on the beach"])
def test_a_caption_that_only_begins_like_a_refusal_is_kept(text: str) -> None:
    assert said(text) == text


def test_a_caption_over_several_lines_becomes_one() -> None:
    assert said("A red\r\n car\t on\u00a0 a road ") == "A red car on a road"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("a car", "A car."),
        ("A car.", "A car."),
        ("A car!", "A car!"),
        ("a car,", "A car."),
        ('It reads "Stop."', 'It reads "Stop."'),
        ("élan", "Élan."),
        ("", ""),
        (";", ""),
    ],
)
def test_a_line_becomes_a_sentence(line: str, sentence: str) -> None:
    assert as_sentence(line) == sentence


@pytest.mark.parametrize(
    ("line", "name"),
    [("A Vase.", "a Vase"), ("The cat", "the cat"), ("AI robot", "AI robot"), ("An", "An"), ('"X" box', "'X' box")],
)
def test_a_name_stands_inside_a_sentence(line: str, name: str) -> None:
    assert as_name(line) == name


def test_lists_have_no_comma_before_the_last_but_clauses_do() -> None:
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed_clauses(["a is x", "b is y", "c is z"]) == "a is x, b is y, and c is z"
    assert listed(["a"]) == listed_clauses(["a"]) == "a"
