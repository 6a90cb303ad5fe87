"""A stage's worker: takes a unit of work, runs its annotators on each record, writes what came out as one part."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa

from annotators.base import AnnotateFunction, Annotation, Annotator, Fact, RecordView
from annotators.batching import BatchFunction, is_out_of_memory
from annotators.gates import count_rejections
from graph200k.catalogue import GRAPH200K, MetaTask
from graph200k.codecs import decode_image, encode_image, is_blank
from graph200k.commit import index_path, shard_path
from graph200k.errors import AnswerError, Graph200KError, RejectedError
from graph200k.facts import fact_from_json, fact_to_json, is_empty, makers, with_fact
from graph200k.index import INDEX_SCHEMA, read_table, table_members
from graph200k.parts import PartRow, failure_row, write_part
from graph200k.record import FACTS, JSON_NODE, Member, Provenance, RecordInfo, Text
from graph200k.seeds import derive_seed
from graph200k.storage import Folder
from pipelines.annotate.ledger import Ledger, ledger_folder

MAX_ERROR_CHARACTERS = 500

T = TypeVar("T")

_Found: TypeAlias = Sequence[Annotation | Fact]


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig:
    """Everything a worker of a stage needs to know; it travels to the workers once."""

    data: str
    run: str
    stage: str
    annotators: tuple[Annotator, ...]
    fingerprints: Mapping[str, str]
    forward: frozenset[str]
    """Node types and facts made here that a later stage reads."""
    weights: Path
    """Folder of the weight files."""
    seed: int


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
        work = _UnitOfWork(self._config, self._functions, self._reader(unit["shard"]), ledger, made)
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
                if member.node == node and member.usable:
                    return self._folder.read_range(shard_path(shard), member.offset, member.size)
            return None

        return read


class _MissingInput(Exception):
    """A record lacks what an annotator reads."""


@dataclass
class _UnitOfWork:
    """One pass over the records of a unit."""

    config: StageConfig
    functions: Mapping[str, AnnotateFunction]
    read: Callable[[str, str], bytes | None]
    ledger: Ledger
    made: dict[str, dict[str, bytes]]
    """Encoded images and facts made in this run that later stages read, by key and name."""

    def __post_init__(self) -> None:
        self._runs: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()
        self._pixels: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()

    def annotate(self, needs: Sequence[tuple[int, str, list[str]]]) -> Iterator[PartRow]:
        """Run the annotators of this stage that records need; yield what came out, failures included.

        ``needs`` holds position in the shard, key, and annotators' names of each record.
        """
        step = max(_at_once(function) for function in self.functions.values())
        for start in range(0, len(needs), step):
            some = needs[start : start + step]
            images: dict[str, dict[str, np.ndarray]] = {key: {} for _, key, _ in some}
            for annotator in self.config.annotators:
                wanted = [(ordinal, key) for ordinal, key, names in some if annotator.name in names]
                together = self._make_together(annotator, [key for _, key in wanted], images)
                for ordinal, key in wanted:
                    yield from self._run(annotator, ordinal, key, images[key], together.get(key))

    def report(self, rows: list[PartRow]) -> dict[str, Any]:
        """Return counts for the driver."""
        return {
            "made": Counter(row.node for row in rows if row.error is None),
            "failed": Counter(f"{row.annotator}:{row.error}" for row in rows if row.error is not None),
            "bytes": _total((row.annotator, len(row.data)) for row in rows if row.data is not None),
            "runs": self._runs,
            "seconds": self._seconds,
            "pixels": self._pixels,
            "rejected": self._rejected,
        }

    def _make_together(
        self, annotator: Annotator, keys: Sequence[str], images: Mapping[str, dict[str, np.ndarray]]
    ) -> dict[str, _Found]:
        """Return what a function that takes several records at once makes of them, by key; nothing if it cannot.

        Whatever goes wrong is left to each record by itself, which then shows whose fault it was.
        """
        function = self.functions[annotator.name]
        if not isinstance(function, BatchFunction) or function.most == 1 or len(keys) == 1:
            return {}
        together = f"*{keys[0]}"  # no record's key
        if not keys or self.ledger.failed_together(together, annotator.name):
            return {}

        def make() -> dict[str, _Found]:
            sound = [key for key in keys if not self.ledger.verdict(key, annotator.name)]
            ready = [key for key in sound if not self._load_inputs(annotator, key, images[key])]
            views = [self._view(annotator, key, images[key]) for key in ready]
            made = function.many(views, [np.random.default_rng(self._seed(annotator, key)) for key in ready])
            return dict(zip(ready, made, strict=True))

        started = time.perf_counter()
        outcome = self._attempt(together, annotator, len(keys), make)
        if isinstance(outcome, Exception):
            return {}
        self._seconds[annotator.name] += time.perf_counter() - started
        return outcome

    def _run(
        self, annotator: Annotator, ordinal: int, key: str, images: dict[str, np.ndarray], made: _Found | None
    ) -> list[PartRow]:
        fingerprint = self.config.fingerprints[annotator.name]

        def failed(error: str, message: str) -> list[PartRow]:
            return [failure_row(ordinal, key, annotator.name, fingerprint, error, message)]

        if verdict := self.ledger.verdict(key, annotator.name):
            return failed(*verdict)
        seed = self._seed(annotator, key)

        def make() -> list[PartRow]:
            if missing := self._load_inputs(annotator, key, images):
                raise _MissingInput(f"needs {', '.join(missing)}, which this record lacks")
            found = made
            if found is None:
                view = self._view(annotator, key, images)
                found = self.functions[annotator.name](view, np.random.default_rng(seed))
            return [self._row(annotator, ordinal, key, seed, one, images) for one in found]

        started = time.perf_counter()
        rows = self._attempt(key, annotator, 1, make)
        if isinstance(rows, _MissingInput):
            return failed("missing_input", str(rows))
        if isinstance(rows, RejectedError):
            self._reject(annotator, rows.reasons)
        if isinstance(rows, Exception):
            return failed(_error_class(rows), f"{type(rows).__name__}: {rows}"[:MAX_ERROR_CHARACTERS])
        self._runs[annotator.name] += 1
        self._seconds[annotator.name] += time.perf_counter() - started
        self._pixels[annotator.name] += images["target"].shape[0] * images["target"].shape[1]
        return rows

    def _reject(self, annotator: Annotator, reasons: Mapping[str, int]) -> None:
        self._rejected.update({f"{annotator.name}:{reason}": count for reason, count in reasons.items()})

    def _attempt(self, key: str, annotator: Annotator, records: int, make: Callable[[], T]) -> T | Exception:
        """Return what ``make`` returns or raises, watched by the ledger for as long as these records may take."""
        with self.ledger.attempt(key, annotator.name, annotator.needs.time_limit_s * records):
            try:
                return make()
            except Exception as error:  # noqa: BLE001  (the one broad except: one annotator, one record, never the run)
                return error

    def _seed(self, annotator: Annotator, key: str) -> int:
        return derive_seed(self.config.seed, key, annotator.name)

    def _load_inputs(self, annotator: Annotator, key: str, images: dict[str, np.ndarray]) -> list[str]:
        """Decode what an annotator reads into ``images``; return the node types that the record lacks."""
        missing = []
        for node in ("target", *annotator.reads):
            if node in images:
                continue
            if node in FACTS:
                missing += [] if self._knows(key, node) else [node]
                continue
            data = self.made.get(key, {}).get(node) or self.read(key, node)
            if data is None:
                missing.append(node)
            else:
                images[node] = decode_image(data, channels=GRAPH200K[node].channels)
                images[node].flags.writeable = False  # annotators share it
        return missing

    def _view(self, annotator: Annotator, key: str, images: Mapping[str, np.ndarray]) -> RecordView:
        """Return what an annotator may see: its inputs, and no more."""
        seen = {node: images[node] for node in ("target", *annotator.reads) if node in images}
        facts = [name for name in annotator.reads if name in FACTS]
        if not facts:
            return RecordView(seen)
        info = self._info(key)
        return RecordView(
            seen,
            text=info.text if "text" in facts else Text(),
            boxes=info.boxes if "boxes" in facts else (),
            edits=[edit for edit in info.edits if f"{edit.node}.edits" in facts],
        )

    def _knows(self, key: str, fact: str) -> bool:
        """Return whether somebody stated a fact, if only that there is nothing to state."""
        return fact in self.made.get(key, {}) or fact in makers(self._info(key))

    def _info(self, key: str) -> RecordInfo:
        """Return a record's JSON with what this run found out since."""
        data = self.read(key, JSON_NODE)
        assert data is not None  # no record without
        info = RecordInfo.from_json(data)
        for name, fact in self.made.get(key, {}).items():
            if name in FACTS:
                info = with_fact(info, name, fact_from_json(name, fact))
        return info

    def _row(
        self,
        annotator: Annotator,
        ordinal: int,
        key: str,
        seed: int,
        made: Annotation | Fact,
        images: Mapping[str, np.ndarray],
    ) -> PartRow:
        if isinstance(made, Fact):
            node, variant, role, height, width = made.name, None, "", 0, 0
            _check_fact(annotator, made)
            data, usable = fact_to_json(made.value), not is_empty(made.value)
        else:
            node, variant, role, (height, width) = made.node, made.variant, made.role, made.image.shape[:2]
            _check(annotator, made, images["target"])
            self._reject(annotator, count_rejections(made.drawn or {}))
            data, usable = encode_image(made.image, GRAPH200K[node].codec), not is_blank(made.image)
        if node in self.config.forward and variant in (None, 0):
            self.made.setdefault(key, {})[node] = data
        fingerprint = self.config.fingerprints[annotator.name]
        provenance = Provenance(
            node=node,
            variant=variant,
            role=role,
            annotator=annotator.name,
            fingerprint=fingerprint,
            model=annotator.model,
            revision=annotator.revision,
            parameters=json.dumps(annotator.parameters, sort_keys=True),
            drawn=json.dumps(made.drawn or {}, sort_keys=True),
            seed=seed,
            usable=usable,
        )
        return PartRow(
            ordinal=ordinal,
            key=key,
            annotator=annotator.name,
            node=node,
            variant=variant,
            role=role,
            width=width,
            height=height,
            fingerprint=fingerprint,
            usable=usable,
            provenance=provenance.model_dump_json(),
            data=data,
        )


