"""What a vision-language model answered, read strictly first, and then with allowance for how such answers go wrong."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graph200k.errors import AnswerError

_BOX_KEYS = ("bbox_2d", "bbox", "box_2d", "box")
_NAME_KEYS = ("label", "name", "object", "category")
_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*(?:```|$)", re.DOTALL)
_TRAILING_COMMA = re.compile(r",(?=\s*[\]}])")
_OBJECT = re.compile(r"\{[^{}]*\}")
_TOKEN = re.compile(r"<\|[a-z_]+\|>")
_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_CORNERS = re.compile(rf"\({_NUMBER},{_NUMBER}\)\s*,\s*\({_NUMBER},{_NUMBER}\)")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")


@dataclass(frozen=True, slots=True)
class NamedBox:
    """An object as the model stated it."""

    name: str
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in the model's own units."""
    score: float | None = None
    """How sure the model was of these numbers, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What an image shows, as the model stated it."""

    item: str
    description: str


def parse_boxes(answer: str) -> list[NamedBox]:
    """Return the objects in an answer, in its order; [] if it says that there are none with an empty list.

    Understood are JSON lists of objects with a name and four numbers, whole or cut off, fenced, with commas too many,
    in Python's quotes; and Qwen2-VL's own marks, ``<|object_ref_start|>cat<|object_ref_end|><|box_start|>(x0,y0),
    (x1,y1)<|box_end|>``. An entry without a name or without four numbers is passed over.

    Raises
    ------
    AnswerError
        If there is no box in it, and no empty list.

    Examples
    --------
    >>> parse_boxes('[{"bbox_2d": [1, 2, 3, 4], "label": "cat"}]')
    [NamedBox(name='cat', box=(1.0, 2.0, 3.0, 4.0), score=None)]
    """
    entries = _entries(answer)
    if entries == []:
        return []
    found = [box for entry in entries or () if (box := _named_box(entry)) is not None]
    found = found or list(_marked_boxes(answer))
    if not found:
        raise AnswerError(f"expected a list of named boxes, found {_excerpt(answer)}")
    return found


def score_boxes(found: Sequence[NamedBox], answer: str, probabilities: np.ndarray) -> list[NamedBox]:
    """Return the boxes that were read from an answer with their scores: the mean probability of their digits.

    Parameters
    ----------
    found
        Boxes in the order of the answer.
    answer
        Its text.
    probabilities
        One for each character, 0 to 1.

    Examples
    --------
    >>> score_boxes([NamedBox("a", (1, 2, 3, 4))], "[1, 2, 3, 4]", np.linspace(0, 1, 12))[0].score
    0.5
    """
    scored, position = [], 0
    for box in found:
        numbers = [rf"{re.escape(f'{value:g}')}(?:\.0+)?" for value in box.box]
        match = re.compile(r"\s*\)?\s*,\s*\(?\s*".join(numbers)).search(answer, position)
        if match is None:  # written in another way than we would, such as 1e2
            scored.append(box)
            continue
        position = match.end()
        digits = [place for place in range(*match.span()) if answer[place].isdigit()]
        scored.append(replace(box, score=round(float(probabilities[digits].mean()), 3)))
    return scored


def parse_caption(answer: str) -> Caption:
    """Return item and description of an answer that is one JSON object with both.

    Raises
    ------
    AnswerError
        If it is anything else, or one of them is empty.

    Examples
    --------
    >>> parse_caption('{"item": "a cat", "description": "A cat on a mat."}').item
    'a cat'
    """
    for entry in _entries(answer) or ():
        item, description = (_one_line(entry.get(key)) for key in ("item", "description"))
        if item and description:
            return Caption(item, description)
    raise AnswerError(f'expected {{"item": …, "description": …}}, found {_excerpt(answer)}')


