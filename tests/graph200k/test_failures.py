"""What failed is on file once, with how often, until it is made."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from graph200k.failures import FAILURES, read_failures, record_failures
from graph200k.parts import PartRow
from graph200k.storage import Folder

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def folder() -> Folder:
    return Folder(f"memory://{uuid.uuid4().hex}")


def failure(key: str, annotator: str = "canny", error: str = "oom", minute: int = 0) -> PartRow:
    when = NOON + timedelta(minutes=minute)
    return PartRow(
        ordinal=0, key=key, annotator=annotator, fingerprint="f", error=error, message=f"{error} {minute}", when=when
    )


def shown(folder: Folder) -> list[tuple[str, str, str, int]]:
    return [(found.key, found.annotator, found.error, found.count) for found in read_failures(folder)]


def test_failures_are_sorted_by_key_and_annotator(folder: Folder) -> None:
    record_failures(folder, [failure("b"), failure("a", "hed"), failure("a", "canny")], set())
    assert [row[:2] for row in shown(folder)] == [("a", "canny"), ("a", "hed"), ("b", "canny")]


def test_recording_again_changes_nothing(folder: Folder) -> None:
    for _ in range(3):
        record_failures(folder, [failure("a")], set())
    assert shown(folder) == [("a", "canny", "oom", 1)]


def test_the_last_failure_is_shown_and_all_are_counted_in_any_order() -> None:
    rows = [failure("a", error=error, minute=minute) for minute, error in enumerate(["oom", "error", "timeout"])]
    for order in itertools.permutations(rows):
        folder = Folder(f"memory://{uuid.uuid4().hex}")
        for _ in range(2):
            record_failures(folder, order, set())
        assert shown(folder) == [("a", "canny", "timeout", 3)]


def test_what_is_made_is_taken_off_the_file(folder: Folder) -> None:
    record_failures(folder, [failure("a"), failure("b")], set())
    record_failures(folder, [failure("b", minute=1)], {("a", "canny"), ("b", "canny"), ("c", "canny")})
    assert shown(folder) == []


def test_nothing_is_written_where_nothing_failed(folder: Folder) -> None:
    record_failures(folder, [], {("a", "canny")})
    assert not folder.exists(FAILURES)
    assert read_failures(folder) == []


def test_all_that_is_known_of_a_failure_comes_back(folder: Folder) -> None:
    record_failures(folder, [failure("a", minute=3)], set())
    (found,) = read_failures(folder)
    assert (found.message, found.when, found.fingerprint) == ("oom 3", NOON + timedelta(minutes=3), "f")
