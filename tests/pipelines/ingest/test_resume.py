"""A run killed at any moment is finished by the next one, to the same bytes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pipelines.ingest.work as work
from graph200k.catalogue import Codec
from graph200k.codecs import encode_image
from graph200k.errors import DatasetError, SourceError
from graph200k.parts import PartRow, write_part
from graph200k.record import Provenance
from graph200k.session import write_session
from graph200k.storage import Folder
from pipelines.ingest import IngestOptions, resume_ingest
from pipelines.ingest.plan import PLAN, Plan
from pipelines.ingest.work import Unit, UnitResult
from support import ingest_driver
from support.ingesting import files_of, picture, run_ingest

ROOT = Path(__file__).resolve().parents[3]
IMAGES = 120
BROKEN = 7


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "photos"
    folder.mkdir()
    for number in range(IMAGES):
        path = folder / f"{number:03d}.png"
        if number % 17 == 5:
            path.write_bytes(b"broken")
        else:
            Image.fromarray(picture(number, 200, 200)).save(path)
    return folder


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an uninterrupted run."""
    return files_of(run_ingest(source, tmp_path_factory.mktemp("whole") / "data", shard_size=50).data)


def _start(source: Path, data: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, ingest_driver.__file__, str(source), str(data), str(workers), "50"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)


def _wait_for_lock(data: Path, process: subprocess.Popen[bytes]) -> None:
    while not (data / "lock.json").exists() and process.poll() is None:
        time.sleep(0.005)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_killed_many_times_ends_in_the_same_bytes(
    workers: int, source: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    moments = random.Random(workers)
    kills = 0
    for _ in range(40):
        process = _start(source, data, workers)
        _wait_for_lock(data, process)
        try:
            process.wait(moments.uniform(0.0, 0.35))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        ended = process.wait()
        process.stdout.close()  # type: ignore[union-attr]
        if ended == 0:
            break
    outcome = run_ingest(source, data, shard_size=50)
    assert kills >= 3
    assert files_of(data) == whole
    assert len(outcome.failures) == BROKEN
    assert not list(data.rglob("*.tmp-*"))


def test_orphaned_workers_end_with_their_driver(source: Path, tmp_path: Path) -> None:
    process = _start(source, tmp_path / "data", 2)
    assert process.stdout is not None
    process.stdout.readline()
    children = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert children
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in children if _runs(pid)]


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for number in found for child in [int(number), *_children(int(number))]]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class _StopError(Exception):
    """Stand in for a crash of the driver."""


def _interrupt(monkeypatch: pytest.MonkeyPatch, source: Path, data: Path, after: int) -> None:
    """Run an ingest that breaks off after some units."""
    calls = 0

    def run_some(unit: Unit) -> UnitResult:
        nonlocal calls
        calls += 1
        if calls > after:
            raise _StopError
        return work.run_unit(unit)

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.ingest.pool.run_unit", run_some)
        with pytest.raises(_StopError):
            run_ingest(source, data, shard_size=50)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_what_is_finished_is_not_done_again(
    after: int, source: Path, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    _interrupt(monkeypatch, source, data, after)
    done: list[int] = []

    def count(unit: Unit) -> UnitResult:
        done.append(len(unit.items))
        return work.run_unit(unit)

    monkeypatch.setattr("pipelines.ingest.pool.run_unit", count)
    outcome = run_ingest(source, data, shard_size=50)
    # Units are 32, 18, 32, 18 and 20 items: two shards of 50 and one of 20.
    assert sum(done) == IMAGES - [0, 32, 50, 82][after]
    assert outcome.progress[-1][0] == IMAGES
    assert files_of(data) == whole


def test_a_plan_is_finished_before_another_source_is_taken(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    other.mkdir()
    Image.fromarray(picture(999)).save(other / "other.png")
    _interrupt(monkeypatch, source, data, 2)
    outcome = run_ingest(other, data, shard_size=50)
    assert [found.first_shard for found in outcome.dataset.manifest.sources] == [0, 3]
    assert outcome.dataset.keys[-1].startswith("other-")
    assert len(outcome.dataset) == IMAGES - len(outcome.failures) + 1


def test_a_plan_whose_source_is_gone_is_an_error_that_says_what_to_do(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    shutil.copytree(source, copy)
    _interrupt(monkeypatch, copy, data, 1)
    copy.rename(tmp_path / "moved")
    with pytest.raises(SourceError, match=r"copy does not exist.*bring it back.*removing .*ingest-plan\.jsonl"):
        run_ingest(source, data, shard_size=50)
    (tmp_path / "moved").rename(copy)
    assert len(run_ingest(copy, data, shard_size=50).dataset) == IMAGES - BROKEN


def test_a_plan_given_up_leaves_nothing_that_the_next_one_takes_for_its_own(
    source: Path, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    other.mkdir()
    for number in range(40):
        Image.fromarray(picture(1000 + number)).save(other / f"{number}.png")
    _interrupt(monkeypatch, other, data, 1)
    (data / PLAN).unlink()
    run_ingest(source, data, shard_size=50)
    assert files_of(data) == whole


def test_other_writers_can_finish_an_interrupted_ingest(
    source: Path, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    _interrupt(monkeypatch, source, data, 3)
    assert Plan.find(Folder(str(data))) is not None
    with write_session(str(data), shard_size=50) as session:
        assert resume_ingest(session, IngestOptions(workers=1)).records > 0
    assert files_of(data) == whole


def test_what_a_killed_annotator_had_finished_survives_an_ingest(tmp_path: Path) -> None:
    data, source = tmp_path / "data", tmp_path / "photos"
    source.mkdir()
    Image.fromarray(picture(1)).save(source / "a.png")
    key = run_ingest(source, data).dataset.keys[0]
    lines = np.eye(48, 64, dtype=np.uint8) * 255
    row = PartRow(
        ordinal=0,
        key=key,
        annotator="canny",
        node="canny",
        width=64,
        height=48,
        fingerprint="f",
        provenance=Provenance(node="canny", annotator="canny").model_dump_json(),
        data=encode_image(lines, Codec.PNG),
    )
    with pytest.raises(_StopError), write_session(str(data), shard_size=50) as session:
        write_part(session.folder, session.run, 0, "canny", [row])
        raise _StopError
    assert (run_ingest(source, data).dataset.image(key, "canny") == lines).all()


@pytest.mark.parametrize("plan", [b'{"colour": "blue"}\n', b"[]\n", b'{"limi', b""])
def test_a_plan_of_another_release_is_an_error_that_says_what_to_do(tmp_path: Path, plan: bytes) -> None:
    folder = Folder(str(tmp_path))
    folder.write(PLAN, plan)
    with pytest.raises(DatasetError, match="is damaged or of another release; finish that ingest with it, or remove"):
        Plan.find(folder)
