"""Captions as they come: some describe nothing, for the captioner had no answer."""

from __future__ import annotations

import re

CLOSING = "\"'”’)»"
"""What may stand behind the end of a sentence."""

_SAYS_NOTHING = frozenset(
    {"", "n/a", "na", "none", "null", "nil", "nan", "unknown", "untitled", "empty", "not available", "sorry"}
    | {f"no {noun}" for noun in ("image", "picture", "photo", "caption", "description", "text")}
)
"""Captions, without case and punctuation, that stand for a missing one."""

_REFUSES = re.compile(
    r"(?:i am|i'm|i’m|we are|we're|we’re) (?:sorry|unable|not able)\b"
    r"|i (?:can(?:no|'|’)t|could ?n[o'’]t|do ?n[o'’]t)\b"
    r"|as an ai\b|unable to\b|(?:sorry|unfortunately),? (?:but )?(?:i|we)\b"
    r"|(?:there is )?no (?:image|picture|photo|description|caption|text) (?:is |was )?"
    r"(?:available|attached|given|provided|here|to)\b|there is no (?:image|picture|photo)\b"
    r"|(?:description|caption) (?:is )?not available\b|the image (?:is|appears) (?:to be )?(?:blank|empty|not)\b",
    re.IGNORECASE,
)
"""How an answer begins that describes nothing."""


def said(text: str | None) -> str:
    r"""Return a caption on one line, "" if it is missing or says nothing about a picture.

    Examples
    --------
    >>> said("  a red\n car "), said("N/A."), said("I'm sorry, I cannot see it."), said(None)
    ('a red car', '', '', '')
    """
    line = " ".join((text or "").split())
    bare = line.strip(" .!?-_" + CLOSING).casefold()
    return "" if bare in _SAYS_NOTHING or _REFUSES.match(line) else line
