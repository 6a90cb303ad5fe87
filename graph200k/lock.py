"""One writer a dataset: a lock file taken by exclusive create, with its owner and time in it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graph200k.errors import DatasetError, DatasetLockedError
from graph200k.storage import Folder

LOCK = "lock.json"
TAKEOVER = "lock.takeover.json"
"""Held while a dead writer's lock is taken away."""


@contextmanager
def dataset_lock(folder: Folder, run: str) -> Iterator[None]:
    """Hold the dataset's write lock while the block runs.

    A lock left by a process of this machine that no longer runs is taken over.

    Raises
    ------
    DatasetLockedError
        If another run holds it, or may hold it (another machine): the message names it and how to clear it.
    """
    _take(folder, run)
    try:
        yield
    finally:
        if _read(folder).get("run") == run:
            folder.remove(LOCK)


def _take(folder: Folder, run: str) -> None:
    own = {
        "run": run,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _process_start(os.getpid()),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    data = json.dumps(own).encode()
    for attempt in range(8):
        time.sleep(0.01 * attempt)
        if folder.create_exclusively(LOCK, data):
            return
        holder = _read(folder)
        if not holder:
            continue  # it was released between the two lines above
        if not _is_dead(holder):
            break
        _clear(folder, holder, data)
    raise DatasetLockedError(
        f"{folder.shown()} is being written by run {holder.get('run')} (process {holder.get('pid')} on "
        f"{holder.get('host')}, since {holder.get('since')}); wait for it, or, if it is surely dead, "
        f"remove {folder.shown(LOCK)}"
    )


def _clear(folder: Folder, holder: dict[str, Any], own: bytes) -> None:
    """Take a dead holder's lock away.

    Of several that found it dead, a slow one would take away the lock that a fast one has taken by then. So it takes a
    second lock file to remove the first, whose content is checked once more before.
    """
    if not folder.create_exclusively(TAKEOVER, own):
        if _is_dead(_read(folder, TAKEOVER)):  # killed in the few milliseconds that it takes
            folder.remove(TAKEOVER)
        return
    try:
        if _read(folder) == holder:
            folder.remove(LOCK)
    finally:
        folder.remove(TAKEOVER)


def _read(folder: Folder, name: str = LOCK) -> dict[str, Any]:
    """Return what a lock says, {} if there is none (any more); one that cannot be read belongs to somebody unknown."""
    try:
        data = folder.read(name)
    except DatasetError:
        return {}
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    return found if isinstance(found, dict) and found else {"run": "unknown"}


def _is_dead(holder: dict[str, Any]) -> bool:
    if holder.get("host") != socket.gethostname() or not isinstance(holder.get("pid"), int):
        return False
    return _process_start(holder["pid"]) != holder.get("started")


def _process_start(pid: int) -> str | None:
    """Return a process's start time as the kernel gives it, None if it does not run; pids alone are used again."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return _alive_without_proc(pid)
    return None if fields[0] in "ZX" else fields[19]


def _alive_without_proc(pid: int) -> str | None:
    if os.path.isdir("/proc/self"):
        return None
    try:
        os.kill(pid, 0)
    except OSError:
        return None
    return "running"
