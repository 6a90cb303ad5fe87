"""The live progress bar, on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

_QUIET_INTERVAL_S = 30.0
"""Where stderr is no terminal, a line is written this often at most."""


class Bar:
    """A bar that counts done and failed; where stderr is no terminal, a line now and then."""

    def __init__(self, console: Console, unit: str) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{unit} {{task.fields[speed]}} {{task.fields[failed]}}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None, speed="", failed="")
        self._said = 0.0

    def phase(self, name: str) -> None:
        """Begin another phase of the run."""
        self._progress.reset(self._task, description=escape(name), total=None, speed="", failed="")
        self._say(name)

    def counts(self, done: int, failed: int, total: int, images_per_s: float | None = None) -> None:
        """Set the bar."""
        speed = "" if images_per_s is None else f"{images_per_s:.1f}/s"
        shown = f"[red]{failed} failed[/red]" if failed else ""
        self._progress.update(self._task, completed=done, total=total, speed=speed, failed=shown)
        if time.monotonic() - self._said > _QUIET_INTERVAL_S:
            self._say(", ".join(filter(None, (f"{done} of {total}", speed, f"{failed} failed"))))

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, markup=False)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


@contextmanager
def progress(unit: str) -> Iterator[Bar]:
    """Show a bar counting ``unit`` while the block runs."""
    with Bar(Console(stderr=True), unit) as bar:
        yield bar
