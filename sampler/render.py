"""A picture of a sample for looking at: the grid as the model sees it, what its cells are called, and the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sampler.grid import Grid

_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Box: TypeAlias = tuple[int, int, int, int]

_GAP_PX = 12
_CAPTION_PX = 18
_CAPTION_ROW_PX = 30
_TEXT_PX = 18
_LINE_PX = 25
_PARAGRAPH_PX = 8
_LABEL_WIDTH_PX = 80
_MIN_WIDTH_PX = 640
"""Below it a paragraph has too many lines to be read with ease."""

_BACKGROUND = (255, 255, 255)
_INK, _LABEL_INK = (30, 30, 30), (120, 120, 120)
_HOLE, _HATCH, _HOLE_FRAME = (236, 236, 236), (190, 190, 190), (200, 60, 40)


def render_sample(grid: Grid, captions: Sequence[str], instructions: Sequence[tuple[str, str]]) -> Image.Image:
    """Return a picture of a grid with captions over its columns and instructions under it.

    Cells to generate are hatched and framed, as the model does not see them either. Rows stand under each other from
    the left; each has its own captions, for rows may differ in the width of their cells.

    Parameters
    ----------
    grid
        R rows of L cells.
    captions
        L captions, such as ``[IMAGE1] canny``.
    instructions
        Pairs of label and text; a text may be empty.

    Raises
    ------
    ValueError
        If there are not L captions.

    Examples
    --------
    >>> grid = Grid((np.zeros((64, 128, 3), np.uint8),), np.array([[False, True]]))
    >>> render_sample(grid, ["[IMAGE1]", "[IMAGE2]"], [("task", "Complete the edges to a photograph.")]).size
    (640, 151)
    """
    if len(captions) != grid.columns:
        raise ValueError(f"{len(captions)} captions for {grid.columns} columns")
    gaps = (grid.columns + 1) * _GAP_PX
    width = max(_MIN_WIDTH_PX, *(row.shape[1] + gaps for row in grid.rows))
    font = ImageFont.load_default(_TEXT_PX)
    text_width = width - _LABEL_WIDTH_PX - 2 * _GAP_PX
    paragraphs = [(label, _wrap(text, text_width, font)) for label, text in instructions]
    heights = [_CAPTION_ROW_PX + row.shape[0] for row in grid.rows]
    text_height = sum(max(1, len(lines)) * _LINE_PX + _PARAGRAPH_PX for _, lines in paragraphs)
    picture = Image.new("RGB", (width, sum(heights) + 2 * _GAP_PX + text_height), _BACKGROUND)
    top = 0
    for row, height in enumerate(heights):
        _draw_row(picture, grid, row, captions, top)
        top += height
    _draw_text(picture, paragraphs, font, top + _GAP_PX)
    return picture


def _draw_row(picture: Image.Image, grid: Grid, row: int, captions: Sequence[str], top: int) -> None:
    draw = ImageDraw.Draw(picture)
    left = _GAP_PX
    for column, caption in enumerate(captions):
        cell = grid.cell(row, column)
        height, width = cell.shape[:2]
        text, font = _fitting(caption, width)
        draw.text((left + width / 2, top + _CAPTION_ROW_PX / 2), text, _INK, font, anchor="mm")
        shown = _hole(width, height) if grid.masked[row, column] else Image.fromarray(np.ascontiguousarray(cell))
        picture.paste(shown, (left, top + _CAPTION_ROW_PX))
        left += width + _GAP_PX


def _hole(width: int, height: int) -> Image.Image:
    cell = Image.new("RGB", (width, height), _HOLE)
    draw = ImageDraw.Draw(cell)
    for start in range(-height, width, 18):
        draw.line((start, height, start + height, 0), _HATCH, 3)
    draw.rectangle((0, 0, width - 1, height - 1), outline=_HOLE_FRAME, width=4)
    return cell


def _draw_text(picture: Image.Image, paragraphs: Sequence[tuple[str, list[str]]], font: _Font, top: int) -> None:
    draw = ImageDraw.Draw(picture)
    for label, lines in paragraphs:
        draw.text((_GAP_PX, top), label, _LABEL_INK, font)
        for line in lines:
            draw.text((_GAP_PX + _LABEL_WIDTH_PX, top), line, _INK, font)
            top += _LINE_PX
        if not lines:
            draw.text((_GAP_PX + _LABEL_WIDTH_PX, top), "(none)", _LABEL_INK, font)
            top += _LINE_PX
        top += _PARAGRAPH_PX


def _fitting(caption: str, width_px: int) -> tuple[str, _Font]:
    """Return a caption and the largest font in which it is no wider than a cell; its first word if none is."""
    for size in range(_CAPTION_PX, 9, -1):
        font = ImageFont.load_default(size)
        if font.getlength(caption) <= width_px:
            return caption, font
    return caption.split()[0], font


def _wrap(text: str, width_px: int, font: _Font) -> list[str]:
    """Return ``text`` in lines of at most ``width_px``, broken between words; a longer word has its own line."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width_px:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
