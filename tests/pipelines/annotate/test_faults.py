"""Records that break, kill or hang their worker; workers killed from outside."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import psutil
import pytest

from annotators.lines import Canny
from graph200k.dataset import Dataset
from graph200k.failures import read_failures
from graph200k.storage import Folder
from graph200k.verify import verify
from pipelines.annotate.engine import Cluster
from pipelines.annotate.plan import Request
from support.datasets import make_dataset
from support.faulty import Faulty, Negative, mark
from support.pictures import draw_scene
from support.running import assert_clean, run_annotators, sealed_bytes


def _marked(number: int):
    return mark(draw_scene(number), number)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    make_dataset(tmp_path / "data", 24, draw=_marked)
    return tmp_path / "data"


def _errors(data: Path) -> dict[str, str]:
    return {failure.key: failure.error for failure in read_failures(Folder(str(data)))}


def test_each_kind_of_fault_fails_its_own_annotation_and_no_other(data: Path, ray_session: Cluster) -> None:
    faulty = Faulty(
        raises=(1,), runs_out_of_memory=(2,), kills_itself=(9,), hangs=(10,), hangs_in_c=(17,), wrong_size=(4,)
    )
    run_annotators(data, [faulty, Canny()], ray_session)
    assert _errors(data) == {
        "scene-0001": "error",
        "scene-0002": "oom",
        "scene-0004": "error",
        "scene-0009": "worker_died",
        "scene-0010": "timeout",
        "scene-0017": "timeout",
    }
    counts = Dataset(str(data)).node_counts()
    assert counts["canny"] == 24
    assert counts["bbox"] == 18
    messages = {failure.key: failure.message for failure in read_failures(Folder(str(data)))}
    assert "no luck with 1" in messages["scene-0001"]
    assert "faulty.py" in messages["scene-0010"]
    assert verify(str(data)) == []
    assert_clean(data)


def test_failures_are_left_alone_until_asked_for_and_can_be_chosen_by_class(data: Path, ray_session: Cluster) -> None:
    faulty = Faulty(raises=(1, 3), runs_out_of_memory=(2,))
    run_annotators(data, [faulty], ray_session)
    assert run_annotators(data, [faulty], ray_session).done == 0
    assert run_annotators(data, [faulty], ray_session, request=Request(retry=frozenset({"oom"}))).done == 1
    assert run_annotators(data, [faulty], ray_session, request=Request(retry=frozenset())).done == 3
    assert {failure.key: failure.count for failure in read_failures(Folder(str(data)))} == {
        "scene-0001": 2,
        "scene-0002": 3,
        "scene-0003": 2,
    }


def test_a_changed_annotator_is_tried_again_where_its_old_version_failed(data: Path, ray_session: Cluster) -> None:
    run_annotators(data, [Faulty(raises=(1,))], ray_session)
    assert run_annotators(data, [Faulty()], ray_session).done == 1
    assert _errors(data) == {}


def test_a_run_survives_workers_killed_from_outside(tmp_path: Path, ray_session: Cluster) -> None:
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    for data in (quiet, killed):
        make_dataset(data, 48, draw=lambda number: draw_scene(number, 1600, 1200))
    annotators = [Canny(), Negative()]
    run_annotators(quiet, annotators, ray_session)
    stop = threading.Event()
    kills: list[int] = []
    killer = threading.Thread(target=_kill_workers, args=(stop, kills))
    killer.start()
    run_annotators(killed, annotators, ray_session)
    stop.set()
    killer.join()
    assert len(kills) >= 2
    assert _errors(killed) == {}
    assert sealed_bytes(killed) == sealed_bytes(quiet)


def _kill_workers(stop: threading.Event, kills: list[int]) -> None:
    while not stop.is_set() and len(kills) < 4:
        time.sleep(0.3)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE and "StageWorker" in " ".join(process.cmdline()):
                    kills.append(process.pid)
                    process.kill()
                    break
