"""A stage's worker: takes a unit of work, runs its annotators on each record, writes what came out as one part."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from graph200k.catalogue import GRAPH200K
from graph200k.commit import index_path, shard_path
from graph200k.index import INDEX_SCHEMA, read_table, table_members
from graph200k.parts import write_part
from graph200k.record import Member
from graph200k.storage import Folder
from pipelines.annotate.inputs import Inputs
from pipelines.annotate.ledger import Ledger, ledger_folder
from pipelines.annotate.unit import StageConfig, UnitOfWork


class StageWorker:
    """A Ray actor that holds the loaded models of one stage."""

    def __init__(self, config: StageConfig) -> None:
        self._config = config
        self._folder = Folder(config.data)
        self._ledgers = ledger_folder(self._folder, config.run)
        self._functions = {annotator.name: annotator.load(config.weights) for annotator in config.annotators}
        self._index: tuple[int, dict[str, list[Member]]] = (-1, {})

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Do one unit of work (a batch of one row), and return its row with this stage's report added."""
        (row,) = batch.to_pylist()
        unit = json.loads(row["unit"])
        ledger = Ledger(self._ledgers, f"{self._config.stage}-{unit['number']}")
        made = _forwarded(row["made"])
        inputs = Inputs(self._reader(unit["shard"]), made)
        work = UnitOfWork(self._config, self._functions, inputs, ledger)
        rows = list(work.annotate(unit["needs"]))
        if rows:
            write_part(self._folder, self._config.run, unit["shard"], f"{self._config.stage}-{unit['number']}", rows)
        ledger.close(finished=True)
        unit["reports"] = [*unit.get("reports", []), work.report(rows)]
        return unit_table([unit], made)

    def _reader(self, shard: int) -> Callable[[str, str], bytes | None]:
        """Return a function from (key, node) to the bytes of that member of a shard, None if there is none."""
        if self._index[0] != shard:
            grouped: dict[str, list[Member]] = defaultdict(list)
            for member in table_members(read_table(self._folder, index_path(shard), INDEX_SCHEMA)):
                grouped[member.key].append(member)
            self._index = (shard, grouped)
        members = self._index[1]

        def read(key: str, node: str) -> bytes | None:
            for member in members[key]:
                if member.node == node and member.usable and not GRAPH200K.is_raw(node, member.role):
                    return self._folder.read_range(shard_path(shard), member.offset, member.size)
            return None

        return read


UNIT_SCHEMA = pa.schema(
    [
        ("unit", pa.string()),
        ("made", pa.list_(pa.struct([("key", pa.string()), ("node", pa.string()), ("data", pa.binary())]))),
    ]
)
"""A row of the pipeline: a unit of work as JSON, and the encoded images that travel between stages."""


def unit_table(units: list[dict[str, Any]], made: dict[str, dict[str, bytes]] | None = None) -> pa.Table:
    """Return units as rows of :data:`UNIT_SCHEMA`; ``made`` goes with each of them."""
    packed = [
        {"key": key, "node": node, "data": data} for key, nodes in (made or {}).items() for node, data in nodes.items()
    ]
    rows = [{"unit": json.dumps(unit), "made": packed} for unit in units]
    return pa.Table.from_pylist(rows, schema=UNIT_SCHEMA)


def _forwarded(made: list[dict[str, Any]]) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for entry in made:
        found.setdefault(entry["key"], {})[entry["node"]] = entry["data"]
    return found
