"""A records folder: one folder a record, its files named ``<node>[.<variant>][.<role>].<extension>``."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Sequence
from itertools import groupby

from graph200k.errors import SourceError
from graph200k.record import sanitise_key
from pipelines.ingest.assemble import assemble
from pipelines.ingest.failure import RefusedError, failure_class
from pipelines.ingest.location import Location
from pipelines.ingest.names import extension_of, image_extensions, is_hidden, sort_out
from pipelines.ingest.source import SOURCES, Problem, RawRecord, RefusedItem, Source, SourceItem, clean_name


@SOURCES.register("records")
class Records(Source):
    """Records whose annotations were made elsewhere; they are kept, and marked as imported.

    Words stand in ``text.json``, scores in ``quality.json`` or in the same file. A file whose name means nothing is a
    failure of its own, and the record is kept.
    """

    kind = "records"
    specificity = 3

    @classmethod
    def matches(cls, location: Location) -> bool:
        """Return whether some folder holds a ``target`` image."""
        return not location.is_file and any(
            posixpath.basename(path).startswith("target.") and extension_of(path) in image_extensions()
            for path in location.files
        )

    def scan(self) -> Iterator[SourceItem | RefusedItem]:
        """Yield one item a folder that holds files, sorted by path."""
        visible = [path for path in self.location.files if not is_hidden(path)]
        self.ignore(path for path in self.location.files if is_hidden(path))
        in_folders = sorted(visible, key=lambda path: (posixpath.dirname(path), path))
        for folder, group in groupby(in_folders, posixpath.dirname):
            paths = list(group)
            if any(extension_of(path) in image_extensions() for path in paths):
                yield self._item(folder, [posixpath.basename(path) for path in paths])
            else:
                self.ignore(paths)

    def read(self, item: SourceItem) -> RawRecord:
        """Return the record in a folder."""
        folder, names = str(item.locator["folder"]), item.locator["names"]
        assert isinstance(names, Sequence)
        known = [str(name) for name in names]
        record = assemble(
            item,
            known,
            lambda name: self.reader.read(posixpath.join(folder, name)),
            kind=self.kind,
            limits=self.limits,
            lone_image_is_target=False,
        )
        others = sort_out(known, lone_image_is_target=False).others
        message = "not a file that a record has; expected images named for node types, text.json, quality.json"
        record.problems.extend(Problem(clean_name(name), "unknown_name", message) for name in others)
        return record

    def _item(self, folder: str, names: list[str]) -> SourceItem | RefusedItem:
        name = clean_name(folder or self.location.name)
        try:
            target = posixpath.join(folder, sort_out(names, lone_image_is_target=False).target)
            if (refused := self.reader.refusal(target, name, self.limits.max_bytes)) is not None:
                return refused
            digest = hashlib.sha256(self.reader.read(target)).hexdigest()
        except (RefusedError, SourceError) as error:
            return RefusedItem(name=name, error=failure_class(error), message=str(error))
        locator = {"folder": folder, "names": [found for found in names if self._is_regular(folder, found)]}
        return SourceItem(name=name, key=sanitise_key(name), sha256=digest, locator=locator)

    def _is_regular(self, folder: str, name: str) -> bool:
        return self.reader.refusal(posixpath.join(folder, name), name) is None
