"""English for instructions: numbers with nouns, lists, and captions made into sentences."""

from __future__ import annotations

from collections.abc import Sequence

from graph200k.captions import CLOSING


def counted(count: int, noun: str) -> str:
    """Return a number and its noun.

    Examples
    --------
    >>> counted(1, "row"), counted(3, "row")
    ('1 row', '3 rows')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def image_name(column: int) -> str:
    """Return what instructions call the images of a column, counted from 0.

    Examples
    --------
    >>> image_name(0)
    '[IMAGE1]'
    """
    return f"[IMAGE{column + 1}]"


def listed(parts: Sequence[str]) -> str:
    """Return parts of a sentence as a list.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join([*([", ".join(parts[:-1])] if len(parts) > 1 else []), *parts[-1:]])


def listed_clauses(clauses: Sequence[str]) -> str:
    """Return clauses as a list with a comma before the last, for they may contain an "and" of their own.

    Examples
    --------
    >>> listed_clauses(["A is red and blue", "B is green"])
    'A is red and blue, and B is green'
    """
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def capitalised(sentence: str) -> str:
    """Return a sentence with a capital at its start; the rest keeps its case."""
    return sentence[:1].upper() + sentence[1:]


def as_sentence(line: str) -> str:
    """Return a caption that starts with a capital and ends with a full stop (or ! or ?); "" stays "".

    Examples
    --------
    >>> as_sentence("a red car"), as_sentence("It says “Stop!”"), as_sentence("a cup, a plate,")
    ('A red car.', 'It says “Stop!”', 'A cup, a plate.')
    """
    line = line.rstrip(" ,;:-")
    if not line:
        return ""
    ends = line.rstrip(CLOSING).endswith((".", "!", "?", "…"))
    return capitalised(line if ends else f"{line}.")


def as_name(line: str) -> str:
    """Return the name of a subject as it stands inside a sentence, within double quotes.

    Examples
    --------
    >>> as_name("A vintage camera."), as_name('The "Ace" mug'), as_name("Tokyo")
    ('a vintage camera', "the 'Ace' mug", 'Tokyo')
    """
    name = line.rstrip(" .,;:!?").replace('"', "'")
    first, _, rest = name.partition(" ")
    return f"{first.lower()} {rest}" if rest and first in {"A", "An", "The"} else name
