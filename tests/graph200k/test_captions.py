from __future__ import annotations

import pytest

from graph200k.captions import said


@pytest.mark.parametrize(
    "text",
    [
        None, "", "  \n", "None", "N/A.", "null", "Unknown.", "untitled", "no image", "Sorry!",
        "No description available.", "no caption available", "Sorry, I cannot help with that.",
        "I cannot help with that.",
        "I'm sorry, but I can't see any image.", "I'm unable to describe the image.", "Unable to describe.",
        "I can’t see it", "As an AI model, I see nothing.", "There is no image attached.", "The image is blank.",
        "The image appears to be empty", "Description not available",
    ],
)  # fmt: skip
def test_a_caption_that_describes_nothing_counts_as_missing(text: str | None) -> None:
    assert said(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "None of the three chairs is taken", "I love NY mug", "There is no one on the beach",
        "No one sits on the bench.",
        "A sorry sight.", "Nun in a garden", "The image is red.", "No text on a white sign", "Sorry-looking dog",
        "Unknown soldier's tomb", "I can fly poster", "Description of a bird in an old book",
    ],
)  # fmt: skip
def test_a_caption_that_only_begins_like_a_refusal_is_kept(text: str) -> None:
    assert said(text) == text


def test_a_caption_over_several_lines_becomes_one() -> None:
    assert said("A red\r\n car\t on\u00a0 a road ") == "A red car on a road"
