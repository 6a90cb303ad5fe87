"""A dataset that cannot be written: one clear error, nothing damaged, and the next run goes on."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from graph200k.errors import DatasetLockedError, OutputError
from graph200k.session import write_session
from pipelines.ingest import IngestOptions, ingest
from support.ingesting import files_of, picture, run_ingest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(picture(number, 256, 256)).save(folder / f"{number:02d}.png")
    return folder


@contextmanager
def _tiny_disk(place: Path, size_kb: int) -> Iterator[Path]:
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system takes root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_an_error_and_the_next_run_goes_on(workers: int, source: Path, tmp_path: Path) -> None:
    expected = files_of(run_ingest(source, tmp_path / "expected", shard_size=20).data)
    with _tiny_disk(tmp_path / "disk", 500) as disk:
        data = disk / "data"
        with pytest.raises(OutputError, match=r"no space left; make room .*what is finished is kept"):
            run_ingest(source, data, shard_size=20, workers=workers)
        assert not list(data.rglob("*.tmp-*"))
        assert not (data / "lock.json").exists()
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        run_ingest(source, data, shard_size=20, workers=workers)
        assert files_of(data) == expected


def test_a_file_that_may_not_grow_is_an_error_and_leaves_no_half_file(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with write_session(str(data), shard_size=20) as session:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
        try:
            with pytest.raises(OutputError, match="cannot write"):
                ingest(session, str(source), IngestOptions(workers=1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        ingest(session, str(source), IngestOptions(workers=1))
    expected = run_ingest(source, tmp_path / "expected", shard_size=20).data
    assert files_of(data) == files_of(expected)


@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_place_is_an_error_and_stays_as_it_is(exists: bool, source: Path, tmp_path: Path) -> None:
    with _tiny_disk(tmp_path / "disk", 8000) as disk:
        if exists:
            run_ingest(source, disk / "data", shard_size=20)
        before = files_of(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(OutputError, match="the file system is read-only"):
            run_ingest(source, disk / "data", shard_size=20)
        assert files_of(disk) == before


def test_two_runs_on_one_dataset_are_refused(source: Path, tmp_path: Path) -> None:
    with write_session(str(tmp_path / "data"), shard_size=20):
        with pytest.raises(DatasetLockedError, match="is being written by run"):
            run_ingest(source, tmp_path / "data")
