"""Shards read once, from front to back: files that only move forward, and a dataset of which some records are held."""

from __future__ import annotations

from collections.abc import Collection
from typing import IO

from graph200k.commit import shard_path
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError
from graph200k.record import JSON_NODE, Member
from graph200k.storage import Folder


class ForwardReader:
    """Reads ranges of files that come in ascending order: one file is open at a time, and none is opened twice.

    Going forward lets the read-ahead of an object store's files do its work: a few large requests, not one a member.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._name, self._position = "", 0

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer if the file ends before.

        Raises
        ------
        DatasetError
            If there is no such file.
        """
        if self._file is None or name != self._name or offset < self._position:
            self.close()
            self._file, self._name, self._position = self._folder.open(name), name, 0
        try:
            if offset != self._position:
                self._file.seek(offset)
            data = self._file.read(size)
        except ValueError as error:  # of fsspec's files on a web server
            raise DatasetError(
                f"{self._folder.shown(name)} cannot be read from byte {offset:,} on "
                f"({' '.join(str(error).split())[:160]}); use a server that answers range requests"
            ) from None
        self._position = offset + len(data)
        return data

    def close(self) -> None:
        """Close the file that is open, if one is."""
        if self._file is not None:
            self._file.close()
            self._file = None


class BufferedDataset(Dataset):
    """A dataset of which only the records that are held can be read; they come from one pass over the shards.

    Parameters
    ----------
    dataset
        The dataset; what was read when it was opened is shared.
    nodes
        Node types whose members are kept. A record's JSON is kept too.

    Notes
    -----
    It needs as much memory as the held members have bytes on disk, and what the file system reads ahead.
    """

    def __init__(self, dataset: Dataset, nodes: Collection[str]) -> None:
        vars(self).update(vars(dataset))
        self._nodes = frozenset([*nodes, JSON_NODE])
        self._reader = ForwardReader(self.folder)
        self._held: dict[int, dict[tuple[str, int | None, str], Member]] = {}
        self._content: dict[tuple[int, int], bytes] = {}
        self.held_bytes = 0
        """Bytes of the members that are held now."""

    def hold(self, row: int) -> None:
        """Read the record at ``row``; cheap if rows come in the order of the dataset within a shard."""
        shard = int(self.shard_numbers[row])
        # The index is an Arrow table: what is asked of it five times a sample is kept as objects.
        held = self._held[row] = {(found.node, found.variant, found.role): found for found in super().members(row)}
        for member in held.values():
            if member.node in self._nodes:
                data = self._reader.read(shard_path(shard), member.offset, member.size)
                self._content[shard, member.offset] = data
                self.held_bytes += len(data)

    def release(self, row: int) -> None:
        """Forget the record at ``row``."""
        shard = int(self.shard_numbers[row])
        for member in self._held.pop(row).values():
            self.held_bytes -= len(self._content.pop((shard, member.offset), b""))

    def close(self) -> None:
        """Forget all records, and close the shard that is open."""
        for row in list(self._held):
            self.release(row)
        self._reader.close()

    def members(self, row: int) -> tuple[Member, ...]:
        """Return the members of a record that is held, as :meth:`Dataset.members` does."""
        return tuple(self._held[row].values())

    def member(self, row: int, node: str, variant: int | None = None, role: str = "") -> Member:
        """Return one member of a record that is held, as :meth:`Dataset.member` does."""
        found = self._held[row].get((node, variant, role))
        return super().member(row, node, variant, role) if found is None else found

    def read_content(self, member: Member, shard: int) -> bytes:
        """Return the bytes of a member of a record that is held."""
        return self._content[shard, member.offset]

    def holds(self, member: Member, shard: int) -> bool:
        """Return whether a member can be read now."""
        return (shard, member.offset) in self._content
