"""Take out of a dataset what an annotator made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow.compute as pc

from graph200k.commit import index_path, list_shards
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError, UnknownNameError
from graph200k.facts import unpack_makers
from graph200k.failures import read_failures, write_failures
from graph200k.index import INDEX_SCHEMA, read_table
from graph200k.manifest import MANIFEST
from graph200k.record import JSON_NODE
from graph200k.session import write_session
from graph200k.storage import Folder


def remove(data: str, names: Sequence[str]) -> dict[str, int]:
    """Take all that these annotators made out of a dataset; return how many records had it, by node type and fact."""
    folder = Folder(data)
    if not folder.exists(MANIFEST):
        raise DatasetError(f"{data} is not a dataset")
    before = Dataset(data)
    made = {used.name for used in before.manifest.annotators}
    if unknown := [name for name in names if name not in made]:
        raise UnknownNameError("annotator of this dataset", unknown[0], made)
    stated = _count_facts(folder, names)
    with write_session(data, shard_size=before.manifest.shard_size) as session:
        for number in list_shards(folder):
            session.seal(number, frozenset(names))
        write_failures(folder, [failure for failure in read_failures(folder) if failure.annotator not in names])
    after = Dataset(data).node_counts()
    gone = {node: count - after[node] for node, count in before.node_counts().items() if count != after[node]}
    return gone | stated


def _count_facts(folder: Folder, names: Sequence[str]) -> dict[str, int]:
    """Return how many records have a fact made by these annotators, by fact."""
    counts: Counter[str] = Counter()
    for number in list_shards(folder):
        index = read_table(folder, index_path(number), INDEX_SCHEMA, ["node", "fingerprint"])
        packed = index.filter(pc.equal(index.column("node"), JSON_NODE)).column("fingerprint").to_pylist()
        for facts in map(unpack_makers, packed):
            counts.update(name for name, maker in facts.items() if maker.annotator in names)
    return dict(counts)
