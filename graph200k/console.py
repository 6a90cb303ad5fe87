"""What the command line shows: tables on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 1000
"""Columns where stdout is no terminal: a row stays one line, for grep."""

_OUT = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")


def show_json_lines(values: Iterable[Any]) -> None:
    """Print each value as JSON on a line of its own, as soon as it is there."""
    for value in values:
        sys.stdout.write(json.dumps(value, default=str) + "\n")
        sys.stdout.flush()


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; columns whose cells are numbers are set to the right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    listed = [list(row) for row in rows]
    for position, column in enumerate(columns):
        is_number = all(isinstance(row[position], int | float) for row in listed) and bool(listed)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in listed:
        # As Text: a string would be read as markup, and keys and messages may hold brackets.
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    _OUT.print(table)


def show_line(text: str) -> None:
    """Print one line."""
    _OUT.print(text, markup=False)


def duration(seconds: float) -> str:
    """Return a duration for people.

    Examples
    --------
    >>> duration(7.25), duration(3700)
    ('7.2 s', '1 h 01 min')
    """
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def amount(size: float) -> str:
    """Return a number of bytes for people.

    Examples
    --------
    >>> amount(999), amount(2_500_000)
    ('999 B', '2.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
