"""Prompts from what a record says of itself, which may be nothing, or what a model says that saw nothing."""

from __future__ import annotations

from graph200k.captions import said
from graph200k.record import Text


def prompt_of(text: Text) -> str:
    """Return the prompt that describes a record: its description, else its subject, else "".

    What is no description of anything is no prompt: "none", an apology, a refusal.

    Examples
    --------
    >>> prompt_of(Text(item="a cup", description="A cup on a table.")), prompt_of(Text(item="a cup"))
    ('A cup on a table.', 'a cup')
    >>> prompt_of(Text(item="N/A", description="I'm sorry, I cannot describe this image."))
    ''
    """
    for words in (text.description, text.item):
        if line := said(words):
            return line
    return ""
