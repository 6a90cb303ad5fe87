"""Take out of a dataset what an annotator made."""

from __future__ import annotations

from collections.abc import Sequence

from graph200k.commit import list_shards
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError, UnknownNameError
from graph200k.failures import read_failures, write_failures
from graph200k.manifest import MANIFEST
from graph200k.session import write_session
from graph200k.storage import Folder


def remove(data: str, names: Sequence[str]) -> dict[str, int]:
    """Take all that these annotators made out of a dataset; return how many records each had."""
    folder = Folder(data)
    if not folder.exists(MANIFEST):
        raise DatasetError(f"{data} is not a dataset")
    before = Dataset(data)
    made = {used.name for used in before.manifest.annotators}
    if unknown := [name for name in names if name not in made]:
        raise UnknownNameError("annotator of this dataset", unknown[0], made)
    with write_session(data, shard_size=before.manifest.shard_size) as session:
        for number in list_shards(folder):
            session.seal(number, frozenset(names))
        write_failures(folder, [failure for failure in read_failures(folder) if failure.annotator not in names])
    after = Dataset(data).node_counts()
    return {node: count - after[node] for node, count in before.node_counts().items() if count != after[node]}
