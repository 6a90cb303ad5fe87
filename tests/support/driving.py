"""Run the command line in a process of its own, and kill it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from PIL import Image

from support.pictures import draw_scene


def write_photographs(folder: Path, count: int, width: int = 640, height: int = 480) -> None:
    """Fill a folder with drawn scenes as PNG."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(draw_scene(number, width, height)).save(folder / f"scene-{number:03d}.png", compress_level=1)


def command(*arguments: str) -> list[str]:
    """Return the command line of ``graph200k`` with this interpreter."""
    return [sys.executable, "-c", "from graph200k.cli import main; main()", *arguments]


def finish(*arguments: str) -> float:
    """Run ``graph200k`` to its end, which must be a good one, and return the seconds it took."""
    started = time.monotonic()
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return time.monotonic() - started


class Driver:
    """A run that can be killed; Ray's processes that outlive it are ended by :meth:`bury`."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._family: list[psutil.Process] = []

    def kill_after(self, delay_s: float) -> bool:
        """SIGKILL the driver alone after a delay; return whether it was still running then."""
        try:
            self._process.wait(delay_s)
            return False
        except subprocess.TimeoutExpired:
            self._family = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            self._process.wait()
            return True

    def bury(self) -> None:
        """End what is left of its Ray: its agents notice its death late or never."""
        for process in self._family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
