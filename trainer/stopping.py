"""How a run is asked to stop: by SIGTERM, Ctrl-C, or a file, which reaches workers on other machines too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STOP_FILE = "stop"
"""A run that finds this file in its folder saves and ends."""


class StopRequest:
    """Whether this process was asked to stop.

    Parameters
    ----------
    out
        Folder of the run.
    tells_workers
        Whether a signal to this process writes the file, for those that it started.
    """

    def __init__(self, out: Path, *, tells_workers: bool = False) -> None:
        self._out = out
        self._tells_workers = tells_workers
        self._asked = False
        self.interrupted = False
        """Whether it was Ctrl-C that asked."""

    def ask(self, *_: Any) -> None:
        """Ask; takes a signal's arguments."""
        self._asked = True
        if self._tells_workers:
            write_stop_file(self._out)

    def interrupt(self, *_: Any) -> None:
        """Ask by Ctrl-C; another one ends the process at once."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.interrupted = True
        self.ask()

    @property
    def asked(self) -> bool:
        """Return whether it was asked, by a signal or by the file."""
        return self._asked or (self._out / STOP_FILE).exists()


@contextmanager
def stop_on_signals(out: Path, *, tells_workers: bool = False) -> Iterator[StopRequest]:
    """Turn SIGTERM and the first SIGINT into a request for as long as the block runs.

    Python lets only the main thread do that; elsewhere, as in Ray's workers, the file alone counts.
    """
    request = StopRequest(out, tells_workers=tells_workers)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    handlers = {signal.SIGTERM: request.ask, signal.SIGINT: request.interrupt}
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a job in a shell's background: Ctrl-C is not for it
        del handlers[signal.SIGINT]
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def clear_stop_file(out: Path) -> None:
    """Forget a request of an earlier run."""
    (out / STOP_FILE).unlink(missing_ok=True)


def write_stop_file(out: Path) -> None:
    """Ask all processes of a run to stop."""
    (out / STOP_FILE).touch()
