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
from pipelines.annotate.plan import ShardWork, Stage, dependency_graph, fingerprints, plan_passes, plan_stages, units
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


def relative(name: str, reads: tuple[str, ...], makes: str, gpus: float, family: str = "") -> Annotator:
    """Return an annotator of this name, share of a GPU and family."""
    taken = Resources(gpus=gpus, memory_mb=int(1000 * gpus), family=family)
    fields = {"name": name, "reads": reads, "produces": (makes,), "resources": taken, "load": Circular.load}
    return type(name, (Annotator,), fields)()


BOXES = relative("boxes", ("target",), "bbox", 0.2, "talkers")
AREAS = relative("areas", ("bbox",), "mask", 0.1)
WORDS = relative("words", ("bbox", "target"), "depth", 0.25, "talkers")
PAINT = relative("paint", ("mask", "depth"), "fill_edit", 0.75, "painters")
REPAINT = relative("repaint", ("target",), "redux_style", 0.5, "painters")


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


def test_a_family_has_one_stage_after_all_that_it_waits_for_and_takes_its_largest_share_once() -> None:
    stages = plan_stages(dependency_graph([REPAINT, PAINT, WORDS, AREAS, BOXES]))
    assert [(stage.name, stage.gpus) for stage in stages] == [
        ("boxes+words", 0.25), ("areas", 0.1), ("repaint+paint", 0.75)
    ]  # fmt: skip
    assert stages[0].memory_mb == 200 + 250


def test_a_family_with_someone_else_between_its_members_is_left_apart() -> None:
    late = relative("late", ("mask",), "depth", 0.2, "talkers")
    stages = plan_stages(dependency_graph([BOXES, AREAS, late]))
    assert [stage.name for stage in stages] == ["boxes", "areas", "late"]


def test_stages_that_do_not_fit_on_the_gpus_together_run_in_passes_one_after_the_other() -> None:
    stages = plan_stages(dependency_graph([REPAINT, PAINT, WORDS, AREAS, BOXES, Canny()]))
    names = [[stage.name for stage in at_once] for at_once in plan_passes(stages, 1.0)]
    assert names == [["canny", "boxes+words", "areas"], ["repaint+paint"]]
    assert len(plan_passes(stages, 1.1)) == 1
    tenths = [Stage((relative(f"a{number}", ("target",), "depth", 0.1),)) for number in range(10)]
    assert len(plan_passes(tenths, 1.0)) == 1


def test_a_stage_that_needs_more_gpus_than_there_are_is_refused() -> None:
    stages = plan_stages(dependency_graph([Canny(), AREAS]))
    with pytest.raises(PlanError, match=r"areas needs 0\.1 GPU a worker, there are 0; leave it out with --only"):
        plan_passes(stages, 0.0)


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
