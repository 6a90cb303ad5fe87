"""Dependency graph, stages, fingerprints and units; what a shard still needs is tested with real runs in test_run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.base import AnnotateFunction, Annotation, Annotator, Resources
from annotators.lines import Canny, LineSegments
from graph200k.errors import PlanError
from pipelines.annotate.plan import ShardWork, dependency_graph, fingerprints, plan_stages, units
from support.faulty import Faulty, Negative, Noisy


@dataclass(frozen=True, kw_only=True)
class Circular(Annotator):
    """Reads what `noisy` makes and makes what `noisy` reads."""

    name: ClassVar[str] = "circular"
    reads = ("target", "normal")
    produces = ("depth",)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            return []

        return annotate


def test_an_edge_leads_from_the_maker_of_a_node_to_its_readers() -> None:
    graph = dependency_graph([Noisy(), Negative(), Canny()])
    assert set(graph.edges) == {("negative", "noisy")}


def test_two_makers_of_one_node_are_refused() -> None:
    with pytest.raises(PlanError, match="negative and circular both make depth"):
        dependency_graph([Negative(), Circular()])


def test_annotators_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(PlanError, match="wait for each other"):
        dependency_graph([Noisy(), Circular()])


def test_cheap_annotators_of_a_generation_share_a_stage_and_the_others_have_their_own() -> None:
    stages = plan_stages(dependency_graph([Noisy(), Faulty(), Negative(), LineSegments(), Canny()]))
    assert [stage.name for stage in stages] == ["canny+mlsd+negative", "faulty", "noisy"]


def test_a_stage_takes_the_memory_of_all_its_annotators() -> None:
    (stage,) = plan_stages(dependency_graph([Canny(), LineSegments()]))
    assert stage.memory_mb == 200 + 2 * Resources().memory_mb


def test_a_change_upstream_changes_the_fingerprint_and_one_beside_does_not() -> None:
    before = fingerprints(dependency_graph([Negative(), Noisy(), Canny()]))
    after = fingerprints(dependency_graph([Negative(strength=0.5), Noisy(), Canny()]))
    assert after["noisy"] != before["noisy"]
    assert after["canny"] == before["canny"]


@given(st.lists(st.integers(0, 40), max_size=5), st.integers(1, 12))
def test_units_hold_every_record_once_in_order_and_cross_no_shard(sizes: list[int], unit_size: int) -> None:
    work = [ShardWork(number, size) for number, size in enumerate(sizes)]
    for shard in work:
        shard.needs = [(position, f"{shard.shard}-{position}", ["canny"]) for position in range(shard.records)]
    pieces = units(work, unit_size)
    assert [number for number, _, _ in pieces] == list(range(len(pieces)))
    assert [need for _, _, needs in pieces for need in needs] == [need for shard in work for need in shard.needs]
    for _, shard, needs in pieces:
        assert 0 < len(needs) <= unit_size
        assert all(key.startswith(f"{shard}-") for _, key, _ in needs)
