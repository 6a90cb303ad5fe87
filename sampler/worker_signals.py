"""Signals in the processes that read for a loader."""

from __future__ import annotations

import signal


def outlive_signals(worker: int) -> None:
    """Let a worker process end when its loader says so, whatever else is sent to it; a ``worker_init_fn`` of torch.

    Schedulers send SIGTERM to all processes of a run at once, a terminal SIGINT at Ctrl-C. A worker that died of it
    would raise in the trainer, which is about to save what it has.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
