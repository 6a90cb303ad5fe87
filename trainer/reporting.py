"""What a run tells while it goes: a live line on stderr, ``metrics.jsonl``, pictures, and the tracker."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from accelerate import Accelerator
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from trainer.config import TrainConfig

METRICS = "metrics.jsonl"
PICTURES = "pictures"
_RUN_NAME = "tracker"
_PROJECT = "graph200k"
_QUIET_INTERVAL_S = 30.0
"""Where stderr is no terminal, a line is written this often at most."""


class Report:
    """Tells how a run goes; silent on all ranks but the first.

    Parameters
    ----------
    accelerator
        Of this process; its tracker is started and ended here.
    config
        Of the run.
    out
        Folder of the run.
    step
        Steps done before: what ``metrics.jsonl`` says of later ones belonged to a run that was stopped and is dropped.
    """

    def __init__(self, accelerator: Accelerator, config: TrainConfig, out: Path, step: int) -> None:
        self._accelerator = accelerator
        self._main = accelerator.is_main_process
        self._out = out
        self._said = float("-inf")
        self._total = config.loop.steps
        console = Console(stderr=True)
        self._console = console
        self._bar = RichProgress(
            TextColumn("step"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            disable=not (self._main and console.is_terminal),
        )
        self._task = self._bar.add_task("", total=self._total, completed=step)
        if self._main:
            keep_metrics(out / METRICS, step)
        if accelerator.log_with:
            # TensorBoard makes a folder of the name; W&B takes it for the project, of which this is a run.
            name = {"tensorboard": _RUN_NAME, "wandb": _PROJECT}[config.loop.tracker]
            own = {"wandb": {"dir": str(out), "name": out.resolve().name}}
            accelerator.init_trackers(name, config=_flat(config.model_dump(mode="json")), init_kwargs=own)

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Tell of an optimiser step."""
        line = describe(values)
        self._bar.update(self._task, completed=step, description=line)
        if self._main and not self._console.is_terminal and time.monotonic() - self._said > _QUIET_INTERVAL_S:
            self._said = time.monotonic()
            self._console.print(f"step {step} of {self._total}: {line}", highlight=False, markup=False)
        self.log(step, values)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write values to ``metrics.jsonl`` and the tracker."""
        if self._main:
            with (self._out / METRICS).open("a") as file:
                file.write(json.dumps({"step": step, **values}) + "\n")
        self._accelerator.log(dict(values), step=step)

    def pictures(self, step: int, found: Mapping[str, np.ndarray]) -> None:
        """Write pictures as PNG and to the tracker."""
        if not (self._main and found):
            return
        folder = self._out / PICTURES / f"step-{step:08d}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, pixels in found.items():
            Image.fromarray(pixels).save(folder / f"{name}.png")
        for tracker in self._accelerator.trackers:
            images = {name: pixels[None] for name, pixels in found.items()}
            # TensorBoard takes N×C×H×W unless it is told; W&B takes arrays of H×W×C.
            layout = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
            tracker.log_images(images, step=step, **layout)

    def __enter__(self) -> Report:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()
        for tracker in self._accelerator.trackers:
            tracker.finish()


def describe(values: Mapping[str, float]) -> str:
    """Return the live line of a step.

    Examples
    --------
    >>> describe({"loss": 0.5, "tokens_per_s": 1234.5, "mfu": 0.42, "data_wait": 0.01, "padding": 0.0, "skipped": 0})
    'loss 0.5000 · 1,234 tokens/s · MFU 42.0 % · data wait 1.0 % · padding 0.0 %'
    """
    line = f"loss {values['loss']:.4f} · {values['tokens_per_s']:,.0f} tokens/s"
    shares = {"MFU": "mfu", "data wait": "data_wait", "padding": "padding"}
    line += "".join(f" · {label} {100 * values[name]:.1f} %" for label, name in shares.items())
    return line + (f" · {values['skipped']:.0f} steps skipped" if values["skipped"] else "")


def read_metrics(out: Path) -> list[dict[str, float]]:
    """Return the lines of a run's ``metrics.jsonl``, oldest first; none if there is no such file."""
    path = out / METRICS
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep_metrics(path: Path, step: int) -> None:
    """Drop what was written of later steps, and a last line that a crash cut short."""
    if not path.exists():
        return
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    path.write_text("".join(line for line in lines if json.loads(line)["step"] <= step))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """Return nested settings as one level of plain values, as trackers take them."""
    found: dict[str, str | int | float | bool] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value if isinstance(value, str | int | float | bool) else json.dumps(value)
    return found
