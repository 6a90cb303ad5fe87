"""WebDataset tars: members of one key, one after another, are a record."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from graph200k.errors import Graph200KError, SourceError, UnsafeInputError
from graph200k.record import sanitise_key
from graph200k.shards import TarEntry, scan_tar
from pipelines.ingest.assemble import assemble
from pipelines.ingest.failure import RefusedError, failure_class
from pipelines.ingest.location import Location
from pipelines.ingest.names import is_hidden, sort_out
from pipelines.ingest.source import SOURCES, RawRecord, RefusedItem, Source, SourceItem, clean_name

MAX_SAMPLE_MEMBERS = 1000
"""Members of one key: no record has as many, and each takes room in the plan."""

_KEY = re.compile(r"((?:.*/)?[^./][^.]*)(\..+)", re.DOTALL)
"""Key and the rest: as in webdataset, a key ends at the first dot of the file name."""

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


@SOURCES.register("webdataset")
class WebDataset(Source):
    """Tars in the WebDataset format, our own shards among them; keys are kept, made safe where they must be.

    The target is the member ``.jpg`` (or any image extension), ``.target.jpg``, or the only image there is; members
    named for node types are imported; ``.txt``, ``.caption`` and ``.json`` say what the image shows.
    """

    kind = "webdataset"
    specificity = 1

    @classmethod
    def matches(cls, location: Location) -> bool:
        """Return whether any file is a tar."""
        return any(_is_tar(path) and not is_hidden(path) for path in location.files)

    def scan(self) -> Iterator[SourceItem | RefusedItem]:
        """Yield one item a key, tar by tar in the order of their paths."""
        for path in self.location.files:
            if is_hidden(path) or not (_is_tar(path) or self.location.is_file):
                self.ignore([path])
            elif path.lower().endswith(_COMPRESSED):
                message = "a compressed tar has no offsets to read by; expected a plain .tar: decompress it first"
                yield RefusedItem(name=clean_name(path), error="unreadable", message=message)
            else:
                yield from self._scan_tar(path)

    def read(self, item: SourceItem) -> RawRecord:
        """Return one record, read by the offsets of its members."""
        path, members = str(item.locator["tar"]), item.locator["members"]
        assert isinstance(members, Sequence)
        places = {member[0]: (int(member[1]), int(member[2])) for member in members}
        return assemble(
            item,
            list(places),
            lambda name: self.reader.read_range(path, *places[name]),
            kind=self.kind,
            limits=self.limits,
            lone_image_is_target=True,
        )

    def _scan_tar(self, path: str) -> Iterator[SourceItem | RefusedItem]:
        """Yield the items of one tar: a run of equal keys each."""
        shown = clean_name(path)
        if (refused := self.reader.refusal(path, shown)) is not None:
            yield refused
            return
        closed: set[str] = set()
        current = _Sample("", 0)
        for number, entry in enumerate(self._entries(path)):
            if isinstance(entry, UnsafeInputError):
                yield RefusedItem(name=f"{shown} (member {number})", error="unsafe_input", message=str(entry))
                continue
            match = _KEY.fullmatch(entry.name.removeprefix("./"))
            if match is None:
                self.ignore([f"{path}/{entry.name}"])
                continue
            if match[1] != current.key:
                yield from self._finish(path, current, closed)
                current = _Sample(match[1], number)
            current.members.append((match[2].removeprefix(".") if match[2].count(".") > 1 else match[2], entry))
        yield from self._finish(path, current, closed)

    def _entries(self, path: str) -> Iterator[TarEntry | UnsafeInputError]:
        try:
            with self.location.folder.open(path) as file:
                yield from scan_tar(file)
        except (OSError, Graph200KError) as error:
            yield UnsafeInputError(f"cannot be read: {error}")

    def _finish(self, path: str, sample: _Sample, closed: set[str]) -> Iterator[SourceItem | RefusedItem]:
        if not sample.members:
            return
        name = f"{clean_name(path)}/{clean_name(sample.key)}"
        again = sample.key in closed
        closed.add(sample.key)
        if again:
            message = (
                f"key {sample.key!r} comes again after other keys; members of one record must be adjacent: sort the tar"
            )
            yield RefusedItem(name=f"{name} (member {sample.first})", error="bad_record", message=message)
            return
        try:
            yield self._item(path, name, sample)
        except (RefusedError, SourceError) as error:
            yield RefusedItem(name=name, error=failure_class(error), message=str(error))

    def _item(self, path: str, name: str, sample: _Sample) -> SourceItem:
        places = sample.places()
        found = sort_out(list(places), lone_image_is_target=True)
        self.ignore(f"{path}/{sample.key}.{other}" for other in found.others)
        data = self.reader.read_range(path, *places[found.target])
        digest = hashlib.sha256(data).hexdigest()
        members = [(member, *place) for member, place in places.items()]
        return SourceItem(
            name=name, key=sanitise_key(sample.key), sha256=digest, locator={"tar": path, "members": members}
        )


class _Sample:
    """Members of one key that follow each other."""

    def __init__(self, key: str, first: int) -> None:
        self.key = key
        self.first = first
        """Position in the tar of its first member."""
        self.members: list[tuple[str, TarEntry]] = []

    def places(self) -> dict[str, tuple[int, int]]:
        """Return offset and size of each member.

        Raises
        ------
        RefusedError
            If a name stands twice, or there are too many.
        """
        if len(self.members) > MAX_SAMPLE_MEMBERS:
            raise RefusedError(
                "bad_record", f"{len(self.members):,} members of one key; the limit is {MAX_SAMPLE_MEMBERS:,}"
            )
        places: dict[str, tuple[int, int]] = {}
        for name, entry in self.members:
            if name in places:
                raise RefusedError("bad_record", f"member {name!r} stands twice; expected one of each name")
            places[name] = (entry.offset, entry.size)
        return places


def _is_tar(path: str) -> bool:
    return path.lower().endswith((".tar", *_COMPRESSED))
