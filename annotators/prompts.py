"""Prompts from what a record says of itself, which may be nothing, or what a model says that saw nothing."""

from __future__ import annotations

import re

from graph200k.record import Text

_REFUSAL = re.compile(
    r"^\W*(?:n/?a|none|null|unknown|no (?:image|description|caption|text)\b.*"
    r"|(?:i'?m |i am )?(?:sorry|unable)\b.*|i (?:can(?:no|')t|could ?n[o']t|do ?n[o']t)\b.*"
    r"|as an ai\b.*|the image (?:is|appears) (?:blank|empty|not)\b.*)\W*$",
    re.IGNORECASE | re.DOTALL,
)


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
        line = " ".join((words or "").split())
        if line and not _REFUSAL.match(line):
            return line
    return ""
