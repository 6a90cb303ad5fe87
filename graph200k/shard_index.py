"""Where the members of one shard lie, in memory."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from graph200k.index import INDEX_SCHEMA, table_members
from graph200k.record import Member


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """A shard's index as one Arrow table (Member objects for all rows would take four times the memory).

    A *position* is that of a record in the shard.
    """

    table: pa.Table
    ends: np.ndarray
    """Row after the last member of each record."""
    nodes: list[str]
    numbers: list[int | None]
    """Variant of each member."""
    roles: list[str]
    usable: list[bool]
    columns: list[pa.Array]
    """The table's columns in the order of a Member's fields: one value of each is read in a fifth of a slice's time."""

    @classmethod
    def of(cls, table: pa.Table) -> ShardIndex:
        """Return the index that a table of :data:`graph200k.index.INDEX_SCHEMA` holds."""
        keys = table.column("key").combine_chunks()
        import pyarrow.compute as pc  # not at the top: opening a dataset needs none of its 9 MB

        ends = np.asarray(pc.run_end_encode(keys).run_ends.to_pylist(), np.int64)
        # Interned, three lists of 35,000 names are pointers to a few dozen strings.
        named = [[sys.intern(name) for name in table.column(column).to_pylist()] for column in ("node", "role")]
        numbers, usable = (table.column(column).to_pylist() for column in ("variant", "usable"))
        columns = [table.column(name).combine_chunks() for name in INDEX_SCHEMA.names]
        return cls(table, ends, named[0], numbers, named[1], usable, columns)

    def __len__(self) -> int:
        return len(self.ends)

    def key(self, position: int) -> str:
        """Return the key of a record."""
        return str(self.columns[0][int(self.ends[position]) - 1])

    def members(self, position: int) -> tuple[Member, ...]:
        """Return the members of a record, in the order of the tar."""
        start, end = self._rows(position)
        return tuple(table_members(self.table.slice(start, end - start)))

    def find(self, position: int, node: str, variant: int | None, role: str) -> Member | None:
        """Return the member with these names, the first variant if ``variant`` is None."""
        for row in range(*self._rows(position)):
            if self.nodes[row] == node and self.roles[row] == role and variant in (None, self.numbers[row]):
                return Member(*(column[row].as_py() for column in self.columns))
        return None

    def variants(self, position: int, node: str, roles: frozenset[str]) -> list[int]:
        """Return the variants of ``node`` that have a usable member of each of ``roles``, ascending."""
        found: dict[int, set[str]] = {}
        for row in range(*self._rows(position)):
            number = self.numbers[row]
            if self.nodes[row] == node and number is not None and self.usable[row]:
                found.setdefault(number, set()).add(self.roles[row])
        return sorted(number for number, have in found.items() if have >= roles)

    def _rows(self, position: int) -> tuple[int, int]:
        return int(self.ends[position - 1]) if position else 0, int(self.ends[position])
