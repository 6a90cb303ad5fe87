"""PhotoDoodle as published: a folder an effect, with photographs ``N.jpg`` and their edited versions ``N_blend.jpg``.

The folder's name is the effect's (``sksedgeeffect`` or ``edgeeffect``). A ``*.jsonl`` file in it, as the authors'
training script reads it (``{"source": …, "target": …, "text": …}``, paths relative to the file), says what each edit
was asked for, and may pair files of any names.

The file names are those of VisualCloze's examples and the JSON lines those of the authors' repository; the tree of the
Hub repository could not be looked at when this was written.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from graph200k.catalogue import Catalogue
from graph200k.catalogues import find_catalogue
from graph200k.codecs import parse_json
from graph200k.errors import UnsafeInputError
from pipelines.ingest.location import Location
from pipelines.ingest.names import extension_of, image_extensions, is_hidden
from pipelines.ingest.pairs import PairedImages
from pipelines.ingest.source import SOURCES, RefusedItem, SourceItem, clean_name
from pipelines.ingest.text import clean_text

BLEND = "_blend"
"""End of an edited photograph's name, before the extension."""


@dataclass(frozen=True, slots=True)
class _Pair:
    source: str
    target: str
    instruction: str = ""


@SOURCES.register("photodoodle")
class PhotoDoodle(PairedImages):
    """A record an edited photograph; the photograph before it is of the node type of the effect."""

    kind = "photodoodle"
    specificity = 5

    @property
    def catalogue(self) -> Catalogue:
        """Node types of PhotoDoodle."""
        return find_catalogue("photodoodle")

    @classmethod
    def matches(cls, location: Location) -> bool:
        """Return whether a folder with the name of an effect holds a pair, or a file that names pairs."""
        if location.is_file:
            return False
        catalogue = find_catalogue("photodoodle")
        telling = [*_blended(location.files), *_listings(location.files)]
        return any(_effect(path, location.name, catalogue) for path in telling)

    def scan(self) -> Iterator[SourceItem | RefusedItem]:
        """Yield a record a pair, sorted by path; a folder whose name is no effect is refused with its pairs."""
        pairs: dict[str, _Pair] = {
            target: _Pair(source, target) for target, source in _blended(self.location.files).items()
        }
        listings = _listings(self.location.files)
        for path in listings:
            for found in self._listed(path):
                if isinstance(found, RefusedItem):
                    yield found
                else:
                    pairs[found.target] = found
        used = {*listings, *pairs, *(pair.source for pair in pairs.values())}
        self.ignore(path for path in self.location.files if path not in used)
        for target in sorted(pairs):
            yield self._record(pairs[target])

    @cached_property
    def _present(self) -> frozenset[str]:
        return frozenset(self.location.files)

    def _record(self, pair: _Pair) -> SourceItem | RefusedItem:
        effect = _effect(pair.target, self.location.name, self.catalogue)
        if effect is None:
            folder = posixpath.basename(posixpath.dirname(pair.target)) or self.location.name
            return RefusedItem(
                name=clean_name(pair.target), error="unknown_name", message=_unknown(folder, self.catalogue)
            )
        return self.item(pair.target, {effect: pair.source}, collection=effect, instruction=pair.instruction)

    def _listed(self, path: str) -> Iterator[_Pair | RefusedItem]:
        """Yield the pairs that a file of JSON lines names."""
        for number, line in enumerate(self.lines(path), 1):
            if not line.strip():
                continue
            name = f"{clean_name(path)}/{number}"
            try:
                row = parse_json(line.encode(), limits=self.limits)
            except UnsafeInputError as error:
                yield RefusedItem(name=name, error="unsafe_input", message=str(error))
                continue
            yield self._pair(posixpath.dirname(path), row, name)

    def _pair(self, folder: str, row: object, name: str) -> _Pair | RefusedItem:
        fields = row if isinstance(row, dict) else {}
        named = [fields.get(field) for field in ("source", "target")]
        paths = [posixpath.normpath(posixpath.join(folder, one)) if isinstance(one, str) else "" for one in named]
        if missing := [str(value) for value, path in zip(named, paths, strict=True) if path not in self._present]:
            message = f"names {' and '.join(missing)}, which the source does not hold; paths are relative to the file"
            return RefusedItem(name=name, error="bad_record", message=message)
        words = fields.get("text") or fields.get("caption")
        source, target = paths
        return _Pair(source, target, clean_text(words) or "" if isinstance(words, str) else "")


def _blended(files: tuple[str, ...]) -> dict[str, str]:
    """Return the photograph of each edited one: the image of the same name without ``_blend``."""
    if not any(BLEND in path for path in files):  # most sources, some of millions of files, have none
        return {}
    images = [path for path in files if extension_of(path) in image_extensions() and not is_hidden(path)]
    by_stem = {posixpath.splitext(path)[0]: path for path in images}
    return {
        path: by_stem[stem.removesuffix(BLEND)]
        for stem, path in by_stem.items()
        if stem.endswith(BLEND) and stem.removesuffix(BLEND) in by_stem
    }


def _listings(files: tuple[str, ...]) -> list[str]:
    return [path for path in files if extension_of(path) == ".jsonl" and not is_hidden(path)]


def _effect(path: str, top: str, catalogue: Catalogue) -> str | None:
    """Return the effect that the nearest folder with the name of one stands for, ``top`` being the outermost."""
    found = (catalogue.resolve(folder) for folder in reversed([top, *path.split("/")[:-1]]))
    return next((effect for effect in found if effect not in (None, "target")), None)


def _unknown(folder: str, catalogue: Catalogue) -> str:
    effects = [name for name in catalogue if name != "target"]
    names = [*effects, *(alias for name in effects for alias in catalogue[name].aliases)]
    close = difflib.get_close_matches(folder, names, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(effects)}"
    return (
        f"its folder {clean_name(folder)!r} is no effect that PhotoDoodle publishes; {hint}; rename the folder, or add "
        "the effect to graph200k/catalogues/photodoodle.py"
    )
