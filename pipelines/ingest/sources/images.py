"""A folder (or file, or pattern) of images in any format Pillow reads, with captions beside them."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from graph200k.errors import SourceError
from graph200k.record import make_key
from pipelines.ingest.location import Location
from pipelines.ingest.names import extension_of, image_extensions, is_hidden
from pipelines.ingest.source import (
    SOURCES,
    RawImage,
    RawRecord,
    RefusedItem,
    Source,
    SourceItem,
    clean_name,
    origin_of,
)
from pipelines.ingest.text import read_words

SIDECARS = (".json", ".txt")
"""Extensions of captions, the most trusted first: JSON knows item from description."""

REMOTE_READS = 16
"""Files fetched at once while scanning an object store, where each answer takes tens of milliseconds."""

SCAN_BLOCK = 256
"""Files handed to the readers at once, so that a scan of millions does not queue them all."""


@SOURCES.register("images")
class Images(Source):
    """Images by their extension; ``name.txt`` or ``name.json`` beside ``name.jpg`` says what it shows."""

    kind = "images"
    specificity = 0

    @classmethod
    def matches(cls, location: Location) -> bool:
        """Return whether any file has the extension of an image; a single named file is taken at its word."""
        return location.is_file or any(extension_of(path) in image_extensions() for path in location.files)

    def scan(self) -> Iterator[SourceItem | RefusedItem]:
        """Yield an item for every file with the extension of an image, sorted by path."""
        images = [path for path in self.location.files if self._is_image(path)]
        present, beside = set(self.location.files), {path: self._sidecars(path) for path in images}
        beside = {path: [name for name in names if name in present] for path, names in beside.items()}
        used = {*images, *(name for names in beside.values() for name in names)}
        self.ignore(path for path in self.location.files if path not in used)
        yield from self._items(images, beside)

    def read(self, item: SourceItem) -> RawRecord:
        """Return the image and its captions; a caption that cannot be read is a problem of its own."""
        path, sidecars = str(item.locator["path"]), item.locator["sidecars"]
        data = self.reader.read(path)
        assert isinstance(sidecars, Sequence)
        words, problems = read_words(
            {posixpath.basename(str(name)): str(name) for name in sidecars}, self.reader.read, self.limits
        )
        return RawRecord(
            target=RawImage(node="target", data=data, name=path),
            text=words.text,
            quality=words.quality,
            origin=origin_of(item, self.kind, data),
            problems=problems,
        )

    def _is_image(self, path: str) -> bool:
        return not is_hidden(path) and (self.location.is_file or extension_of(path) in image_extensions())

    def _items(self, images: list[str], beside: dict[str, list[str]]) -> Iterator[SourceItem | RefusedItem]:
        """Yield the items in order; from an object store, several files are fetched at once."""
        with ThreadPoolExecutor(1 if self.location.folder.is_local else REMOTE_READS) as pool:
            for start in range(0, len(images), SCAN_BLOCK):
                block = images[start : start + SCAN_BLOCK]
                yield from pool.map(lambda path: self._item(path, beside[path]), block)

    def _sidecars(self, path: str) -> list[str]:
        if self.location.is_file:
            return []
        return [posixpath.splitext(path)[0] + extension for extension in SIDECARS]

    def _item(self, path: str, sidecars: list[str]) -> SourceItem | RefusedItem:
        name = clean_name(path)
        if (refused := self.reader.refusal(path, name, self.limits.max_bytes)) is not None:
            return refused
        try:
            digest = hashlib.sha256(self.reader.read(path)).hexdigest()
        except SourceError as error:
            return RefusedItem(name=name, error="unreadable", message=str(error))
        locator = {"path": path, "sidecars": sidecars}
        return SourceItem(name=name, key=make_key(name, digest), sha256=digest, locator=locator)
