"""Classes of ingest failures, and the fingerprints by which a later run knows one again."""

from __future__ import annotations

import hashlib

from graph200k.codecs import Limits
from graph200k.errors import Graph200KError, ImageDecodeError, UnsafeInputError

ANNOTATOR = "ingest"
"""Name under which failures of ingest are on file."""

VERSION = 1
"""Raise it when ingest learns to read what it refused before: failures on file are then tried again."""

DECIDED_IN_PLAN = frozenset({"duplicate", "conflict"})
"""Classes that depend on what else there is, not on the item alone: they are judged anew in each run."""


def failure_class(error: Graph200KError) -> str:
    """Return the class under which an error that concerns one item is on file.

    Examples
    --------
    >>> failure_class(ImageDecodeError("empty file (0 bytes)"))
    'bad_image'
    """
    if isinstance(error, RefusedError):
        return error.error
    if isinstance(error, ImageDecodeError):
        return "bad_image"
    return "unsafe_input" if isinstance(error, UnsafeInputError) else "unreadable"


def place_digest(location: str) -> str:
    """Return 8 hex digits that stand for a source's location in fingerprints."""
    return hashlib.sha256(location.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def content_fingerprint(sha256: str, message: str, limits: Limits) -> str:
    """Return what must stay equal for a failure to be the same failure; ``message`` counts where no hash is known."""
    text = f"{VERSION}|{sha256 or message}|{limits}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


class RefusedError(UnsafeInputError):
    """Raise for an item, or one file of it, that a rule of ingest keeps out; carries the failure's class."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error
