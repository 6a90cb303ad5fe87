"""Subjects200K: pairs are split, scores and words kept, odd files refused with a reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipelines.ingest.failure import RefusedError
from pipelines.ingest.sources.subjects200k import split_pair
from support.ingesting import Outcome, picture, run_ingest
from support.zoo_tars import png

QUALITY = {"compositeStructure": 5, "objectConsistency": 4, "imageQuality": 3}
WORDS = {
    "item": "A mug",
    "description_0": "Left.",
    "description_1": "Right.",
    "category": "Kitchen",
    "description_valid": True,
}


def _pair(side: int, padding: int, seed: int = 0) -> np.ndarray:
    whole = np.full((side + 2 * padding, 2 * side + 3 * padding, 3), 255, np.uint8)
    whole[padding : padding + side, padding : padding + side] = picture(seed, side, side)
    whole[padding : padding + side, side + 2 * padding : 2 * side + 2 * padding] = picture(seed + 1, side, side)
    return whole


def _row(image: object, **changes: object) -> dict[str, object]:
    return {"image": image, "collection": "collection_2", "quality_assessment": QUALITY, "description": WORDS} | changes


def _rows() -> list[dict[str, object]]:
    return [
        _row({"bytes": png(_pair(96, 4)), "path": None}),
        _row({"bytes": png(_pair(128, 8, 2)), "path": None}, quality_assessment=QUALITY | {"objectConsistency": 2}),
        _row({"bytes": png(_pair(64, 0, 4)), "path": None}, description=None, quality_assessment=None, collection=None),
        _row({"bytes": png(picture(9)), "path": None}),
        _row({"bytes": b"broken", "path": None}),
        _row(None),
        _row({"bytes": None, "path": "elsewhere.jpg"}),
    ]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp("subjects")
    source = root / "source"
    source.mkdir()
    table = pa.Table.from_pylist(_rows())
    pq.write_table(table, source / "data-00000.parquet", row_group_size=2)
    pq.write_table(
        pa.table(
            {
                "image": [png(_pair(96, 4, 6))],
                **{name: table.column(name)[:1] for name in ("collection", "quality_assessment", "description")},
            }
        ),
        source / "plain-bytes.parquet",
    )
    pq.write_table(table.drop_columns(["description", "collection"]), source / "lacking.parquet")
    pq.write_table(table.set_column(0, "image", pa.array([1] * len(table))), source / "numbers.parquet")
    (source / "garbage.parquet").write_bytes(b"PAR1 garbage" * 50)
    whole = (source / "data-00000.parquet").read_bytes()
    (source / "truncated.parquet").write_bytes(whole[: len(whole) // 2])
    middle = bytearray(whole)
    middle[4:124] = bytes(120)  # the header of the first page
    (source / "zeroed.parquet").write_bytes(middle)
    (source / "empty.parquet").write_bytes(b"")
    pq.write_table(table.slice(0, 0), source / "no-rows.parquet")
    return run_ingest(source, root / "data")


def test_rows_are_keyed_by_file_and_row(outcome: Outcome) -> None:
    assert list(outcome.dataset.keys) == ["data-00000-0", "data-00000-1", "data-00000-2", "plain-bytes-0"]


@pytest.mark.parametrize(("row", "side"), [(0, 96), (1, 128), (2, 64)])
def test_the_right_picture_is_the_target_and_the_left_one_the_reference(outcome: Outcome, row: int, side: int) -> None:
    target = outcome.dataset.image(f"data-00000-{row}", "target").astype(int)
    reference = outcome.dataset.image(f"data-00000-{row}", "reference").astype(int)
    assert target.shape == reference.shape == (side, side, 3)
    assert np.abs(target - picture(2 * row + 1, side, side)).mean() < 2
    assert np.abs(reference - picture(2 * row, side, side)).mean() < 2


def test_words_and_scores_are_kept(outcome: Outcome) -> None:
    info = outcome.dataset.record("data-00000-0").info
    assert (info.text.item, info.text.description) == ("A mug", "Right.")
    assert info.quality.model_dump() == {"composite_structure": 5, "object_consistency": 4, "image_quality": 3}
    assert (info.origin.kind, info.origin.collection) == ("subjects200k", "collection_2")


def test_an_inconsistent_reference_is_not_usable(outcome: Outcome) -> None:
    usable = [
        next(
            member.usable
            for member in outcome.dataset.record(f"data-00000-{row}").members
            if member.node == "reference"
        )
        for row in range(3)
    ]
    assert usable == [True, False, True]


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        ("data-00000.parquet/3", "bad_image", "is no pair of pictures"),
        ("data-00000.parquet/4", "bad_image", "not an image"),
        ("data-00000.parquet/5", "bad_image", "no picture"),
        ("data-00000.parquet/6", "bad_image", "no picture"),
        ("lacking.parquet", "bad_record", "lacks the columns collection, description; has image, quality_assessment"),
        ("numbers.parquet", "bad_record", "column image holds int64"),
        ("garbage.parquet (after 0 rows)", "unreadable", "damaged parquet"),
        ("truncated.parquet (after 0 rows)", "unreadable", "damaged parquet"),
        ("zeroed.parquet (after 0 rows)", "unreadable", "damaged parquet"),
        ("empty.parquet (after 0 rows)", "unreadable", "damaged parquet"),
    ],
)
def test_what_is_wrong_is_said(outcome: Outcome, key: str, error: str, words: str) -> None:
    failure = outcome.failures[key]
    assert failure.error == error
    assert words in failure.message and "\n" not in failure.message


def test_every_row_is_a_record_or_a_failure(outcome: Outcome) -> None:
    assert outcome.progress[-1] == (14, 10, 14)
    assert len(outcome.failures) == 10


@pytest.mark.parametrize(("side", "padding"), [(512, 8), (512, 16), (1024, 8), (512, 0)])
def test_the_halves_of_all_collections_follow_from_the_size(side: int, padding: int) -> None:
    whole = np.zeros((side + 2 * padding, 2 * side + 3 * padding, 3), np.uint8)
    whole[padding : padding + side, padding : padding + side] = 1
    whole[padding : padding + side, side + 2 * padding : 2 * side + 2 * padding] = 2
    left, right = split_pair(whole)
    assert left.shape == right.shape == (side, side, 3)
    assert (left == 1).all() and (right == 2).all()


@pytest.mark.parametrize("size", [(512, 512), (300, 400), (100, 900)])
def test_what_is_no_pair_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(RefusedError, match="is no pair of pictures"):
        split_pair(np.zeros((*size, 3), np.uint8))


def test_a_file_that_changes_under_the_run_is_a_failure_not_a_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture(1)).save(path)
    from pipelines.ingest.plan import write_plan

    def write_then_change(*arguments: object) -> int:
        count = write_plan(*arguments)  # type: ignore[arg-type]
        buffer = io.BytesIO()
        Image.fromarray(picture(2)).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())
        return count

    monkeypatch.setattr("pipelines.ingest.run.write_plan", write_then_change)
    failure = run_ingest(path, tmp_path / "data").failures["a.png"]
    assert (failure.error, "changed while it was being ingested" in failure.message) == ("unreadable", True)
