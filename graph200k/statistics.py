"""What a dataset holds, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow.compute as pc

from graph200k.commit import index_path
from graph200k.dataset import Dataset
from graph200k.failures import read_failures
from graph200k.index import INDEX_SCHEMA, read_table
from graph200k.schema import catalogue_tasks


def statistics(data: str) -> dict[str, Any]:
    """Return records, shards, members and bytes by node type, image sizes, tasks served and failures of a dataset."""
    dataset = Dataset(data)
    members: Counter[str] = Counter()
    size: Counter[str] = Counter()
    unusable: Counter[str] = Counter()
    shards = np.unique(dataset.shard_numbers)
    for number in shards:
        table = read_table(dataset.folder, index_path(int(number)), INDEX_SCHEMA, ["node", "size", "usable"])
        grouped = table.group_by("node").aggregate([("size", "sum"), ("size", "count")])
        for row in grouped.to_pylist():
            members[row["node"]] += row["size_count"]
            size[row["node"]] += row["size_sum"]
        unusable.update(table.filter(pc.invert(table.column("usable"))).column("node").to_pylist())
    nodes = [node for node in dataset.catalogue if members[node]]
    counts = dataset.node_counts()
    tasks = dataset.task_counts(catalogue_tasks(dataset.catalogue))
    return {
        "catalogue": dataset.catalogue.name,
        "records": len(dataset),
        "shards": len(shards),
        "bytes": sum(size.values()),
        "tasks": len(tasks),
        "tasks_served": sum(count > 0 for count in tasks),
        "nodes": [
            {
                "node": node,
                "records": counts[node],
                "members": members[node],
                "unusable": unusable[node],
                "bytes": size[node],
            }
            for node in nodes
        ],
        "width": _spread(dataset.sizes[:, 0]),
        "height": _spread(dataset.sizes[:, 1]),
        "annotators": [used.model_dump() for used in dataset.manifest.annotators],
        "sources": [source.model_dump() for source in dataset.manifest.sources],
        "presets": list(dataset.manifest.presets),
        "failures": dict(Counter(f"{failure.annotator}:{failure.error}" for failure in read_failures(dataset.folder))),
    }


def _spread(values: np.ndarray) -> dict[str, int]:
    if not len(values):
        return {"min": 0, "median": 0, "max": 0}
    return {"min": int(values.min()), "median": int(np.median(values)), "max": int(values.max())}
