"""A ledger of attempts, so that a record that kills or hangs its worker cannot hold a run.

Ray Data gives a block whose worker died to another worker, without end (seen: 15 times in 70 s). So before each
(record, annotator) an attempt is written to the ledger of its unit of work; a worker that takes the unit up again finds
attempts that were begun and never ended, and fails those that killed their workers.

A unit's ledger is an append-only text file: a SIGKILL loses nothing that was written before it, and an append costs
5 µs. It lies under the dataset's ``parts/`` where that is a file system, else in the node's temporary folder (then a
unit that moves to another node starts counting anew).
"""

from __future__ import annotations

import faulthandler
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graph200k.parts import PARTS
from graph200k.storage import Folder

MAX_DEATHS = 2
"""Workers that one annotator may kill on one record before it is failed."""

_RESUMED = "resumed"

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>.+)')


class Ledger:
    """Attempts of one stage on one unit of work.

    Parameters
    ----------
    folder
        Where the ledgers of this run lie on this node.
    unit
        Name of the stage and unit; the same for every worker that takes it up.
    """

    def __init__(self, folder: Path, unit: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{unit}.ledger"
        self._trace_path = folder / f"{unit}.trace"
        history = self._path.read_text().splitlines() if self._path.exists() else []
        self._deaths = _unfinished([*history, _RESUMED])
        self._timeouts = _unfinished(history)[-1:] if self._trace_path.exists() and _size(self._trace_path) else []
        self._trace_text = self._trace_path.read_text(errors="replace") if self._timeouts else ""
        self._file = open(self._path, "ab", buffering=0)
        self._trace = open(self._trace_path, "wb", buffering=0)
        if history:
            self._note(_RESUMED)
        if self._timeouts:
            self._note(f"timeout {self._timeouts[0]}")
        self._condemned = {line.removeprefix("timeout ") for line in history if line.startswith("timeout ")}
        self._condemned.update(self._timeouts)

    def verdict(self, key: str, annotator: str) -> tuple[str, str] | None:
        """Return (error class, message) if this annotator must not be tried again on this record."""
        attempt = f"{key} {annotator}"
        if attempt in self._condemned:
            where = _last_frame(self._trace_text)
            return "timeout", f"took longer than its time limit{where}; its worker was ended"
        deaths = Counter(self._deaths)[attempt]
        if deaths >= MAX_DEATHS:
            return "worker_died", f"its worker died {deaths} times on it (out of memory, or a crash in native code)"
        return None

    def failed_together(self, key: str, annotator: str) -> bool:
        """Return whether a worker died or was ended over the records that were attempted under ``key``."""
        attempt = f"{key} {annotator}"
        return attempt in self._condemned or attempt in self._deaths

    @contextmanager
    def attempt(self, key: str, annotator: str, time_limit_s: float) -> Iterator[None]:
        """Note an attempt, and end this process if it takes longer than ``time_limit_s``.

        The watchdog is a C thread: it needs no interpreter lock, so native code cannot hold it off.
        """
        self._note(f"{key} {annotator}")
        faulthandler.dump_traceback_later(time_limit_s, exit=True, file=self._trace)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            self._note("ended")

    def close(self, *, finished: bool) -> None:
        """Close the files, and remove them if the unit is finished."""
        self._file.close()
        self._trace.close()
        if finished:
            self._path.unlink(missing_ok=True)
            self._trace_path.unlink(missing_ok=True)

    def _note(self, line: str) -> None:
        self._file.write(f"{line}\n".encode())


def ledger_folder(folder: Folder, run: str) -> Path:
    """Return the folder of a run's ledgers on this node."""
    if folder.is_local:
        return Path(folder.path(f"{PARTS}/{run}/ledger"))
    return Path(tempfile.gettempdir()) / f"graph200k-{run}"


def _unfinished(lines: list[str]) -> list[str]:
    """Return the attempts after which the next line is not ``ended``.

    Examples
    --------
    >>> _unfinished(["a canny", "ended", "b canny", "resumed", "b canny"])
    ['b canny', 'b canny']
    """
    following = [*lines[1:], ""]
    attempts = [line for line, after in zip(lines, following, strict=True) if _is_attempt(line) and after != "ended"]
    return attempts


def _is_attempt(line: str) -> bool:
    return line not in ("ended", _RESUMED) and not line.startswith("timeout ")


def _size(path: Path) -> int:
    return os.stat(path).st_size


def _last_frame(trace: str) -> str:
    r"""Return where an annotator was when the watchdog wrote its traceback, as `` in FUNCTION (FILE:LINE)``, or "".

    Examples
    --------
    >>> _last_frame('Thread 0x1 (most recent call first):\n  File "a/slow.py", line 7 in think\n'
    ...             '  File "b/annotate/stage.py", line 9 in _run\n')
    ' in think (slow.py:7)'
    """
    for thread in trace.split("hread 0x"):
        if "annotate/stage.py" in thread and (frame := _FRAME.search(thread)):
            return f" in {frame['function']} ({Path(frame['file']).name}:{frame['line']})"
    return ""
