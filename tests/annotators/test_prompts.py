"""Prompts from texts, good and useless."""

from __future__ import annotations

import pytest

from annotators.prompts import prompt_of
from graph200k.record import Text


@pytest.mark.parametrize(
    "words",
    [
        None, "", "  \n ", "N/A", "none", "Unknown.", "null", "No description available.", "no image",
        "I'm sorry, but I can't see any image.", "Sorry!", "Unable to describe.", "I cannot help with that.",
        "I can't see it", "As an AI language model, I have no eyes.", "The image is blank.",
    ],
)  # fmt: skip
def test_what_describes_nothing_is_no_prompt(words: str | None) -> None:
    assert prompt_of(Text(item="", description=words)) == ""
    assert prompt_of(Text(item="a red cup", description=words)) == "a red cup"


@pytest.mark.parametrize(
    "words",
    [
        "No one sits on the bench.",
        "A sorry sight.",
        "None of the cups is full.",
        "Nun in a garden",
        "The image is red.",
    ],
)
def test_words_that_begin_alike_but_describe_something_are_kept(words: str) -> None:
    assert prompt_of(Text(item="x", description=f" {words}\n")) == words
