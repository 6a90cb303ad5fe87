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


def remove(data: str, names: Sequence[str], *, dry_run: bool = False) -> dict[str, int]:
    """Take all that these annotators made out of a dataset; return how many records had it, by node type and fact.

    With ``dry_run`` it is only counted.
    """
    folder = Folder(data)
    if not folder.exists(MANIFEST):
        raise DatasetError(f"{data} is not a dataset")
    manifest = Dataset(data).manifest
    made = {used.name for used in manifest.annotators}
    if unknown := [name for name in names if name not in made]:
        raise UnknownNameError("annotator of this dataset", unknown[0], made)
    counts = _count(folder, names)
    if dry_run:
        return counts
    with write_session(data, shard_size=manifest.shard_size) as session:
        for number in list_shards(folder):
            session.seal(number, frozenset(names))
        write_failures(folder, [failure for failure in read_failures(folder) if failure.annotator not in names])
    return counts


def _count(folder: Folder, names: Sequence[str]) -> dict[str, int]:
    """Return how many records have something made by these annotators, by node type and fact."""
    images: Counter[str] = Counter()
    facts: Counter[str] = Counter()
    for number in list_shards(folder):
        index = read_table(folder, index_path(number), INDEX_SCHEMA, ["key", "node", "annotator", "fingerprint"])
        columns = (index.column(name).to_pylist() for name in ("key", "node", "annotator"))
        found = {(key, node) for key, node, maker in zip(*columns, strict=True) if maker in names}
        images.update(node for _, node in found)
        packed = index.filter(pc.equal(index.column("node"), JSON_NODE)).column("fingerprint").to_pylist()
        for stated in map(unpack_makers, packed):
            facts.update(name for name, maker in stated.items() if maker.annotator in names)
    return dict(images) | dict(facts)
