"""SIGKILL of the driver at random moments, resumed each time: the result is that of a run that was never killed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from graph200k.dataset import Dataset
from graph200k.verify import verify
from support.driving import Driver, finish, write_photographs
from support.running import assert_clean, sealed_bytes

RECORDS = 64


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs") / "in"
    write_photographs(folder, RECORDS)
    return folder


def _arguments(photographs: Path, data: Path, annotators: str, workers: int, *more: str) -> list[str]:
    run = ["annotate", str(photographs), "--data", str(data), "--only", annotators]
    return [*run, "--workers", str(workers), "--shard-size", "16", *more]


def _kill_until(kills: int, photographs: Path, folder: Path, annotators: str, workers: int, *more: str) -> None:
    """Kill runs at random moments until ``kills`` of them were hit; compare each dataset that comes to its end."""
    once = folder / "once"
    whole = finish(*_arguments(photographs, once, annotators, 2, *more))
    expected = sealed_bytes(once)
    rng = random.Random(kills)
    hit, attempt, previous = 0, 0, None
    while hit < kills:
        data = folder / f"attempt-{attempt}"
        driver = Driver(_arguments(photographs, data, annotators, workers, *more))
        # Kills fall thick where the work is: before it there are some 4 s of starting.
        was_hit = driver.kill_after(rng.uniform(0.5, max(1.0, whole * 0.9)))
        hit += was_hit
        if previous is not None:
            previous.bury()
        previous = driver
        if not was_hit or hit == kills:
            finish(*_arguments(photographs, data, annotators, workers, *more))
            assert sealed_bytes(data) == expected
            assert_clean(data)
            assert len(Dataset(str(data))) == RECORDS
            assert verify(str(data)) == []
            attempt += 1
    assert previous is not None
    previous.bury()


def test_a_run_killed_three_times_ends_like_one_that_was_not(photographs: Path, tmp_path: Path) -> None:
    _kill_until(3, photographs, tmp_path, "canny,mlsd", workers=2)


@pytest.mark.heavy
def test_a_run_killed_twenty_times_ends_like_one_that_was_not(photographs: Path, tmp_path: Path) -> None:
    _kill_until(20, photographs, tmp_path, "canny,mlsd", workers=2)


@pytest.mark.heavy
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_with_a_network_killed_twenty_times_ends_like_one_that_was_not(
    tmp_path: Path, workers: int, weights_folder: Path
) -> None:
    small = tmp_path / "small"
    write_photographs(small, RECORDS, 96, 64)
    # The network at an eighth of its size: twenty kills in minutes, in the same code.
    settings = tmp_path / "settings.toml"
    settings.write_text("[annotators.hed]\nshort_side = 64\n")
    _kill_until(20, small, tmp_path, "canny,hed", workers, "--config", str(settings))