def _check(annotator: Annotator, made: Annotation, target: np.ndarray) -> None:
    entry = GRAPH200K[made.node]
    if made.node not in annotator.produces:
        raise Graph200KError(f"{annotator.name} made {made.node}, but declares {', '.join(annotator.produces)}")
    is_map = entry.meta_task is MetaTask.CONDITIONAL_GENERATION
    size = target.shape[:2] if is_map else made.image.shape[:2]
    expected = size if entry.channels == 1 else (*size, 3)
    if made.image.dtype != np.uint8 or made.image.shape != expected:
        raise Graph200KError(
            f"{made.node} came out as {made.image.dtype} {made.image.shape}; expected uint8 {expected}"
        )


def _check_fact(annotator: Annotator, made: Fact) -> None:
    if made.name not in annotator.states:
        raise Graph200KError(
            f"{annotator.name} stated {made.name}, but declares {', '.join(annotator.states) or 'none'}"
        )


def _at_once(function: AnnotateFunction) -> int:
    return function.most if isinstance(function, BatchFunction) else 1


def _error_class(error: Exception) -> str:
    if is_out_of_memory(error):
        return "oom"
    named = {AnswerError: "bad_answer", RejectedError: "rejected"}
    return next((name for kind, name in named.items() if isinstance(error, kind)), "error")


def _total(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for name, amount in pairs:
        total[name] += amount
    return total


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
