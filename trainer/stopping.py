"""How a run is asked to stop: by SIGTERM, or by a file, which reaches workers on other machines too."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

STOP_FILE = "stop"
"""A run that finds this file in its folder saves and ends."""


class StopRequest:
    """Whether this process was asked to stop."""

    def __init__(self, out: Path) -> None:
        self._file = out / STOP_FILE
        self._asked = False

    def ask(self, *_: Any) -> None:
        """Ask; takes a signal's arguments."""
        self._asked = True

    @property
    def asked(self) -> bool:
        """Return whether it was asked, by a signal or by the file."""
        return self._asked or self._file.exists()


@contextmanager
def stop_on_sigterm(out: Path) -> Iterator[StopRequest]:
    """Turn SIGTERM into a request for as long as the block runs.

    Python lets only the main thread do that; elsewhere, as in Ray's workers, the file alone counts.
    """
    request = StopRequest(out)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = signal.signal(signal.SIGTERM, request.ask)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)


def clear_stop_file(out: Path) -> None:
    """Forget a request of an earlier run."""
    (out / STOP_FILE).unlink(missing_ok=True)


def write_stop_file(out: Path) -> None:
    """Ask all processes of a run to stop."""
    (out / STOP_FILE).touch()
