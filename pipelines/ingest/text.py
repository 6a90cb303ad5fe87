"""Words that come with images: captions in text files, and JSON of many makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graph200k.codecs import Limits, parse_json
from graph200k.errors import SourceError, UnsafeInputError
from graph200k.record import Quality, Text
from pipelines.ingest.failure import failure_class
from pipelines.ingest.source import Problem

_ITEM_FIELDS = ("item", "subject", "name")
_DESCRIPTION_FIELDS = ("description", "caption", "text", "prompt")
"""Names under which captions are found in other people's JSON, best first."""

_SCORES = {
    "composite_structure": "compositeStructure",
    "object_consistency": "objectConsistency",
    "image_quality": "imageQuality",
}


def clean_text(text: str) -> str | None:
    r"""Return ``text`` without outer white space and without lone surrogates (no UTF-8 can hold them), None if empty.

    Examples
    --------
    >>> clean_text(" a cat\ud800 \n"), clean_text("  ")
    ('a cat?', None)
    """
    return text.encode("utf-8", "replace").decode("utf-8").strip() or None


def read_caption(data: bytes, limits: Limits) -> Text:
    """Return the content of a ``.txt`` file as the description.

    Raises
    ------
    UnsafeInputError
        If it is too large or not UTF-8.
    """
    if len(data) > limits.max_json_bytes:
        raise UnsafeInputError(f"text of {len(data):,} bytes; the limit is {limits.max_json_bytes:,}")
    try:
        return Text(description=clean_text(data.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise UnsafeInputError("text is not UTF-8; convert it") from None


def read_document(data: bytes, limits: Limits) -> tuple[Text, Quality]:
    """Return words and scores from a JSON object, whatever else is in it; our own ``{key}.json`` is understood too.

    Raises
    ------
    UnsafeInputError
        If it is not a JSON object, too large, or nested too deeply.

    Examples
    --------
    >>> read_document(b'{"caption": "A cat.", "width": 512}', Limits())[0].description
    'A cat.'
    """
    document = parse_json(data, limits=limits)
    if not isinstance(document, dict):
        raise UnsafeInputError(f"JSON holds a {type(document).__name__}; expected an object with item and description")
    words = document.get("text")
    text = text_from(words if isinstance(words, dict) else document)
    scores = document.get("quality", document.get("quality_assessment"))
    return text, quality_from(scores if isinstance(scores, dict) else document)


@dataclass(frozen=True, slots=True)
class Words:
    """What is known about an image in words and scores."""

    text: Text
    quality: Quality


def read_words(paths: Mapping[str, str], read: Callable[[str], bytes], limits: Limits) -> tuple[Words, list[Problem]]:
    """Return what text and JSON files say together, the first to say something being right.

    Parameters
    ----------
    paths
        Name for messages to the argument of ``read``, in order of trust.
    read
        Returns a file's bytes.
    limits
        Sizes beyond which a file is refused.

    Returns
    -------
    Words
        What they say.
    list of Problem
        Files that could not be read, and why.
    """
    text, quality, problems = Text(), Quality(), []
    for name, path in paths.items():
        try:
            data = read(path)
            is_json = name.lower().endswith(".json")
            found, scores = read_document(data, limits) if is_json else (read_caption(data, limits), Quality())
        except (UnsafeInputError, SourceError) as error:
            problems.append(Problem(name, failure_class(error), str(error)))
            continue
        text = merge_text(text, found)
        quality = quality if quality != Quality() else scores
    return Words(text, quality), problems


def text_from(fields: Mapping[str, Any]) -> Text:
    """Return the item and description among ``fields``."""
    return Text(
        item=_first(fields, _ITEM_FIELDS),
        description=_first(fields, _DESCRIPTION_FIELDS),
        machine_made=fields.get("machine_made") is True,
    )


def quality_from(fields: Mapping[str, Any]) -> Quality:
    """Return the scores among ``fields``, under our names or those of Subjects200K; what is no number is unknown.

    Examples
    --------
    >>> quality_from({"objectConsistency": 5, "imageQuality": None}).object_consistency
    5
    """
    return Quality(**{name: _score(fields.get(name, fields.get(theirs))) for name, theirs in _SCORES.items()})


def merge_text(first: Text, second: Text) -> Text:
    """Return ``first``, with what it lacks taken from ``second``."""
    return Text(
        item=first.item or second.item,
        description=first.description or second.description,
        machine_made=first.machine_made or second.machine_made,
    )


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and (cleaned := clean_text(value)):
            return cleaned
    return None


def _score(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return int(value)
