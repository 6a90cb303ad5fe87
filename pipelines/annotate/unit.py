"""One pass of a stage's annotators over the records of a unit of work."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from annotators.base import AnnotateFunction, Annotator
from annotators.batching import BatchFunction, Made, is_out_of_memory
from annotators.gates import count_rejections
from graph200k.catalogue import GRAPH200K
from graph200k.errors import AnswerError, RejectedError
from graph200k.parts import PartRow, failure_row
from graph200k.seeds import derive_seed
from pipelines.annotate.inputs import Inputs
from pipelines.annotate.ledger import Ledger
from pipelines.annotate.outputs import Making, output_row

MAX_ERROR_CHARACTERS = 500
ERROR_CLASSES = ("error", "oom", "timeout", "worker_died", "missing_input", "bad_answer", "rejected")
"""Classes of what annotators fail with."""

T = TypeVar("T")


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


class _MissingInput(Exception):
    """A record lacks what an annotator reads."""


@dataclass
class UnitOfWork:
    """One pass over the records of a unit."""

    config: StageConfig
    functions: Mapping[str, AnnotateFunction]
    inputs: Inputs
    ledger: Ledger

    def __post_init__(self) -> None:
        self._runs: Counter[str] = Counter()
        self._seconds: dict[str, float] = defaultdict(float)
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
            "rejected": self._rejected,
        }

    def _make_together(
        self, annotator: Annotator, keys: Sequence[str], images: Mapping[str, dict[str, np.ndarray]]
    ) -> dict[str, Made]:
        """Return what a function that takes several records at once makes of them, by key; nothing if it cannot.

        Whatever goes wrong is left to each record by itself, which then shows whose fault it was.
        """
        function = self.functions[annotator.name]
        if not isinstance(function, BatchFunction) or function.most == 1 or len(keys) == 1:
            return {}
        together = f"*{keys[0]}"  # no record's key
        if not keys or self.ledger.failed_together(together, annotator.name):
            return {}

        def make() -> dict[str, Made]:
            sound = [key for key in keys if not self.ledger.verdict(key, annotator.name)]
            ready = [key for key in sound if not self.inputs.load(annotator, key, images[key])]
            views = [self.inputs.view(annotator, key, images[key]) for key in ready]
            made = function.many(views, [np.random.default_rng(self._seed(annotator, key)) for key in ready])
            return dict(zip(ready, made, strict=True))

        started = time.perf_counter()
        outcome = self._attempt(together, annotator, len(keys), make)
        if isinstance(outcome, Exception):
            return {}
        self._seconds[annotator.name] += time.perf_counter() - started
        return outcome

    def _run(
        self, annotator: Annotator, ordinal: int, key: str, images: dict[str, np.ndarray], made: Made | None
    ) -> list[PartRow]:
        fingerprint = self.config.fingerprints[annotator.name]

        def failed(error: str, message: str) -> list[PartRow]:
            return [failure_row(ordinal, key, annotator.name, fingerprint, error, message)]

        if verdict := self.ledger.verdict(key, annotator.name):
            return failed(*verdict)
        seed = self._seed(annotator, key)

        def make() -> list[PartRow]:
            if missing := self.inputs.load(annotator, key, images):
                raise _MissingInput(f"needs {', '.join(missing)}, which this record lacks")
            if isinstance(made, AnswerError):
                raise made
            found = made
            if found is None:
                view = self.inputs.view(annotator, key, images)
                found = self.functions[annotator.name](view, np.random.default_rng(seed))
            making = Making(
                annotator=annotator,
                fingerprint=fingerprint,
                ordinal=ordinal,
                key=key,
                seed=seed,
                target=images["target"],
            )
            for one in found:
                self._reject(annotator, count_rejections(one.drawn or {}))
            return [output_row(making, one) for one in found]

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
        self._forward(rows)
        return rows

    def _reject(self, annotator: Annotator, reasons: Mapping[str, int]) -> None:
        self._rejected.update({f"{annotator.name}:{reason}": count for reason, count in reasons.items()})

    def _forward(self, rows: Iterable[PartRow]) -> None:
        """Hand on what later stages read: of several variants the first, and no raw image."""
        for row in rows:
            if (
                row.node in self.config.forward
                and row.variant in (None, 0)
                and not GRAPH200K.is_raw(row.node, row.role)
            ):
                assert row.data is not None  # no failure
                self.inputs.forward(row.key, row.node, row.data)

    def _attempt(self, key: str, annotator: Annotator, records: int, make: Callable[[], T]) -> T | Exception:
        """Return what ``make`` returns or raises, watched by the ledger for as long as these records may take."""
        with self.ledger.attempt(key, annotator.name, annotator.needs.time_limit_s * records):
            try:
                return make()
            except Exception as error:  # noqa: BLE001  (broad: it costs one annotator one record, never the run)
                return error

    def _seed(self, annotator: Annotator, key: str) -> int:
        return derive_seed(self.config.seed, key, annotator.name)


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
