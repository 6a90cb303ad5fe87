"""Prompts from texts, good and useless."""

from __future__ import annotations

import pytest

from annotators.prompts import prompt_of
from graph200k.record import Text


@pytest.mark.parametrize("words", [None, "", "N/A", "I'm sorry, but I can't see any image.", "untitled"])
def test_what_describes_nothing_is_no_prompt(words: str | None) -> None:
    assert prompt_of(Text(item="", description=words)) == ""
    assert prompt_of(Text(item="a red cup", description=words)) == "a red cup"


def test_words_that_begin_alike_but_describe_something_are_kept() -> None:
    assert prompt_of(Text(item="x", description=" None of the cups\nis full. ")) == "None of the cups is full."
