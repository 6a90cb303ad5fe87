"""What a source is: something that lists its items cheaply in a fixed order, and reads one item anywhere."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, TypeAlias

import numpy as np

from graph200k.catalogue import GRAPH200K, Catalogue
from graph200k.codecs import Limits
from graph200k.errors import DatasetError, SourceError
from graph200k.record import IMPORTED, Box, Edit, Origin, Provenance, Quality, Text
from graph200k.registry import Registry
from pipelines.ingest.location import Location

Locator: TypeAlias = Mapping[str, str | int | Sequence[str] | Sequence[tuple[str, int, int]]]
"""Where the bytes of an item lie, in a source's own words; JSON, for it is written to the plan."""

_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceItem:
    """One record-to-be, found without decoding anything."""

    name: str
    """Relative path, or the place in its file; unique in the source."""
    key: str
    """Key of its record."""
    sha256: str
    """SHA-256 of the target's bytes in the source, in hex (32 or all 64 digits)."""
    locator: Locator


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedItem:
    """Something in the source that cannot become a record, and why."""

    name: str
    error: str
    """Class of the failure."""
    message: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One file of an item that was left out while the rest was kept."""

    name: str
    error: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RawImage:
    """One image as it came: the target, or an annotation made elsewhere."""

    node: str
    variant: int | None = None
    role: str = ""
    data: bytes | np.ndarray
    """Encoded bytes, or pixels (uint8, H×W×3 RGB) where the source had to cut them out of something."""
    name: str
    """File name, for messages."""
    annotator: str = IMPORTED
    fingerprint: str = ""
    provenance: Provenance | None = None
    """What is known about its making, None for nothing."""
    usable: bool | None = None
    """Whether it says anything, None to find out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RawRecord:
    """Everything a source knows about one item."""

    target: RawImage
    annotations: list[RawImage] = field(default_factory=list)
    text: Text = field(default_factory=Text)
    quality: Quality = field(default_factory=Quality)
    origin: Origin
    boxes: list[Box] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    stated: list[Provenance] = field(default_factory=list)
    """How text, boxes and edits were made, where an annotator made them."""
    problems: list[Problem] = field(default_factory=list)


class FileReader:
    """Read whole files and pieces of files of a source, with one kind of error."""

    def __init__(self, location: Location) -> None:
        self._folder = location.folder

    def read(self, path: str) -> bytes:
        """Return the bytes of a file.

        Raises
        ------
        SourceError
            If it is gone or cannot be read.
        """
        try:
            return self._folder.read(path)
        except (OSError, DatasetError) as error:
            raise SourceError(f"cannot be read any more: {error}") from None

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """Return ``size`` bytes of a file from ``offset``.

        Raises
        ------
        SourceError
            If they are not there.
        """
        try:
            data = self._folder.read_range(path, offset, size)
        except (OSError, DatasetError) as error:
            raise SourceError(f"cannot be read any more: {error}") from None
        if len(data) != size:
            raise SourceError(f"{path} ends before byte {offset + size:,}; it is shorter than when it was scanned")
        return data

    def refusal(self, path: str, name: str, max_bytes: int | None = None) -> RefusedItem | None:
        """Return why a file cannot be read at all, None if it can.

        A named pipe would make the run wait for ever, a link may lead nowhere.
        """
        try:
            if not self._folder.is_file(path):
                return RefusedItem(name=name, error="unreadable", message="not a regular file, or a link to nowhere")
            size = self._folder.size(path)
        except OSError as error:
            return RefusedItem(name=name, error="unreadable", message=f"cannot be read: {error}")
        if max_bytes is not None and size > max_bytes:
            return RefusedItem(name=name, error="unsafe_input", message=f"{size:,} bytes; the limit is {max_bytes:,}")
        return None


class Source(ABC):
    """A place with items, of one kind.

    Parameters
    ----------
    location
        Where it lies.
    limits
        What one piece of input may cost.
    """

    kind: ClassVar[str]
    """The name it is registered under."""
    specificity: ClassVar[int]
    """Kinds are tried from the most specific to the least when a source's kind is not given."""

    def __init__(self, location: Location, limits: Limits) -> None:
        self.location = location
        self.limits = limits
        self.reader = FileReader(location)
        self.ignored = 0
        """Files that a scan met and that are no part of such a source."""
        self.ignored_examples: list[str] = []
        """The first few of them."""

    @property
    def catalogue(self) -> Catalogue:
        """Node types of the records it gives."""
        return GRAPH200K

    @classmethod
    @abstractmethod
    def matches(cls, location: Location) -> bool:
        """Return whether ``location`` looks like a source of this kind."""

    @abstractmethod
    def scan(self) -> Iterator[SourceItem | RefusedItem]:
        """Yield all items in a fixed order; bytes are hashed, no pixel is decoded."""

    def ignore(self, names: Iterable[str]) -> None:
        """Count files that are no part of such a source; there may be one beside every image."""
        for name in names:
            self.ignored += 1
            if len(self.ignored_examples) < _EXAMPLES:
                self.ignored_examples.append(name)

    @abstractmethod
    def read(self, item: SourceItem) -> RawRecord:
        """Return one item's bytes and words.

        Raises
        ------
        UnsafeInputError
            If it breaks a limit or a rule.
        SourceError
            If it is not there any more, or has changed since the scan.
        """


SOURCES: Registry[type[Source]] = Registry("kind of source", "pipelines.ingest.sources")
"""The kinds of source, one module each."""


def find_kind(location: Location) -> str:
    """Return the most specific kind that matches ``location``.

    Raises
    ------
    SourceError
        If none does.
    """
    for name in sorted(SOURCES, key=lambda kind: -SOURCES[kind].specificity):
        if SOURCES[name].matches(location):
            return name
    raise SourceError(
        f"{location.spec} holds nothing that can be ingested; expected one of: {', '.join(SOURCES)}; "
        "check the path, or say what it is with --kind"
    )


@lru_cache(maxsize=4)
def open_source(kind: str, location: str, limits: Limits) -> Source:
    """Return the source, the same object for equal arguments: it may hold files open between items."""
    return SOURCES[kind](Location(location), limits)


def clean_name(name: str) -> str:
    r"""Return a file name that any table can hold: bytes that are not UTF-8 come out as escapes.

    Examples
    --------
    >>> clean_name("caf\udce9.jpg")
    'caf\\udce9.jpg'
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def origin_of(item: SourceItem, kind: str, data: bytes, collection: str | None = None) -> Origin:
    """Return where a record came from, after checking that its bytes are those that were planned.

    Raises
    ------
    SourceError
        If they changed since the scan.
    """
    digest = hashlib.sha256(data).hexdigest()
    if not digest.startswith(item.sha256):
        raise SourceError(f"{item.name} changed while it was being ingested; run again when nobody writes to it")
    return Origin(name=item.name, kind=kind, collection=collection, sha256=digest)
