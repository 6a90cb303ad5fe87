"""Runs on a real Ray: order, resuming, adding, redoing, removing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from skimage import data as photographs

from annotators.base import AnnotateFunction, Annotation, RecordView, Resources
from annotators.lines import Canny, LineSegments
from annotators.pose import OpenPose
from graph200k.dataset import Dataset
from graph200k.errors import RejectedError
from graph200k.failures import read_failures
from graph200k.storage import Folder
from graph200k.verify import verify
from pipelines.annotate.engine import Cluster
from pipelines.annotate.plan import Request
from pipelines.annotate.remove import remove
from support.datasets import make_dataset
from support.faulty import Negative, Noisy
from support.running import annotate_here, assert_clean, run_annotators, sealed_bytes


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("raw") / "data"
    make_dataset(data, 20)
    return data


@pytest.fixture
def data(raw: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(raw, tmp_path / "data"))


@pytest.fixture(scope="module")
def both_at_once(raw: Path, tmp_path_factory: pytest.TempPathFactory, ray_session: Cluster) -> dict[str, bytes]:
    data = Path(shutil.copytree(raw, tmp_path_factory.mktemp("once") / "data"))
    run_annotators(data, [Canny(), Negative()], ray_session)
    return sealed_bytes(data)


def test_every_record_gets_every_annotation_and_nothing_is_left_over(data: Path, ray_session: Cluster) -> None:
    progress = run_annotators(data, [Canny(), LineSegments()], ray_session)
    assert progress.done == 20
    assert progress.made == {"canny": 20, "mlsd": 20}
    dataset = Dataset(str(data))
    assert dataset.node_counts()["canny"] == 20
    assert dataset.image("scene-0003", "canny").shape == dataset.image("scene-0003", "target").shape[:2]
    assert verify(str(data)) == []
    assert_clean(data)


@pytest.mark.parametrize("order", [(Canny, Negative), (Negative, Canny)])
def test_adding_an_annotator_later_gives_the_bytes_of_both_at_once(
    data: Path, ray_session: Cluster, both_at_once: dict[str, bytes], order: tuple[type, type]
) -> None:
    for cls in order:
        run_annotators(data, [cls()], ray_session)
    assert sealed_bytes(data) == both_at_once


def test_the_number_of_workers_changes_no_byte(
    data: Path, ray_session: Cluster, both_at_once: dict[str, bytes]
) -> None:
    run_annotators(data, [Canny(), Negative()], ray_session, workers=1)
    assert sealed_bytes(data) == both_at_once


def test_a_second_run_does_nothing(data: Path, ray_session: Cluster) -> None:
    run_annotators(data, [Negative()], ray_session)
    before = sealed_bytes(data)
    stamps = {path: path.stat().st_mtime_ns for path in data.rglob("*.tar")}
    assert run_annotators(data, [Negative()], ray_session).done == 0
    assert sealed_bytes(data) == before
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*.tar")} == stamps


def test_an_annotator_reads_what_another_made_in_the_same_run_or_before(data: Path, ray_session: Cluster) -> None:
    later = Path(shutil.copytree(data, data.parent / "later"))
    run_annotators(data, [Noisy(), Negative()], ray_session)
    run_annotators(later, [Negative()], ray_session)
    run_annotators(later, [Noisy(), Negative()], ray_session)
    assert sealed_bytes(later) == sealed_bytes(data)
    depth = Dataset(str(data)).image("scene-0000", "depth")
    normal = Dataset(str(data)).image("scene-0000", "normal")
    assert abs(float(normal.mean()) - float(depth.mean()) - 15.5) < 8


def test_what_an_annotator_needs_and_a_record_lacks_is_on_file(data: Path, ray_session: Cluster) -> None:
    run_annotators(data, [Noisy()], ray_session)
    failures = read_failures(Folder(str(data)))
    assert {failure.error for failure in failures} == {"missing_input"}
    assert len(failures) == 20
    assert "depth" in failures[0].message
    run_annotators(data, [Negative(), Noisy()], ray_session)
    assert read_failures(Folder(str(data))) == []
    assert Dataset(str(data)).node_counts()["normal"] == 20


def test_other_parameters_make_outputs_stale_and_redo_stale_renews_them(data: Path, ray_session: Cluster) -> None:
    run_annotators(data, [Negative(), Canny()], ray_session)
    canny = [Dataset(str(data)).record(key).members for key in Dataset(str(data)).keys]
    assert run_annotators(data, [Negative(strength=0.5)], ray_session).done == 0
    progress = run_annotators(data, [Negative(strength=0.5)], ray_session, request=Request(redo_stale=True))
    assert progress.done == 20
    dataset = Dataset(str(data))
    assert [used.parameters for used in dataset.manifest.annotators if used.name == "negative"] == ['{"strength": 0.5}']
    target = dataset.image("scene-0001", "target")
    expected = 255 - target.mean(axis=2) * 0.5
    assert np.abs(dataset.image("scene-0001", "depth") - expected).mean() < 2
    for before, key in zip(canny, dataset.keys, strict=True):
        hashes = {member.node: member.hash for member in before}
        after = {member.node: member.hash for member in dataset.record(key).members}
        assert after["canny"] == hashes["canny"]
        assert after["target"] == hashes["target"]


def test_redoing_an_annotator_redoes_those_that_read_from_it(data: Path, ray_session: Cluster) -> None:
    run_annotators(data, [Negative(), Noisy(), Canny()], ray_session)
    before = sealed_bytes(data)
    progress = run_annotators(
        data, [Negative(), Noisy(), Canny()], ray_session, request=Request(redo=frozenset({"negative"}))
    )
    assert progress.runs == {"negative": 20, "noisy": 20}
    assert sealed_bytes(data) == before


def test_removing_an_annotator_leaves_what_was_there_before_it(data: Path, ray_session: Cluster) -> None:
    run_annotators(data, [Canny()], ray_session)
    before = sealed_bytes(data)
    run_annotators(data, [Negative()], ray_session)
    assert remove(str(data), ["negative"]) == {"depth": 20}
    assert sealed_bytes(data) == before


def test_a_picture_without_anyone_has_a_pose_map_that_is_not_usable(
    tmp_path: Path, ray_session: Cluster, weights_folder: Path
) -> None:
    make_dataset(tmp_path, 2, draw=lambda number: [photographs.astronaut(), photographs.coffee()][number])
    run_annotators(tmp_path, [OpenPose()], ray_session, weights=weights_folder)
    dataset = Dataset(str(tmp_path))
    usable = [
        member.usable
        for key in ("scene-0000", "scene-0001")
        for member in dataset.record(key).members
        if member.node == "openpose"
    ]
    assert usable == [True, False]
    assert dataset.node_counts()["openpose"] == 1


@dataclass(frozen=True, kw_only=True)
class HungryNegative(Negative):
    """As its parent, on more than half of a GPU."""

    resources = Resources(gpus=0.6)


@dataclass(frozen=True, kw_only=True)
class HungryNoisy(Noisy):
    """As its parent, on more than half of a GPU."""

    resources = Resources(gpus=0.6)


def test_two_passes_leave_the_same_bytes_as_one(tmp_path: Path) -> None:
    for name, annotators in {"one": [Negative(), Noisy()], "two": [HungryNegative(), HungryNoisy()]}.items():
        make_dataset(tmp_path / name, 10)
        progress = annotate_here(tmp_path / name, annotators)
        assert progress.runs == {"negative": 10, "noisy": 10}
        assert progress.done == progress.records == (10 if name == "one" else 20)
    assert sealed_bytes(tmp_path / "one") == sealed_bytes(tmp_path / "two")


@dataclass(frozen=True, kw_only=True)
class Picky(Negative):
    """Keeps what it makes of every other record."""

    name = "picky"
    produces = ("depth_edit",)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        tried: list[int] = []

        def annotate(view: RecordView, rng: np.random.Generator) -> list[Annotation]:
            tried.append(1)
            if len(tried) % 2 == 0:
                raise RejectedError("no depth_edit was good enough in 3 tries: unchanged 3", {"unchanged": 3})
            return [Annotation("depth_edit", 255 - view["target"], drawn={"rejected": {"blank": 1, "unchanged": 1}})]

        return annotate


def test_rejections_are_counted_by_reason_whether_something_was_kept_or_not(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data", 4)
    progress = annotate_here(tmp_path / "data", [Picky()])
    assert progress.rejected == {"picky:blank": 2, "picky:unchanged": 2 + 6}
    assert progress.failed == {"picky:rejected": 2}
    failures = read_failures(Folder(str(tmp_path / "data")))
    assert {failure.message for failure in failures} == {
        "RejectedError: no depth_edit was good enough in 3 tries: unchanged 3"
    }
