"""Stop a writer at any step, as a SIGKILL would, without paying for a process each time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from graph200k.lock import LOCK
from graph200k.storage import Folder


class Killed(BaseException):
    """No error of ours, so that nothing handles it."""


@contextmanager
def killed_at(step: int) -> Iterator[list[str]]:
    """Let ``step`` changes of the disk (renames and removals) happen, and none of the later ones.

    Yields the list of the changes that were let through; :class:`Killed` ends inside.
    """
    done: list[str] = []

    def limited(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            if len(done) >= step:
                raise Killed
            done.append(f"{name} {args[-1]}")
            return change(*args)

        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", limited("replace", os.replace))
        patch.setattr(Folder, "remove", limited("remove", Folder.remove))
        try:
            yield done
        except Killed:
            return


def forget_lock(data: Path) -> None:
    """Remove the lock that a writer killed by :func:`killed_at` left: its process, ours, still runs."""
    (data / LOCK).unlink(missing_ok=True)
