"""A folder (or file, or pattern) of images in any format Pillow reads, with captions beside them."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from functools import lru_cache

from PIL import Image

from graph200k.errors import DatasetError, SourceError, UnsafeInputError
from graph200k.record import Quality, Text, make_key
from pipelines.ingest.failure import failure_class
from pipelines.ingest.location import Location
from pipelines.ingest.source import (
    SOURCES,
    Problem,
    RawImage,
    RawRecord,
    RefusedItem,
    Source,
    SourceItem,
    clean_name,
    origin_of,
)  # fmt: skip
from pipelines.ingest.text import merge_text, read_caption, read_document

SIDECARS = (".json", ".txt")
"""Extensions of captions, the most trusted first: JSON knows item from description."""


@lru_cache(maxsize=1)
def image_extensions() -> frozenset[str]:
    """Return the lower-case extensions of all formats Pillow can open."""
    formats = Image.registered_extensions()
    return frozenset(extension for extension, name in formats.items() if name in Image.OPEN and name != "MPEG")


def extension_of(path: str) -> str:
    """Return the lower-case extension of a path, with its dot."""
    return posixpath.splitext(path)[1].lower()


def is_hidden(path: str) -> bool:
    """Return whether a path has a part that starts with a dot (``.thumbnails/``, ``._copy.jpg``)."""
    return any(part.startswith(".") for part in path.split("/"))


@SOURCES.register("images")
class Images(Source):
    """Images by their extension; ``name.txt`` or ``name.json`` beside ``name.jpg`` says what it shows."""

    kind = "images"
    specificity = 0

    @classmethod
    def matches(cls, location: Location) -> bool:
        """Return whether any file has the extension of an image; a single named file is taken at its word."""
        return location.is_file or any(extension_of(path) in image_extensions() for path in location.files)

    def scan(self, files: tuple[str, ...]) -> Iterator[SourceItem | RefusedItem]:
        """Yield an item for every file with the extension of an image, sorted by path."""
        present = set(files)
        used: set[str] = set()
        others = []
        for path in files:
            if is_hidden(path) or not (self.location.is_file or extension_of(path) in image_extensions()):
                others.append(path)
                continue
            sidecars = [name for name in self._sidecars(path) if name in present]
            used.update(sidecars)
            yield self._item(path, sidecars)
        self.ignored.extend(path for path in others if path not in used)

    def read(self, item: SourceItem) -> RawRecord:
        """Return the image and its captions; a caption that cannot be read is a problem of its own."""
        path, sidecars = str(item.locator["path"]), item.locator["sidecars"]
        data = self._read(path)
        text, quality, problems = Text(), Quality(), []
        assert isinstance(sidecars, list)
        for name in map(str, sidecars):
            try:
                found, scores = self._words(name)
            except UnsafeInputError as error:
                problems.append(Problem(posixpath.basename(name), failure_class(error), str(error)))
                continue
            text = merge_text(text, found)
            quality = scores if scores != Quality() else quality
        return RawRecord(
            target=RawImage(node="target", data=data, name=path),
            text=text,
            quality=quality,
            origin=origin_of(item, self.kind, data),
            problems=problems,
        )

    def _sidecars(self, path: str) -> list[str]:
        if self.location.is_file:
            return []
        return [posixpath.splitext(path)[0] + extension for extension in SIDECARS]

    def _item(self, path: str, sidecars: list[str]) -> SourceItem | RefusedItem:
        name = clean_name(path)
        folder = self.location.folder
        try:
            # A named pipe would make the run wait for ever, a link may lead nowhere.
            if not folder.is_file(path):
                return RefusedItem(name=name, error="unreadable", message="not a regular file, or a link to nowhere")
            if (size := folder.size(path)) > self.limits.max_bytes:
                message = f"{size:,} bytes; the limit is {self.limits.max_bytes:,}"
                return RefusedItem(name=name, error="unsafe_input", message=message)
            digest = hashlib.sha256(folder.read(path)).hexdigest()
        except (OSError, DatasetError) as error:
            return RefusedItem(name=name, error="unreadable", message=f"cannot be read: {error}")
        locator = {"path": path, "sidecars": sidecars}
        return SourceItem(name=name, key=make_key(name, digest), sha256=digest, locator=locator)

    def _read(self, path: str) -> bytes:
        try:
            return self.location.folder.read(path)
        except (OSError, DatasetError) as error:
            raise SourceError(f"cannot be read any more: {error}") from None

    def _words(self, name: str) -> tuple[Text, Quality]:
        data = self._read(name)
        if name.endswith(".json"):
            return read_document(data, self.limits)
        return read_caption(data, self.limits), Quality()
