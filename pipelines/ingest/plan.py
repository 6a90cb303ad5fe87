"""The plan: which items go into which shards, written before the first part so that a killed run can be finished.

``parts/ingest-plan.jsonl`` holds a header, then one line an item in source order. Item ``i`` belongs to shard
``first_shard + i // shard_size``, whatever becomes of it, so no later failure can move another item.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO

from graph200k.codecs import Limits
from graph200k.errors import DatasetError
from graph200k.parts import INGEST_PLAN
from graph200k.storage import Folder
from pipelines.ingest.source import Locator, SourceItem

PLAN = INGEST_PLAN


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What holds for the whole plan."""

    kind: str
    spec: str
    """The source as the user gave it; goes into ``dataset.json``."""
    absolute: str
    """The same from any working folder."""
    first_shard: int
    shard_size: int
    limits: Limits


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedItem:
    """One item: to be read, or refused already."""

    ordinal: int
    """Position within its shard."""
    label: str
    """Key under which a failure of it is on file."""
    fingerprint: str
    """Fingerprint of such a failure."""
    name: str
    key: str = ""
    sha256: str = ""
    locator: Locator | None = None
    """None for a refused item."""
    error: str = ""
    message: str = ""

    @property
    def item(self) -> SourceItem:
        """The item as its source knows it."""
        assert self.locator is not None
        return SourceItem(name=self.name, key=self.key, sha256=self.sha256, locator=self.locator)


def write_plan(folder: Folder, header: Header, items: Iterable[PlannedItem]) -> int:
    """Write a plan, whole or not at all, and return its number of items; none means that nothing is written."""
    lines = iter(items)
    first = next(lines, None)
    if first is None:
        return 0
    with folder.writer(PLAN) as file:
        file.write(_line(dataclasses.asdict(header)) + _line(dataclasses.asdict(first)))
        count = 1
        for item in lines:
            file.write(_line(dataclasses.asdict(item)))
            count += 1
    return count


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan on disk; items are read shard by shard, for there may be millions."""

    folder: Folder
    header: Header
    count: int
    """Number of items."""

    @classmethod
    def find(cls, folder: Folder) -> Plan | None:
        """Return the plan of an unfinished ingest, None if there is none.

        Raises
        ------
        DatasetError
            If it was written by another release.
        """
        if not folder.exists(PLAN):
            return None
        with folder.open(PLAN) as file:
            first, count = file.readline(), sum(1 for _ in file)
        try:
            fields = json.loads(first)
            limits = Limits(**fields.pop("limits"))
            return cls(folder, Header(**fields, limits=limits), count)
        except (TypeError, KeyError, ValueError, AttributeError):
            raise DatasetError(
                f"{folder.shown(PLAN)} is damaged or of another release; finish that ingest with it, or remove "
                "the file to give up what it had left to do"
            ) from None

    @property
    def shards(self) -> range:
        """Numbers of its shards."""
        size = self.header.shard_size
        return range(self.header.first_shard, self.header.first_shard + -(-self.count // size))

    def items(self) -> Iterator[tuple[int, list[PlannedItem]]]:
        """Yield the shards' numbers and items."""
        with self.folder.open(PLAN) as file:
            file.readline()
            for number in self.shards:
                yield number, _read_lines(file, self.header.shard_size)


def _read_lines(file: IO[bytes], count: int) -> list[PlannedItem]:
    return [PlannedItem(**json.loads(line)) for line in islice(file, count)]


def _line(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode() + b"\n"
