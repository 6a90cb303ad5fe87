"""What turns out to be damaged in a stream: found, named, counted, and left out from then on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from graph200k.catalogue import Storage
from graph200k.codecs import decode_image
from graph200k.dataset import Dataset
from graph200k.derive import matte_node
from graph200k.errors import DatasetError, UnsafeInputError
from graph200k.record import JSON_NODE, Member, RecordInfo, member_name
from graph200k.shards import shard_name
from sampler.pool import PoolTask
from sampler.reading import BufferedDataset
from sampler.samples import cells_of

logger = logging.getLogger(__name__)

MAX_DAMAGED = 100
"""Damaged members in a row, without a sample in between, after which the dataset is taken to be broken."""


@dataclass(slots=True)
class Counts:
    """What did not go as drawn, in this process."""

    unserved: int = 0
    """Records that can serve no task."""
    unreadable: int = 0
    """Records of which too much is damaged to serve a task."""
    fewer_contexts: int = 0
    """Samples with fewer examples than drawn, because the buffer held no more that fit."""
    damaged: Counter[str] = field(default_factory=Counter)
    """Damaged members by shard and name."""


class Damage:
    """What is known to be damaged in the records held.

    Parameters
    ----------
    source
        The records.
    counts
        Where damaged members are counted.
    """

    def __init__(self, source: BufferedDataset, counts: Counts) -> None:
        self._source, self._counts = source, counts
        self._found: dict[int, set[tuple[str, int | None, str]]] = {}
        self.in_a_row = 0
        """Damaged members found since it was last set to 0."""

    def find(self, rows: Iterable[int]) -> bool:
        """Note the damaged members of records, and return whether there are any that were not known.

        Raises
        ------
        DatasetError
            If there were too many in a row.
        """
        fresh = 0
        for row in rows:
            known = self._found.setdefault(row, set())
            shard = int(self._source.shard_numbers[row])
            for member in self._source.members(row):
                name = (member.node, member.variant, member.role)
                if name not in known and self._source.holds(member, shard) and not self._is_sound(member, shard):
                    known.add(name)
                    fresh += 1
                    self._note(member, shard)
        return fresh > 0

    def forget(self, row: int) -> None:
        """Drop what is known of a record."""
        self._found.pop(row, None)

    def has_json(self, row: int) -> bool:
        """Return whether the record's JSON is damaged."""
        return (JSON_NODE, None, "") in self._found.get(row, ())

    def is_readable(self, row: int, entry: PoolTask, bits: int) -> bool:
        """Return whether no damage is known in what a row of a task shows of a record."""
        if not (found := self._found.get(row)):
            return True
        dataset = self._source
        cells = cells_of(dataset, row, entry.columns, bits, (0,))
        return not any(
            (node, cell.variant if node == cell.node else None) in {name[:2] for name in found}
            for cell in cells
            for node in member_nodes(dataset, cell.node)
        )

    def _is_sound(self, member: Member, shard: int) -> bool:
        try:
            data = self._source.read(member, shard)
            if member.node == JSON_NODE:
                RecordInfo.from_json(data)
            else:
                decode_image(data, channels=self._source.catalogue[member.node].channels)
        except (DatasetError, UnsafeInputError):
            return False
        return True

    def _note(self, member: Member, shard: int) -> None:
        name = member_name(member.key, member.node, member.variant, member.role, self._source.catalogue)
        self._counts.damaged[f"{shard_name(shard)}: {name}"] += 1
        logger.warning("%s of %s is damaged and left out", name, shard_name(shard))
        self.in_a_row += 1
        if self.in_a_row >= MAX_DAMAGED:
            raise DatasetError(
                f"{shard_name(shard)}: {MAX_DAMAGED} members in a row are damaged, the last {name}; check the dataset "
                "with `graph200k verify`, mend it with `graph200k verify --repair`"
            )


def member_nodes(dataset: Dataset, node: str) -> tuple[str, ...]:
    """Return the stored node types whose members an image of a node type is made from."""
    entry = dataset.catalogue[node]
    if matte := matte_node(entry):
        return (matte, "target")
    return (node, "target") if entry.storage is Storage.ONLINE else (node,)
