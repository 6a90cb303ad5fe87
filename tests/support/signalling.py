"""Signals to the processes that this one has started."""

from __future__ import annotations

import multiprocessing
import os
import signal


def signal_workers(*signals: signal.Signals) -> None:
    """Send signals to all worker processes, of which there must be one."""
    workers = multiprocessing.active_children()
    assert workers
    for worker in workers:
        assert worker.pid is not None
        for number in signals:
            os.kill(worker.pid, number)
