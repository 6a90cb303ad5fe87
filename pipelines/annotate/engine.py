"""Ray: start it small and quiet, size the pools so that they can run, and stream units of work through the stages."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.data

from graph200k.errors import PlanError
from pipelines.annotate.plan import Stage
from pipelines.annotate.stage import StageWorker, unit_table
from pipelines.annotate.unit import StageConfig

logger = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 1_000_000_000
"""Units of work are a few kB; only images that later stages read travel with them."""

_WORKER_ENVIRONMENT = {
    # One thread a worker: results of some CPU models depend on the thread count, and workers fill the cores anyway.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "CUDA_MODULE_LOADING": "LAZY",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What there is to run on."""

    cpus: float
    gpus: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Pool:
    """A stage with its number of workers and the share of the cluster that each takes."""

    stage: Stage
    workers: int
    cpus: float
    """Logical CPUs a worker; only their sum matters."""


@contextmanager
def ray_cluster(address: str | None) -> Iterator[Cluster]:
    """Start Ray on this machine, or connect to the cluster at ``address``, for as long as the block runs."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if address is None:
        # Workers inherit the environment; a runtime_env would do the same and take 3 s longer to start.
        os.environ.update(_WORKER_ENVIRONMENT, RAY_BACKEND_LOG_LEVEL="fatal")
        try:
            with _native_stderr_silenced():
                ray.init(
                    address="local",
                    num_cpus=os.cpu_count(),
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except Exception as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise PlanError(f"Ray did not start ({said[:200]}); try again when the machine is less busy") from error
    else:
        _check_reachable(address)
        try:
            runtime = {"env_vars": _WORKER_ENVIRONMENT}
            ray.init(address=address, runtime_env=runtime, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise PlanError(f"--ray-address {address}: {error}") from error
    try:
        yield cluster_now()
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return  # "auto" and the like: Ray's own words for where a cluster is
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise PlanError(
            f"--ray-address {address}: nothing answers there ({error}); start a cluster with `ray start`, "
            "or leave the option out to use this machine"
        ) from None


class RayNotes(io.TextIOBase):
    """A stream for ``redirect_stdout``: Ray prints what happens to its workers there, where results belong."""

    def write(self, text: str) -> int:
        """Log a note of Ray's."""
        if text.strip():
            logger.info("ray: %s", text.strip())
        return len(text)


@contextmanager
def _native_stderr_silenced() -> Iterator[None]:
    """Keep Ray's C++ from writing to the terminal that it was told to keep quiet."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def cluster_now() -> Cluster:
    """Return the resources of the cluster this process is connected to."""
    found = ray.cluster_resources()
    return Cluster(found.get("CPU", 0.0), found.get("GPU", 0.0), found.get("memory", 0.0) / 2**20)


def local_cluster() -> Cluster:
    """Return what this machine has, without starting Ray."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    # One device file a GPU, as in Ray's own count; asking CUDA would take seconds and a library.
    gpus = sum(path.name.removeprefix("nvidia").isdigit() for path in Path("/dev").glob("nvidia*"))
    return Cluster(float(os.cpu_count() or 1), float(gpus), memory * 0.7)


def size_pools(stages: Sequence[Stage], cluster: Cluster, workers: int | None) -> list[Pool]:
    """Return the pools of one pass: as many workers as the cluster carries, all pools at once.

    Every CPU stage gets a worker a core, because stages are unequal and the operating system balances them better than
    shares fixed in advance; fewer if their memory would not fit. GPU stages share the GPUs by their fractions.
    """
    wanted = sum(stage.gpus for stage in stages)
    by_memory = int(cluster.memory_mb // max(1, sum(stage.memory_mb for stage in stages)))
    cpu_workers = workers or max(1, min(int(cluster.cpus), by_memory))
    per_gpu_stage = int(cluster.gpus // wanted) if wanted else 0
    counts = [per_gpu_stage if stage.gpus else cpu_workers for stage in stages]
    share = cluster.cpus / (sum(counts) + 1)
    # Fractions below 1 that leave something free: pools whose shares do not fit together hang without a word.
    cpus = max(0.001, int(share * 1000) / 1000) if share < 1 else 1.0
    return [Pool(stage, count, cpus) for stage, count in zip(stages, counts, strict=True)]


def run_units(
    pools: Sequence[Pool], configs: Sequence[StageConfig], units: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Stream units of work through the stages; yield each, with its reports, when its last stage is done.

    Raises
    ------
    PlanError
        If a worker cannot start (weights that do not load, a library that is missing).
    """
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    dataset = ray.data.from_arrow([unit_table([unit]) for unit in units])
    for pool, config in zip(pools, configs, strict=True):
        dataset = dataset.map_batches(
            StageWorker,
            fn_constructor_args=(config,),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=min(pool.workers, len(units))),
            num_cpus=pool.cpus,
            num_gpus=pool.stage.gpus or None,
        )
    try:
        for row in dataset.iter_rows():
            yield json.loads(row["unit"])
    except (ray.exceptions.RayError, RuntimeError) as error:
        raise PlanError(
            f"the run stopped: {_cause(error)}; what is finished is kept, run the same command again"
        ) from error


def _cause(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:800] if lines else type(error).__name__
