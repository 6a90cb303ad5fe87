import numpy as np
import pytest

from graph200k.contact_sheet import THUMBNAIL_PX, contact_sheet

RED, GREEN = (255, 0, 0), (0, 200, 0)


def flat(height: int, width: int, colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def extent(sheet: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Return top, left, height and width of what has exactly this colour."""
    rows, columns = np.nonzero((sheet == colour).all(axis=2))
    return rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1


@pytest.mark.parametrize(
    ("size", "shown"),
    [((512, 512), (192, 192)), ((300, 400), (192, 256)), ((1000, 500), (192, 96)), ((10, 10), (192, 192)),
     ((100, 2000), (19, 384)), ((2000, 1), (192, 1))],
    ids=str,
)  # fmt: skip
def test_thumbnail_keeps_the_aspect(size: tuple[int, int], shown: tuple[int, int]) -> None:
    sheet = np.asarray(contact_sheet([("a", {"target": flat(*size, RED)})], ["target"]))
    assert extent(sheet, RED)[2:] == shown


def test_a_row_a_record_and_a_column_a_node_type() -> None:
    images = {"target": flat(64, 64, RED), "canny": flat(64, 64, GREEN)}
    sheet = np.asarray(contact_sheet([("a", images), ("b", images)], ["target", "canny"]))
    top, left, height, width = extent(sheet, RED)
    other_top, other_left, other_height, _ = extent(sheet, GREEN)
    assert (other_top, other_height) == (top, height)
    assert height > 2 * THUMBNAIL_PX
    assert other_left >= left + width


def test_a_map_is_shown_grey() -> None:
    sheet = np.asarray(contact_sheet([("a", {"hed": np.full((64, 64), 90, np.uint8)})], ["hed"]))
    assert extent(sheet, (90, 90, 90))[2:] == (192, 192)


def test_a_missing_image_is_a_hatched_cell_and_no_row_moves() -> None:
    both = {"target": flat(64, 64, RED), "canny": flat(64, 64, GREEN)}
    full = contact_sheet([("a", both)], ["target", "canny"])
    lacking = contact_sheet([("a", {"target": both["target"]})], ["target", "canny"])
    assert full.size == lacking.size
    left, top, right, bottom = 192 + 40, 40, lacking.width - 10, lacking.height - 10
    cell = np.asarray(lacking.crop((left, top, right, bottom)))
    assert len(np.unique(cell.reshape(-1, 3), axis=0)) >= 3
    assert not (cell == GREEN).all(axis=2).any()


def test_labels_are_drawn_for_rows_and_columns() -> None:
    named = np.asarray(contact_sheet([("cat-1a2b3c4d", {"target": flat(64, 64, RED)})], ["target"]))
    _, left, _, _ = extent(named, RED)
    assert (named[:32, left:] < 128).all(axis=2).any()
    assert (named[32:, :left] < 128).all(axis=2).any()


def test_a_long_key_is_wrapped_not_widened() -> None:
    images = {"target": flat(64, 64, RED)}
    sheet = contact_sheet([("k" * 200, images)], ["target"])
    assert sheet.width < 260 + 192 + 40


def test_no_rows_give_a_sheet_with_the_header_alone() -> None:
    assert contact_sheet([], ["target", "canny"]).height < THUMBNAIL_PX
