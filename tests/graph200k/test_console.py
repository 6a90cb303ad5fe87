"""Tables and lines on stdout: nothing of what they show is read as markup, and a row is a line."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from graph200k.console import amount, duration, show_json, show_line, show_table


@pytest.mark.parametrize("text", ["[/tmp/x] is gone", "[red]", "a [b] c", "[bold]x[/bold]", "\\[x]", "[link=x]"])
def test_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str], text: str) -> None:
    show_table("Failures", ["message"], [[text]])
    show_line(text)
    assert capsys.readouterr().out.count(text) == 2


def test_a_row_is_one_line_where_stdout_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("Failures", ["key", "message", "times"], [["k" * 64, "word " * 40, 1]])
    assert [line for line in capsys.readouterr().out.splitlines() if "k" * 64 in line and "word " * 39 in line]


def test_numbers_have_separators_and_stand_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("Stored", ["node type", "members"], [["canny", 1234567], ["hed", 1]])
    out = capsys.readouterr().out
    assert "1,234,567 " in out
    assert "        1 " in out


def test_json_is_json_and_knows_times(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"when": datetime(2024, 1, 1, tzinfo=UTC), "name": "é"})
    assert json.loads(capsys.readouterr().out) == {"when": "2024-01-01 00:00:00+00:00", "name": "é"}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.0 s"), (119.9, "119.9 s"), (120, "2 min"), (3599, "59 min"), (3600, "1 h 00 min"), (90_000, "25 h 00 min")],
)
def test_durations_are_for_people(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1.5e9, "1.5 GB"), (2e12, "2.0 TB"), (3e15, "3000.0 TB")],
)
def test_amounts_are_for_people(size: float, shown: str) -> None:
    assert amount(size) == shown
