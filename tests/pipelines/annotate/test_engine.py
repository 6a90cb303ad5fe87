"""Pools that fit the cluster, or an error that says what does not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.base import Resources
from annotators.lines import Canny
from graph200k.errors import PlanError
from pipelines.annotate.engine import Cluster, size_pools
from pipelines.annotate.plan import Stage
from support.faulty import Faulty, Negative, Noisy


@dataclass(frozen=True, kw_only=True)
class OnGpu(Faulty):
    """Takes half a GPU."""

    name = "on_gpu"
    resources = Resources(gpus=0.5, memory_mb=4000)


CPU = Stage((Canny(), Negative()))
CPU_2 = Stage((Noisy(),))
GPU = Stage((OnGpu(),))


@given(st.integers(1, 256), st.floats(500, 1e6), st.integers(1, 64) | st.none())
def test_all_pools_fit_at_once_and_none_is_empty(cpus: int, memory_mb: float, workers: int | None) -> None:
    pools = size_pools([CPU, CPU_2], Cluster(cpus, 0, memory_mb), workers)
    assert all(pool.workers >= 1 for pool in pools)
    assert sum(pool.workers * pool.cpus for pool in pools) < cpus
    if workers is None and memory_mb > CPU.memory_mb + CPU_2.memory_mb:
        assert sum(pool.workers * pool.stage.memory_mb for pool in pools) <= memory_mb


def test_every_cpu_stage_has_a_worker_a_core_where_memory_allows() -> None:
    assert [pool.workers for pool in size_pools([CPU, CPU_2], Cluster(8, 0, 1e6), None)] == [8, 8]
    assert [pool.workers for pool in size_pools([CPU, CPU_2], Cluster(8, 0, 3000), None)] == [3, 3]


def test_gpu_stages_share_the_gpus_by_their_fractions() -> None:
    pools = size_pools([CPU, GPU], Cluster(16, 4, 1e6), None)
    assert [pool.workers for pool in pools] == [16, 8]


def test_a_stage_that_needs_a_gpu_where_there_is_none_is_refused() -> None:
    with pytest.raises(PlanError, match=r"on_gpu needs 0\.5 GPU a worker, there are 0"):
        size_pools([CPU, GPU], Cluster(8, 0, 1e6), None)


def test_stages_that_do_not_fit_on_the_gpus_together_are_refused() -> None:
    with pytest.raises(PlanError, match=r"takes 1\.5 GPUs together, the cluster has 1"):
        size_pools([GPU, GPU, GPU], Cluster(8, 1, 1e6), None)
