"""VITON-HD as published: ``train/`` and ``test/``, each with images of one name in ``image/``, ``cloth/`` and more.

The layout is that of the preprocessed release that try-on models are trained on (``zalando-hd-resized.zip``, unpacked):
``image/ID.jpg`` wears ``cloth/ID.jpg``, and ``agnostic-v3.2/ID.jpg`` is the same person with the clothes masked out.
``{split}_pairs.txt`` beside the folders names a person and another garment on each line.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from graph200k.catalogue import Catalogue
from graph200k.catalogues import find_catalogue
from graph200k.errors import SourceError
from pipelines.ingest.location import Location
from pipelines.ingest.names import extension_of, image_extensions, is_hidden
from pipelines.ingest.pairs import PairedImages
from pipelines.ingest.source import SOURCES, RefusedItem, SourceItem, clean_name

AGNOSTIC = "agnostic-v3.2"
"""Folder of persons with their clothes masked out."""

TRYON = "tryon"
"""Folder of a try-on model's results, ``PERSON.jpg`` or ``PERSON_….jpg``: not part of the release, yours to add."""

_PLACES = {
    "person": "an image of the same name in image/",
    "agnostic": f"one of the same name in {AGNOSTIC}/",
    "garment": "one in cloth/: of the same name, or for a try-on result of the name in the pairs file",
}


@SOURCES.register("viton_hd")
class VitonHD(PairedImages):
    """A record for each image whose person is there: ``agnostic`` + ``garment`` → the image.

    Where the split has a folder ``tryon/``, also one for each result in it: ``person`` + the garment that
    ``{split}_pairs.txt`` names for that person → the result, with the ``agnostic`` person if there is one.
    """

    kind = "viton_hd"
    specificity = 6

    @property
    def catalogue(self) -> Catalogue:
        """Node types of VITON-HD."""
        return find_catalogue("viton_hd")

    @classmethod
    def matches(cls, location: Location) -> bool:
        """Return whether some folder has both ``image/`` and ``cloth/``."""
        return bool(_splits(location))

    def scan(self) -> Iterator[SourceItem | RefusedItem]:
        """Yield the records split by split: first the images, then the try-on results."""
        used = set()
        for split in _splits(self.location):
            images, worn = self._stems(split, "image"), self._stems(split, TRYON)
            agnostic, garments = self._stems(split, AGNOSTIC), self._stems(split, "cloth")
            used |= {*images.values(), *worn.values(), *agnostic.values(), *garments.values()}
            if agnostic:
                for stem, path in images.items():
                    yield self._record(path, {"agnostic": agnostic.get(stem), "garment": garments.get(stem)}, split)
            elif not worn:
                yield _no_person(split or self.location.name)
            pairs = self._pairs(split) if worn else {}
            for stem, path in worn.items():
                person = _person_of(stem, images)
                conditions = {"person": images.get(person), "garment": garments.get(pairs.get(person, ""))}
                extra = {"agnostic": agnostic[person]} if person in agnostic else {}
                yield self._record(path, conditions, split, extra)
        self.ignore(path for path in self.location.files if path not in used)

    def _record(
        self, target: str, needed: dict[str, str | None], split: str, extra: dict[str, str] | None = None
    ) -> SourceItem | RefusedItem:
        found = {node: path for node, path in needed.items() if path is not None}
        if missing := needed.keys() - found:
            message = f"lacks {' and '.join(f'{node} ({_PLACES[node]})' for node in sorted(missing))}"
            return RefusedItem(name=clean_name(target), error="bad_record", message=message)
        return self.item(target, found | (extra or {}), collection=split or self.location.name)

    def _stems(self, split: str, folder: str) -> dict[str, str]:
        """Return the images in a folder of a split, by name without extension."""
        place = posixpath.join(split, folder)
        images = (path for path in self.location.files if posixpath.dirname(path) == place and _is_image(path))
        return {posixpath.splitext(posixpath.basename(path))[0]: path for path in images}

    def _pairs(self, split: str) -> dict[str, str]:
        """Return the garment that the pairs file names for each person, both without extension."""
        path = f"{split}_pairs.txt"
        if path not in self.location.files:
            raise SourceError(
                f"{self.location.spec} has {posixpath.join(split, TRYON)}/, and no {path} to say which "
                "garment each result shows; expected the folder that holds the splits, and lines such as "
                "`00006_00.jpg 08348_00.jpg`"
            )
        lines = (line.split() for line in self.lines(path))
        return {_stem(line[0]): _stem(line[1]) for line in lines if len(line) == 2}


def _splits(location: Location) -> list[str]:
    """Return the folders that have ``image/`` and ``cloth/``, "" for the source itself."""
    if location.is_file:
        return []
    folders = {posixpath.dirname(path) for path in location.files}
    found = {posixpath.dirname(folder) for folder in folders if posixpath.basename(folder) == "image"}
    return sorted(split for split in found if posixpath.join(split, "cloth") in folders)


def _is_image(path: str) -> bool:
    return not is_hidden(path) and extension_of(path) in image_extensions()


def _stem(name: str) -> str:
    return posixpath.splitext(name)[0]


def _person_of(stem: str, images: dict[str, str]) -> str:
    """Return the name of the person whose try-on result is called ``stem``, ``stem`` itself if there is none."""
    while stem not in images and "_" in stem:
        stem = stem.rpartition("_")[0]
    return stem


def _no_person(split: str) -> RefusedItem:
    message = (
        f"has neither {AGNOSTIC}/ nor {TRYON}/, so that no image shows the person without the garment; expected the "
        f"preprocessed release with {AGNOSTIC}/"
    )
    return RefusedItem(name=split, error="bad_record", message=message)
