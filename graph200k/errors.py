"""The error tree: one class to catch, and below it one class per kind of answer a caller can give.

    Graph200KError
    ├── UnknownNameError      a name no registry or catalogue knows; carries the closest ones
    ├── SourceError           a source cannot be read as a whole, or what it holds contradicts the dataset
    ├── UnsafeInputError      a limit or a safety rule was broken by input bytes
    │   └── ImageDecodeError  bytes that are not an image we accept
    ├── DatasetError          a dataset on disk is missing, damaged, or in the middle of a commit
    │   ├── DatasetLockedError   somebody else is writing
    │   └── MemberNotFoundError  the record exists, the annotation does not
    ├── OutputError           the output cannot be written (disk full, read-only)
    ├── PlanError             the run cannot start as asked (resources, unknown inputs)
    ├── MissingWeightsError   a model file is not there, with how to get it
    ├── AnswerError           a model's answer is not what it was asked for; carries its text
    ├── RejectedError         a quality gate let nothing of a record pass; carries the reasons
    └── TrainingError         a training run cannot go on

Every message says what was found, what was expected, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

_MOST_NAMES = 20
"""Names listed in a message: a dataset has a million keys."""


class Graph200KError(Exception):
    """Base of every error this project raises on purpose."""


def _closest(name: str, names: Sequence[str]) -> list[str]:
    """Return up to three names like ``name``, none that is much less so than the first.

    Examples
    --------
    >>> _closest("cany", ["canny", "caption", "rain"]), _closest("xyz", ["canny"])
    (['canny'], [])
    """
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    likeness = [difflib.SequenceMatcher(None, found, name).ratio() for found in close]
    return [found for found, alike in zip(close, likeness, strict=True) if alike > likeness[0] - 0.15]


def name_hint(name: str, known: Iterable[str]) -> str:
    """Return what to say of a name that is not known: the closest ones, or all that are.

    Examples
    --------
    >>> name_hint("cany", ["canny", "hed"]), name_hint("xyz", ["canny", "hed"])
    ('did you mean canny?', 'known: canny, hed')
    """
    names = sorted(known)
    if close := _closest(name, names):
        return f"did you mean {' or '.join(close)}?"
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return f"known: {', '.join(names[:_MOST_NAMES])}{more}"


class UnknownNameError(Graph200KError, KeyError):
    """Raise for a name that is not registered; the message offers the closest known names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.message = f"unknown {kind} {name!r}; {name_hint(name, known)}"
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:  # an exception is pickled as cls(*args), which has other arguments here
        return _rebuild, (type(self), self.message)

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return self.message


def _rebuild(cls: type[UnknownNameError], message: str) -> UnknownNameError:
    error = cls.__new__(cls, message)
    error.message = message
    return error


class SourceError(Graph200KError):
    """Raise when a source cannot be read as a whole or contradicts the dataset it is added to."""


class UnsafeInputError(Graph200KError):
    """Raise when input breaks a limit (pixels, bytes, members, JSON depth) or a safety rule (names, pickles)."""


class ImageDecodeError(UnsafeInputError):
    """Raise when bytes are not an image we accept; the message is one line fit for a failure table."""


class DatasetError(Graph200KError):
    """Raise when a dataset on disk is missing, damaged, or needs repair."""


class DatasetLockedError(DatasetError):
    """Raise when another run holds the dataset's write lock."""


class MemberNotFoundError(DatasetError):
    """Raise when a record lacks the annotation asked for."""


class OutputError(Graph200KError):
    """Raise when the output cannot be written."""


class PlanError(Graph200KError):
    """Raise when a run cannot start as asked."""


class MissingWeightsError(Graph200KError):
    """Raise when a model file is not there; the message names where to get it."""


class AnswerError(Graph200KError):
    """Raise when a language model's answer is not what was asked for; the message quotes it."""


class RejectedError(Graph200KError):
    """Raise when nothing that could be made of a record is good enough; the message counts why.

    Parameters
    ----------
    message
        For people.
    reasons
        Rejected pictures by reason; none where there was nothing to make one of.
    """

    def __init__(self, message: str, reasons: Mapping[str, int] | None = None) -> None:
        super().__init__(message)
        self.reasons = dict(reasons or {})


class TrainingError(Graph200KError):
    """Raise when a training run cannot go on; what it saved last is whole."""
