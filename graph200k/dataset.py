"""Read a dataset: open from one table, find members by offset, decode only what is asked for."""

from __future__ import annotations

import bisect
import logging
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np
import pyarrow as pa

from graph200k.catalogue import Catalogue, Storage
from graph200k.catalogues import find_catalogue
from graph200k.codecs import decode_image
from graph200k.commit import index_path, pending_commits, shard_path
from graph200k.derive import MATTE, cut_out, matte_node
from graph200k.errors import DatasetError, MemberNotFoundError, UnknownNameError
from graph200k.index import INDEX_SCHEMA, RECORDS_SCHEMA, read_table
from graph200k.manifest import Manifest, read_manifest
from graph200k.record import JSON_NODE, Member, RecordInfo, content_hash, parse_member_name
from graph200k.records import RECORDS
from graph200k.shard_index import ShardIndex
from graph200k.shards import shard_name
from graph200k.storage import Folder

if TYPE_CHECKING:
    import networkx as nx

    from graph200k.schema import Task

logger = logging.getLogger(__name__)

_CACHED_SHARDS = 64
"""Shard indexes kept in memory: about 4 MB each at 1,000 records of 35 members."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its JSON and where its members lie."""

    info: RecordInfo
    members: tuple[Member, ...]
    """In the order of the tar."""
    shard: int


