"""Every image of the zoo ends as the right pixels or as one clear line."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from support.ingesting import Outcome, run_ingest
from support.zoo_images import ACCEPTED, REFUSED, Animal


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp("zoo")
    source = root / "source"
    source.mkdir()
    for animal in [*ACCEPTED, *REFUSED]:
        animal.build(source / animal.name)
    return run_ingest(source, root / "data", shard_size=20)


@pytest.mark.parametrize("animal", ACCEPTED, ids=lambda animal: animal.name)
def test_an_odd_but_good_image_keeps_its_pixels(zoo: Outcome, animal: Animal) -> None:
    assert animal.pixels is not None
    expected = animal.pixels().astype(int)
    found = zoo.dataset.image(zoo.by_name()[animal.name], "target").astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < animal.tolerance


@pytest.mark.parametrize("animal", REFUSED, ids=lambda animal: animal.name)
def test_a_bad_image_is_one_clear_line_on_file(zoo: Outcome, animal: Animal) -> None:
    failure = zoo.failures[animal.name]
    assert failure.error == animal.error
    assert re.search(animal.message, failure.message), failure.message
    assert "\n" not in failure.message and len(failure.message) < 200


def test_nothing_is_dropped_silently(zoo: Outcome) -> None:
    assert zoo.progress[-1] == (len(ACCEPTED) + len(REFUSED), len(REFUSED), len(ACCEPTED) + len(REFUSED))
    assert zoo.report.records == len(zoo.dataset) == len(ACCEPTED)
    assert zoo.report.failures.total() == len(zoo.failures) == len(REFUSED)


def test_what_is_no_image_by_its_name_is_counted_as_ignored(zoo: Outcome) -> None:
    assert zoo.report.ignored == 1  # the file behind link.png


def test_bytes_that_are_ours_already_are_kept(zoo: Outcome) -> None:
    dataset = zoo.dataset
    row = dataset.row(zoo.by_name()["ours.jpg"])
    kept = dataset.read(dataset.members(row)[0], int(dataset.shard_numbers[row]))
    assert kept == (zoo.data.parent / "source" / "ours.jpg").read_bytes()


def test_failed_items_count_in_the_cut_of_shards(zoo: Outcome) -> None:
    names = sorted(animal.name for animal in [*ACCEPTED, *REFUSED])
    dataset, keys = zoo.dataset, zoo.by_name()
    for animal in ACCEPTED:
        row = dataset.row(keys[animal.name])
        assert dataset.shard_numbers[row] == names.index(animal.name) // 20


def test_a_name_that_is_not_utf8_is_shown_with_escapes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    animal = ACCEPTED[0]
    animal.build(source / "a.jpg")
    os.rename(os.fsencode(source / "a.jpg"), os.fsencode(source) + b"/caf\xe9.jpg")
    outcome = run_ingest(source, tmp_path / "data")
    assert list(outcome.by_name()) == ["caf\\udce9.jpg"]
