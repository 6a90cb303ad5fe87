"""The bar: on a terminal it moves, elsewhere a line now and then; never on stdout."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from graph200k.progress import Bar, progress


def drawn(*, terminal: bool) -> str:
    file = io.StringIO()
    with Bar(Console(file=file, force_terminal=terminal, width=120), "records") as bar:
        bar.phase("reading photos/[ab]/[/x]")
        bar.counts(1, 0, 4)
        bar.counts(4, 2, 4, 12.5)
    return file.getvalue()


def test_a_terminal_sees_phase_counts_speed_and_failures() -> None:
    shown = drawn(terminal=True)
    for part in ("reading photos/[ab]/[/x]", "4/4", "12.5/s", "2 failed"):
        assert part in shown


def test_where_there_is_no_terminal_a_phase_is_a_line() -> None:
    assert drawn(terminal=False) == "reading photos/[ab]/[/x]\n"


def test_a_long_phase_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph200k.progress._QUIET_INTERVAL_S", -1.0)
    assert "4 of 4, 12.5/s, 2 failed" in drawn(terminal=False)


def test_stdout_stays_free_for_results(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("records") as bar:
        bar.phase("annotating")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "annotating" in captured.err
