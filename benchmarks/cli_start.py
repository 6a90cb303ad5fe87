"""How long ``graph200k --help`` takes: the median of 9 processes, after one that warms the file cache."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks.rows import row


def run() -> list[dict[str, Any]]:
    """Return the time of ``--help``, and of an interpreter that does nothing."""
    helping = _median([sys.executable, "-c", "from graph200k.cli import main; main()", "--help"])
    nothing = _median([sys.executable, "-c", "pass"])
    return [
        row("graph200k --help", helping, "s", 0.5, "lower"),
        row("bare interpreter", nothing, "s"),
    ]


def _median(command: list[str]) -> float:
    times = []
    for _ in range(10):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])
