"""Units on worker processes, one of which may die at any moment without stopping the run."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import islice
from multiprocessing import connection

from graph200k.errors import PlanError
from graph200k.storage import Folder
from pipelines.ingest.plan import PlannedItem
from pipelines.ingest.work import Unit, UnitResult, run_unit, write_failure

logger = logging.getLogger(__name__)

DEATHS_ALLOWED = 2
"""Deaths after which an item is given up: one may be the fault of a neighbour, or of somebody short of memory."""

DEATHS_IN_A_ROW = 8
"""Items given up one after another that say the machine is at fault, not the items."""


def run_units(units: Iterable[Unit], workers: int) -> Iterator[tuple[Unit, UnitResult]]:
    """Yield every unit when its parts are written, in order of completion.

    Raises
    ------
    OutputError
        If a part cannot be written; what is finished stays.
    PlanError
        If workers die of everything.
    """
    if workers == 1:
        for unit in units:
            yield unit, run_unit(unit)
        return
    queue = iter(units)
    while (broken := (yield from _until_broken(queue, workers))) is not None:
        logger.warning("an ingest worker died; its items are tried one by one")
        for unit in broken:
            yield unit, _run_one_by_one(unit)


def _until_broken(queue: Iterator[Unit], workers: int) -> Generator[tuple[Unit, UnitResult], None, list[Unit] | None]:
    """Run units until all are done (return None) or a worker dies (return the units that were in flight)."""
    with _pool(workers) as pool:
        flying: dict[Future[UnitResult], Unit] = {}
        try:
            while True:
                # A second unit for each worker keeps it busy while this process seals a shard.
                for unit in islice(queue, 2 * workers - len(flying)):
                    flying[_submit(pool, unit)] = unit
                if not flying:
                    return None
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield flying.pop(future), result
        except BrokenProcessPool:
            return list(flying.values())
        finally:
            pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, unit: Unit) -> Future[UnitResult]:
    """Submit a unit; to a pool that broke just before, hand in a future that says so."""
    try:
        return pool.submit(run_unit, unit)
    except BrokenProcessPool as error:
        future: Future[UnitResult] = Future()
        future.set_exception(error)
        return future


def _run_one_by_one(unit: Unit) -> UnitResult:
    """Run a unit's items alone, so that a death names its item."""
    failed = in_a_row = 0
    pool = _pool(1)
    try:
        for item in unit.items:
            for death in range(1, DEATHS_ALLOWED + 1):
                try:
                    failed += pool.submit(run_unit, replace(unit, items=[item])).result().failed
                    in_a_row = 0
                    break
                except BrokenProcessPool:
                    pool = _pool(1)
                    if death == DEATHS_ALLOWED:
                        _give_up(unit, item)
                        failed, in_a_row = failed + 1, in_a_row + 1
            if in_a_row == DEATHS_IN_A_ROW:
                raise PlanError(
                    f"the workers died of {in_a_row} items in a row, the last of them {item.name!r}; expected some to "
                    "live: free memory, or see what ends them with --workers 1, then run again to go on after these"
                )
    finally:
        pool.shutdown(cancel_futures=True)
    return UnitResult(len(unit.items), failed)


def _give_up(unit: Unit, item: PlannedItem) -> None:
    message = f"its worker process died {DEATHS_ALLOWED} times while reading it (out of memory, or a crash in a codec)"
    write_failure(Folder(unit.data), unit.run, unit.shard, item, "worker_died", message)


def _pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool whose workers share nothing with this process: a fork would copy its threads' locks."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([run_unit.__module__])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent)


def _die_with_parent() -> None:
    """End this worker when its driver is killed; it would wait for work for ever otherwise."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch(sentinel: int) -> None:
        connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
