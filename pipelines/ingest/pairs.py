"""Sources whose records are image files that belong together: a target and the images it is made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from graph200k.errors import SourceError
from graph200k.record import Edit, sanitise_key
from pipelines.ingest.failure import failure_class
from pipelines.ingest.source import (
    Problem,
    RawImage,
    RawRecord,
    RefusedItem,
    Source,
    SourceItem,
    clean_name,
    origin_of,
)


class PairedImages(Source):
    """A source of files whose roles follow from where they lie; a subclass finds out which belong together."""

    def item(
        self, target: str, conditions: Mapping[str, str], *, collection: str = "", instruction: str = ""
    ) -> SourceItem | RefusedItem:
        """Return the item of a target.

        Parameters
        ----------
        target
            Path of the target.
        conditions
            Path of each other image, by node type.
        collection
            Part of the source that it stands in.
        instruction
            Editing instruction, "" for none.
        """
        name = clean_name(target)
        for path in (target, *conditions.values()):
            if (refused := self.reader.refusal(path, name, self.limits.max_bytes)) is not None:
                return refused
        try:
            digest = hashlib.sha256(self.reader.read(target)).hexdigest()
        except SourceError as error:
            return RefusedItem(name=name, error="unreadable", message=str(error))
        locator = {
            "target": target,
            "nodes": list(conditions),
            "paths": list(conditions.values()),
            "collection": collection,
            "instruction": instruction,
        }
        return SourceItem(name=name, key=sanitise_key(_stem(name)), sha256=digest, locator=locator)

    def lines(self, path: str) -> list[str]:
        """Return the lines of a text file.

        Raises
        ------
        SourceError
            If it cannot be read or is too large.
        """
        refused = self.reader.refusal(path, clean_name(path), self.limits.max_json_bytes)
        if refused is not None:
            raise SourceError(f"{refused.name}: {refused.message}")
        return self.reader.read(path).decode("utf-8", "replace").splitlines()

    def read(self, item: SourceItem) -> RawRecord:
        """Return a target with the images it is made from."""
        locator = item.locator
        target, instruction = str(locator["target"]), str(locator["instruction"])
        data = self.reader.read(target)
        images, problems = [], []
        nodes, paths = locator["nodes"], locator["paths"]
        assert isinstance(nodes, Sequence) and isinstance(paths, Sequence)
        for node, path in zip(map(str, nodes), map(str, paths), strict=True):
            try:
                images.append(RawImage(node=node, data=self.reader.read(path), name=clean_name(path)))
            except SourceError as error:
                problems.append(Problem(clean_name(path), failure_class(error), str(error)))
        return RawRecord(
            target=RawImage(node="target", data=data, name=item.name),
            annotations=images,
            origin=origin_of(item, self.kind, data, str(locator["collection"]) or None),
            edits=[Edit(node=str(nodes[0]), variant=0, name="", description=instruction)] if instruction else [],
            problems=problems,
        )


def _stem(name: str) -> str:
    return name.rsplit(".", 1)[0].replace("/", "-")