class Dataset:
    """A dataset opened for reading.

    Parameters
    ----------
    data
        Folder of the dataset, a path or an fsspec URL.

    Raises
    ------
    DatasetError
        If there is no dataset, or its tables are damaged.

    Notes
    -----
    Opening reads five columns of ``records.parquet`` and nothing else; the index of a shard is read when a record of it
    is first asked for. Everything returned is a copy.

    Examples
    --------
    >>> dataset = Dataset("data/graph200k")  # doctest: +SKIP
    >>> canny = dataset.image(dataset.keys[0], "canny")  # doctest: +SKIP
    """

    def __init__(self, data: str) -> None:
        self.folder = Folder(data)
        self.manifest: Manifest = read_manifest(self.folder)
        self.catalogue: Catalogue = find_catalogue(self.manifest.catalogue)
        table = read_table(self.folder, RECORDS, RECORDS_SCHEMA, ["key", "shard", "available", "width", "height"])
        self.keys: Sequence[str] = _Keys(table.column("key"))
        self.availability: np.ndarray = _values(table, "available", np.uint64)
        """uint64, one mask a record: bit ``catalogue.bit(node)`` is set if it can serve the node type."""
        self.shard_numbers: np.ndarray = _values(table, "shard", np.int32)
        """int32, the shard of each record."""
        self.sizes: np.ndarray = np.stack([_values(table, side, np.int32) for side in ("width", "height")], axis=1)
        """int32, width and height of each target."""
        self._indexes: OrderedDict[int, ShardIndex] = OrderedDict()
        self._unsettled = frozenset(pending_commits(self.folder))
        if self._unsettled:
            logger.warning(
                "%s: %s were being replaced when their writer stopped; run `graph200k verify --repair`",
                self.folder.shown(),
                ", ".join(sorted(self._unsettled)),
            )

    def __len__(self) -> int:
        return len(self.keys)

    def row(self, key: str) -> int:
        """Return the position of a record.

        Raises
        ------
        UnknownNameError
            With similar keys, if there is none.
        """
        order, keys = self._key_order, self.keys
        place = bisect.bisect_left(range(len(order)), key, key=lambda position: keys[int(order[position])])
        if place == len(order) or keys[int(order[place])] != key:
            raise UnknownNameError("record", key, self.keys[:1000])
        return int(order[place])

    def record(self, key: str) -> Record:
        """Return a record's JSON and members."""
        row = self.row(key)
        members = self.members(row)
        info = RecordInfo.from_json(self.read(members[-1], int(self.shard_numbers[row])))
        return Record(info, members, int(self.shard_numbers[row]))

    def info(self, row: int) -> RecordInfo:
        """Return the JSON of the record at ``row``."""
        return RecordInfo.from_json(self.read(self.member(row, JSON_NODE), int(self.shard_numbers[row])))

    def members(self, row: int) -> tuple[Member, ...]:
        """Return the members of the record at ``row``, in the order of the tar, JSON last.

        Raises
        ------
        DatasetError
            If index and ``records.parquet`` disagree.
        """
        index, position = self._place(row)
        return index.members(position)

    def member(self, row: int, node: str, variant: int | None = None, role: str = "") -> Member:
        """Return where one stored image of the record at ``row`` lies; the first variant if ``variant`` is None.

        Raises
        ------
        MemberNotFoundError
            If the record has no such image.
        """
        index, position = self._place(row)
        member = index.find(position, node, variant, role)
        if member is not None:
            return member
        online = self.catalogue[node].storage is Storage.ONLINE
        wanted = ".".join(part for part in (node, "" if variant is None else str(variant), role) if part)
        have = ", ".join(dict.fromkeys(found.node for found in index.members(position) if found.node != JSON_NODE))
        hint = "; it is drawn online when sampled" if online else f"; it has {have}"
        raise MemberNotFoundError(f"record {self.keys[row]!r} has no stored {wanted}{hint}")

    def variants(self, row: int, node: str) -> list[int]:
        """Return the numbers of the variants of ``node`` whose images are all there and usable, ascending.

        The record at ``row`` may have others that lack one half of a pair; a node type without variants gives [].
        """
        index, position = self._place(row)
        return index.variants(position, node, frozenset(self.catalogue[node].roles))

    def image(self, key: str, node: str, variant: int | None = None, role: str = "") -> np.ndarray:
        """Return one image of a record, uint8: H×W×3 RGB, or H×W for a single-channel map.

        Parameters
        ----------
        key
            Key of the record.
        node
            Node type. For ``foreground`` and ``background`` the halves of the target are composed from the matte, which
            itself is ``role="matte"``.
        variant
            Number of the variant, for node types that have several; the first by default.
        role
            ``reference`` or ``image`` for the styles; ``image`` by default. ``raw`` for the depth of 16 bits, where it
            was asked for: then the result is uint16.

        Raises
        ------
        MemberNotFoundError
            If the record has no such image; an online degradation is drawn by the sampler, never stored by default.
        UnknownNameError
            For a node type or key that does not exist.
        """
        entry = self.catalogue[node]
        if role == "" and (matte := matte_node(entry)):
            return cut_out(self.image(key, "target"), self.image(key, matte, role=MATTE), keep=node)
        role = role or (entry.roles[-1] if len(entry.roles) > 1 else "")
        row = self.row(key)
        member = self.member(row, node, variant, role)
        data = self.read(member, int(self.shard_numbers[row]))
        return decode_image(data, channels=entry.channels, bits=entry.bits_of(role))

    def read(self, member: Member, shard: int) -> bytes:
        """Return the bytes of a member of ``shard``, checked against their hash.

        Raises
        ------
        DatasetError
            If they are not what the index says.
        """
        if shard_name(shard) in self._unsettled:
            raise DatasetError(
                f"{shard_name(shard)} was being replaced when its writer stopped; "
                "run `graph200k verify --repair`, then open the dataset again"
            )
        data = self.read_content(member, shard)
        if content_hash(data) != member.hash:
            raise DatasetError(
                f"{shard_name(shard)}: {member.node} of {member.key!r} is damaged, or the shard was "
                "rewritten since the dataset was opened; open it again, or run `graph200k verify`"
            )
        return data

    def read_content(self, member: Member, shard: int) -> bytes:
        """Return the bytes that lie where a member should, unchecked; what reads shards another way overrides it."""
        return self.folder.read_range(shard_path(shard), member.offset, member.size)

    def record_graph(self, key: str) -> nx.MultiDiGraph[str]:
        """Return the part of the schema graph that a record can serve.

        Stored nodes carry ``members``: a list of {variant, role, shard, offset, size, width, height}. Derived and
        online nodes carry an empty list. The record's tasks are ``enumerate_tasks`` of this graph.
        """
        from graph200k.schema import schema_graph

        row = self.row(key)
        available = self.catalogue.names(int(self.availability[row]))
        graph = schema_graph(self.catalogue).subgraph(available).copy()
        graph.graph["key"] = key
        nodes = graph.nodes
        for name in available:
            nodes[name]["members"] = []
        for member in self.members(row):
            if member.node in nodes and member.usable and not self.catalogue.is_raw(member.node, member.role):
                place = {"variant": member.variant, "role": member.role, "shard": int(self.shard_numbers[row])}
                extent = {"offset": member.offset, "size": member.size, "width": member.width, "height": member.height}
                nodes[member.node]["members"].append(place | extent)
        return graph

    def can_serve(self, task: Task) -> np.ndarray:
        """Return a boolean array: which records can serve a task."""
        need = np.uint64(self.catalogue.mask(task.path))
        have: np.ndarray = (self.availability & need) == need
        return have

    def content_ids(self) -> np.ndarray:
        """Return uint64, one number a record: equal for records whose targets were the same file; read from disk."""
        hashes = (
            read_table(self.folder, RECORDS, RECORDS_SCHEMA, ["source_hash"]).column("source_hash").combine_chunks()
        )
        found: np.ndarray = np.frombuffer(hashes.buffers()[1], "<u8")[2 * hashes.offset :][: 2 * len(hashes) : 2]
        return found

    def node_counts(self) -> dict[str, int]:
        """Return how many records can serve each node type."""
        masks, occurrences = np.unique(self.availability, return_counts=True)
        counts: Counter[str] = Counter({name: 0 for name in self.catalogue})
        for mask, number in zip(masks, occurrences, strict=True):
            counts.update({name: int(number) for name in self.catalogue.names(int(mask))})
        return dict(counts)

    def stored_nodes(self) -> list[str]:
        """Return the node types of which at least one image is stored, and those derived from them."""
        extensions = [name for name in self.manifest.features if "." in name]
        stored = {parse_member_name(f"key.{extension}", self.catalogue)[1] for extension in extensions}
        entries = self.catalogue.values()
        derived = {entry.name for entry in entries if entry.derived_from and stored.issuperset(entry.derived_from)}
        return [name for name in self.catalogue if name in stored | derived]

    def task_counts(self, tasks: Sequence[Task]) -> list[int]:
        """Return how many records can serve each task."""
        masks, occurrences = np.unique(self.availability, return_counts=True)
        needs = [np.uint64(self.catalogue.mask(task.path)) for task in tasks]
        return [int(occurrences[(masks & need) == need].sum()) for need in needs]

    @cached_property
    def _key_order(self) -> np.ndarray:
        """Rows in the order of their keys, made on the first look-up by key (3 s at 5,000,000 records)."""
        assert isinstance(self.keys, _Keys)
        import pyarrow.compute as pc

        order: np.ndarray = pc.sort_indices(self.keys.column).to_numpy()
        return order

    def _place(self, row: int) -> tuple[ShardIndex, int]:
        """Return the index of a record's shard, and the record's position in it."""
        shard = self.shard_numbers[row]  # a numpy scalar: with an int, searchsorted would convert the whole array
        index, position = self._index(int(shard)), row - int(np.searchsorted(self.shard_numbers, shard))
        if position >= len(index) or index.key(position) != self.keys[row]:
            raise DatasetError(
                f"{shard_name(int(shard))}: its index and {RECORDS} disagree about {self.keys[row]!r}; "
                "run `graph200k verify --repair`"
            )
        return index, position

    def _index(self, shard: int) -> ShardIndex:
        if shard in self._indexes:
            self._indexes.move_to_end(shard)
            return self._indexes[shard]
        table = read_table(self.folder, index_path(shard), INDEX_SCHEMA).combine_chunks()
        self._indexes[shard] = ShardIndex.of(table)
        if len(self._indexes) > _CACHED_SHARDS:
            self._indexes.popitem(last=False)
        return self._indexes[shard]


def _values(table: pa.Table, column: str, dtype: type[np.generic]) -> np.ndarray:
    """Return a column without nulls as numpy values; ``to_numpy`` would import pandas, 0.2 s and 60 MB."""
    chunk = table.column(column).combine_chunks()
    return np.frombuffer(chunk.buffers()[1], dtype)[chunk.offset : chunk.offset + len(chunk)]


class _Keys(Sequence[str]):
    """Keys as a sequence of str over an Arrow column: 5,000,000 Python strings would cost half a gigabyte."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self.column = column

    def __len__(self) -> int:
        return len(self.column)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            return [str(self.column[position]) for position in range(start, stop, step)]
        return str(self.column[index if index >= 0 else len(self) + index])
