"""Records side by side for looking at: one row a record, one column a node type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from graph200k.dataset import Dataset

_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

THUMBNAIL_PX = 192
"""Height of the pictures; one that is wider than twice this is made smaller."""

_GAP_PX = 8
_FONT_PX = 16
_HEADER_PX = 32
_MAX_LABEL_PX = 260
_BACKGROUND = (255, 255, 255)
_INK = (30, 30, 30)
_EMPTY, _HATCH, _EMPTY_INK = (244, 244, 244), (224, 224, 224), (120, 120, 120)


def contact_sheet(rows: Sequence[tuple[str, Mapping[str, np.ndarray]]], columns: Sequence[str]) -> Image.Image:
    """Return a picture of records: a row each with its key, a column for each node type with its name.

    Parameters
    ----------
    rows
        Key and images by node type; an image is uint8, H×W×3 RGB or H×W.
    columns
        Node types to show, from left to right. One that a record lacks is drawn as a hatched cell with a dash.

    Examples
    --------
    >>> sheet = contact_sheet([("cat-1a2b3c4d", {"target": np.zeros((100, 150, 3), np.uint8)})], ["target", "canny"])
    >>> sheet.mode, sheet.height
    ('RGB', 240)
    """
    font = ImageFont.load_default(_FONT_PX)
    cells = [[_thumbnail(images.get(column)) for column in columns] for _, images in rows]
    label_width = max((min(_MAX_LABEL_PX, _text_width(key, font)) for key, _ in rows), default=0)
    widths = [_column_width(name, (row[n] for row in cells), font) for n, name in enumerate(columns)]
    lefts = [label_width + 2 * _GAP_PX + sum(widths[:n]) + n * _GAP_PX for n in range(len(widths) + 1)]
    pitch = THUMBNAIL_PX + _GAP_PX
    sheet = Image.new("RGB", (lefts[-1], _HEADER_PX + len(rows) * pitch + _GAP_PX), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for left, width, name in zip(lefts, widths, columns, strict=False):
        draw.text((left + width / 2, _HEADER_PX / 2), name, _INK, font, anchor="mm")
    for number, ((key, _), row) in enumerate(zip(rows, cells, strict=True)):
        top = _HEADER_PX + number * pitch
        lines = "\n".join(_wrap(key, label_width, font))
        draw.text((_GAP_PX, top + THUMBNAIL_PX / 2), lines, _INK, font, anchor="lm")
        for left, width, cell in zip(lefts, widths, row, strict=False):
            _place(sheet, cell, left, top, width)
    return sheet


def save_contact_sheet(dataset: Dataset, name: str, *, records: int = 8) -> None:
    """Write the contact sheet of the first ``records`` records of a dataset as the PNG ``name`` in its folder."""
    columns = dataset.stored_nodes()
    rows = []
    for row in range(min(records, len(dataset))):
        stored = {member.node for member in dataset.members(row)}
        available = dataset.catalogue.names(int(dataset.availability[row]))
        shown = [
            node for node in columns if node in stored or (node in available and dataset.catalogue[node].derived_from)
        ]
        rows.append((dataset.keys[row], {node: dataset.image(dataset.keys[row], node) for node in shown}))
    with dataset.folder.writer(name) as file:
        contact_sheet(rows, columns).save(file, "PNG", optimize=True)


def _thumbnail(image: np.ndarray | None) -> Image.Image | None:
    """Return a picture of the height of a row, aspect kept, or None if there is no image."""
    if image is None:
        return None
    height, width = image.shape[:2]
    scale = min(THUMBNAIL_PX / height, 2 * THUMBNAIL_PX / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return (
        Image.fromarray(image)
        .convert("RGB")
        .resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)
    )


def _column_width(name: str, cells: Iterable[Image.Image | None], font: _Font) -> int:
    pictures = [cell.width for cell in cells if cell is not None]
    # A column without a picture still has the width of a square one.
    return max([_text_width(name, font), *(pictures or [THUMBNAIL_PX])])


def _text_width(text: str, font: _Font) -> int:
    return round(font.getlength(text)) + 1


def _wrap(text: str, width_px: int, font: _Font) -> list[str]:
    """Return ``text`` cut into lines of at most ``width_px``; keys have no spaces to break at."""
    lines = [""]
    for letter in text:
        if lines[-1] and _text_width(lines[-1] + letter, font) > width_px:
            lines.append("")
        lines[-1] += letter
    return lines


def _place(sheet: Image.Image, cell: Image.Image | None, left: int, top: int, width: int) -> None:
    """Put a picture in the middle of its cell, or mark the cell as empty."""
    if cell is None:
        cell = _empty_cell(width)
    sheet.paste(cell, (left + (width - cell.width) // 2, top + (THUMBNAIL_PX - cell.height) // 2))


def _empty_cell(width: int) -> Image.Image:
    cell = Image.new("RGB", (width, THUMBNAIL_PX), _EMPTY)
    draw = ImageDraw.Draw(cell)
    for start in range(-THUMBNAIL_PX, width, 12):
        draw.line((start, THUMBNAIL_PX, start + THUMBNAIL_PX, 0), _HATCH, 2)
    # Pillow's default font has no dash of this length.
    draw.line((width / 2 - 8, THUMBNAIL_PX / 2, width / 2 + 8, THUMBNAIL_PX / 2), _EMPTY_INK, 3)
    return cell
