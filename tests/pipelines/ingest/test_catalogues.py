"""From a published layout to a dataset of its own node types, and all that the core does with such a dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graph200k.catalogues import find_catalogue
from graph200k.commit import index_path, shard_path
from graph200k.contact_sheet import save_contact_sheet
from graph200k.errors import MemberNotFoundError, PlanError, SourceError, UnknownNameError
from graph200k.manifest import MANIFEST
from graph200k.schema import catalogue_tasks, enumerate_tasks
from graph200k.statistics import statistics
from graph200k.storage import Folder
from graph200k.verify import repair, verify
from pipelines.annotate.plan import Request
from pipelines.annotate.run import make_plan
from pipelines.ingest.location import Location
from pipelines.ingest.source import find_kind
from support.ingesting import Outcome, picture, run_ingest
from support.published import PUBLISHED, write_omniedit, write_viton_hd

SERVED = {
    "viton_hd": {"person,garment,target": 1, "agnostic,garment,target": 4},
    "photodoodle": {"edge_effect,target": 2, "magic_effects,target": 1},
    "omniedit": {"addition,target": 1, "removal,target": 1, "environment,target": 1},
}


@pytest.fixture(scope="module", params=PUBLISHED)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp(request.param)
    return run_ingest(PUBLISHED[request.param](root / "source"), root / "data", shard_size=2)


@pytest.fixture
def name(outcome: Outcome) -> str:
    return outcome.dataset.manifest.catalogue


def test_the_layout_is_recognised(outcome: Outcome, name: str) -> None:
    assert find_kind(Location(str(outcome.data.parent / "source"))) == name
    assert not outcome.failures


def test_the_dataset_has_the_node_types_of_its_source(outcome: Outcome, name: str) -> None:
    assert outcome.dataset.catalogue is find_catalogue(name)
    assert {node["id"] for node in json.loads((outcome.data / MANIFEST).read_bytes())["graph"]["nodes"]} == set(
        find_catalogue(name)
    )


def test_records_serve_the_tasks_of_their_images(outcome: Outcome, name: str) -> None:
    dataset, tasks = outcome.dataset, catalogue_tasks(find_catalogue(name))
    counts = dict(zip((task.name for task in tasks), dataset.task_counts(tasks), strict=True))
    assert {task: count for task, count in counts.items() if count} == SERVED[name]
    for key in dataset.keys:
        served = {task.name for task in tasks if dataset.can_serve(task)[dataset.row(key)]}
        assert {task.name for task in enumerate_tasks(dataset.record_graph(key))} == served != set()


def test_statistics_count_the_tasks_of_the_catalogue(outcome: Outcome, name: str) -> None:
    found = statistics(str(outcome.data))
    assert found["catalogue"] == name
    assert (found["tasks_served"], found["tasks"]) == (len(SERVED[name]), len(catalogue_tasks(find_catalogue(name))))


def test_nothing_is_wrong_with_it(outcome: Outcome) -> None:
    assert verify(str(outcome.data)) == []


def test_a_contact_sheet_shows_its_stored_nodes(outcome: Outcome) -> None:
    save_contact_sheet(outcome.dataset, "sheet.png")
    sheet = np.asarray(Image.open(outcome.data / "sheet.png"))
    assert sheet.shape[0] > 192 * len(outcome.dataset)


def test_its_features_name_the_members_of_its_shards(outcome: Outcome) -> None:
    dataset = outcome.dataset
    members = {f"{member.node}.jpg" for row in range(len(dataset)) for member in dataset.members(row)} - {"json.jpg"}
    assert {name for name in dataset.manifest.features if name.endswith(".jpg")} == members


def test_ingesting_it_again_adds_nothing(outcome: Outcome) -> None:
    again = run_ingest(outcome.data.parent / "source", outcome.data)
    assert (again.report.records, again.report.already_present) == (0, len(outcome.dataset))


def test_it_can_be_the_source_of_another_dataset(outcome: Outcome, tmp_path: Path, name: str) -> None:
    copy = run_ingest(outcome.data, tmp_path / "copy", shard_size=2)
    assert copy.dataset.manifest.catalogue == name
    assert (tmp_path / "copy" / shard_path(0)).read_bytes() == (outcome.data / shard_path(0)).read_bytes()


def test_an_index_can_be_made_anew(outcome: Outcome) -> None:
    before = (outcome.data / index_path(0)).read_bytes()
    (outcome.data / index_path(0)).unlink()
    assert repair(str(outcome.data)) != []
    assert verify(str(outcome.data)) == []
    assert (outcome.data / index_path(0)).read_bytes() == before


def test_annotating_it_is_refused_with_what_to_do(outcome: Outcome, name: str) -> None:
    with pytest.raises(PlanError, match=f"of the catalogue '{name}'.*complete as they were ingested"):
        make_plan(Folder(str(outcome.data)), [], None, Request(), None)


def test_a_node_type_of_another_dataset_is_unknown(outcome: Outcome) -> None:
    with pytest.raises(UnknownNameError, match="unknown node type 'canny'"):
        outcome.dataset.image(outcome.dataset.keys[0], "canny")


def test_two_schema_graphs_do_not_mix_in_one_dataset(tmp_path: Path) -> None:
    run_ingest(write_omniedit(tmp_path / "omniedit"), tmp_path / "data")
    with pytest.raises(SourceError, match=r"'viton_hd'.*'omniedit'.*mixed when tasks are sampled"):
        run_ingest(write_viton_hd(tmp_path / "viton"), tmp_path / "data")
    assert len(Outcome(tmp_path / "data", None).dataset) == 3  # type: ignore[arg-type]


def test_an_ingest_that_came_to_nothing_leaves_the_choice_of_node_types_open(tmp_path: Path) -> None:
    (tmp_path / "empty" / "train" / "image").mkdir(parents=True)
    with pytest.raises(SourceError, match="holds nothing of the kind 'viton_hd'"):
        run_ingest(tmp_path / "empty", tmp_path / "data", kind="viton_hd")
    outcome = run_ingest(write_omniedit(tmp_path / "omniedit"), tmp_path / "data")
    assert outcome.dataset.manifest.catalogue == "omniedit"


def test_photographs_are_kept_as_they_came(tmp_path: Path) -> None:
    outcome = run_ingest(write_viton_hd(tmp_path / "viton"), tmp_path / "data")
    key = outcome.by_name()["test/tryon/00006_00_tryon_catvton_0.jpg"]
    for node, seed in {"target": 60, "person": 30, "garment": 41, "agnostic": 50}.items():
        assert np.abs(outcome.dataset.image(key, node).astype(int) - picture(seed, 64, 48)).mean() < 2
    with pytest.raises(MemberNotFoundError, match="has no stored person; it has target, agnostic, garment"):
        outcome.dataset.image(outcome.by_name()["train/image/00000_00.jpg"], "person")
