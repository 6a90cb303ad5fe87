"""Pools that fit the cluster, or an error that says what does not."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from annotators.base import Resources
from annotators.lines import Canny
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
