from __future__ import annotations

import pytest

from sampler.wording import as_name, as_sentence, listed, listed_clauses


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
