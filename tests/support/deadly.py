"""A unit of ingest that dies of some items, as a crash in a codec or the kernel's memory killer would have it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from pipelines.ingest.work import Unit, UnitResult, run_unit


def run_deadly_unit(unit: Unit) -> UnitResult:
    """Die at items named ``kill…``, and the first time at those named ``once…``."""
    for item in unit.items:
        marker = Path(unit.data).parent / f"{item.name}.seen"
        if item.name.startswith("kill") or (item.name.startswith("once") and not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return run_unit(unit)