def parse_edits(answer: str, subject: str, shown: str, *, least: int) -> list[Caption]:
    """Return the replacements in an answer: a JSON list of objects with name and description.

    Passed over are entries that lack one of the two, name the subject or an object named before, or describe the image
    as it is.

    Parameters
    ----------
    answer
        The model's words.
    subject
        What is replaced.
    shown
        Description of the image as it is, "" if there is none.
    least
        Fewest entries that make an answer.

    Raises
    ------
    AnswerError
        If there are fewer.

    Examples
    --------
    >>> answer = '[{"name": "a jug", "description": "A jug on a table."}, {"name": "The Cup", "description": "x"}]'
    >>> [edit.item for edit in parse_edits(answer, "a cup", "A cup on a table.", least=1)]
    ['a jug']
    """
    found: list[Caption] = []
    seen = {_bare(subject)}
    for entry in _entries(answer) or ():
        name, description = (_one_line(entry.get(key)) for key in ("name", "description"))
        differs = _bare(name) not in seen and description.casefold() != shown.casefold()
        if name and description and differs:
            seen.add(_bare(name))
            found.append(Caption(name, description))
    if len(found) < least:
        raise AnswerError(
            f'expected {least} × {{"name": …, "description": …}}, each another object than {subject}, found '
            f"{len(found)}: {_excerpt(answer)}"
        )
    return found


def _bare(name: str) -> str:
    """Return a name in lower case without its article."""
    return re.sub(r"^(?:a|an|the)\s+", "", name.casefold().strip(" .")) if name else ""


def _entries(answer: str) -> list[dict[str, Any]] | None:
    """Return the JSON objects of an answer, None if there is no JSON in it."""
    plain = _TOKEN.sub("", answer).strip()
    fenced = _FENCE.search(plain)
    inside = _TRAILING_COMMA.sub("", fenced[1] if fenced else plain)
    for text in (plain, inside):
        value = _parse(text)
        if isinstance(value, list):
            return [entry for entry in value if isinstance(entry, dict)] or (None if value else [])
        if isinstance(value, dict):
            lists = [inner for inner in value.values() if isinstance(inner, list) and _holds_objects(inner)]
            return lists[0] if len(value) == 1 and lists else [value]
    # A list that was cut off, or stands among words: each object by itself.
    found = [value for match in _OBJECT.finditer(inside) if isinstance(value := _parse(match[0]), dict)]
    return found or None


def _holds_objects(values: list[Any]) -> bool:
    return all(isinstance(value, dict) for value in values)


def _parse(text: str) -> Any:
    """Return what JSON or a Python literal says, None if it is neither."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two: brackets without end
            continue
    return None


def _named_box(entry: dict[str, Any]) -> NamedBox | None:
    name = next((_one_line(entry[key]) for key in _NAME_KEYS if key in entry), "")
    box = next((entry[key] for key in _BOX_KEYS if key in entry), None)
    if not name or not isinstance(box, list | tuple) or len(box) != 4 or not all(map(_is_number, box)):
        return None
    x0, y0, x1, y1 = map(float, box)
    return NamedBox(name, (x0, y0, x1, y1))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _marked_boxes(answer: str) -> Iterator[NamedBox]:
    """Yield boxes written as two corners in round brackets, each with the words before it on its line as its name."""
    name, position = "", 0
    for match in _CORNERS.finditer(answer):
        before = answer[position : match.start()].rsplit("\n", 1)[-1]
        position = match.end()
        # Several boxes may follow one name.
        name = _one_line(_BULLET.sub("", _TOKEN.sub(" ", before))).strip(" :,;.-") or name
        if name:
            x0, y0, x1, y1 = map(float, match.groups())
            yield NamedBox(name, (x0, y0, x1, y1))


def _one_line(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _excerpt(answer: str) -> str:
    """Return an answer's text, shortened in the middle so that it fits a failure's message."""
    text = " ".join(answer.split())
    return repr(text if len(text) <= 320 else f"{text[:220]} … {text[-90:]}")
