"""What ``graph200k train`` does around the loop: where a run lies, which settings it has, and how it went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from graph200k.errors import PlanError
from graph200k.manifest import read_manifest
from graph200k.storage import Folder
from trainer.checkpoint import find_checkpoint, list_checkpoints
from trainer.config import read_config
from trainer.loop import TrainOptions
from trainer.reporting import PICTURES, read_metrics
from trainer.state import AVERAGE
from trainer.validation import LOSS

RUNS = Path("runs")
CONFIG = "config.yaml"
"""A run's settings, in its folder; JSON, which is YAML too."""
_WINDOW = 20
"""Steps that the first and the last loss are means of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """What the user asked for."""

    config: Path | None = None
    data: str | None = None
    """Dataset that was named."""
    default_data: str
    """Dataset if none was named and the config has none."""
    out: Path | None = None
    resume: str | None = None
    steps: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSummary:
    """How a run went."""

    out: str
    steps: int
    skipped: int
    window: int
    """Steps that the next two are means of: 20, or half of a run of less than 40."""
    loss_first: float
    """Mean of the first steps."""
    loss_last: float
    """Mean of the last steps."""
    validation_first: float | None
    validation_last: float | None
    lora: str
    """Folder of the last checkpoint, which pipelines load."""
    average: str
    """Folder of the moving average of that LoRA."""
    pictures: str | None
    """Folder of the last pictures; None if none were drawn."""


def make_options(request: RunRequest) -> TrainOptions:
    """Return what to train, and note its settings in the run's folder, which is made.

    A resumed run has the settings it was started with unless a config is named.

    Raises
    ------
    PlanError
        If neither a config nor a run to resume is named, or there is no such run.
    DatasetError
        If a dataset is not there.
    """
    if request.config is None and request.resume is None:
        raise PlanError(
            "nothing to train: --config is missing; name settings (--config configs/tiny.yaml), or a run to go on with "
            "(--resume latest)"
        )
    out = _run_folder(request)
    if request.resume is not None:
        find_checkpoint(out, request.resume)
    config = read_config(request.config or out / CONFIG, {"loop": {"steps": request.steps}})
    config = config.with_data(request.data, request.default_data)
    for share in config.data.datasets:  # before anything is written: what cannot be read leaves no run behind
        read_manifest(Folder(share.data))
    out.mkdir(parents=True, exist_ok=True)
    if request.resume is not None or not list_checkpoints(out):
        (out / CONFIG).write_text(json.dumps(config.model_dump(mode="json"), indent=1) + "\n")
    return TrainOptions(config=config, out=out, resume=request.resume)


def summarise_run(out: Path) -> RunSummary:
    """Return how a run went, from what it wrote."""
    lines = read_metrics(out)
    steps = [line for line in lines if "loss" in line]
    losses = [line["loss"] for line in steps]
    validations = [line[LOSS] for line in lines if LOSS in line]
    window = max(1, min(_WINDOW, len(losses) // 2))
    checkpoint = list_checkpoints(out)[-1]
    pictures = sorted((out / PICTURES).glob("step-*"))
    return RunSummary(
        out=str(out),
        steps=int(steps[-1]["step"]),
        skipped=int(steps[-1]["skipped"]),
        window=window,
        loss_first=fmean(losses[:window]),
        loss_last=fmean(losses[-window:]),
        validation_first=validations[0] if validations else None,
        validation_last=validations[-1] if validations else None,
        lora=str(checkpoint),
        average=str(checkpoint / AVERAGE),
        pictures=str(pictures[-1]) if pictures else None,
    )


def _run_folder(request: RunRequest) -> Path:
    if request.out is not None:
        return request.out
    if request.resume not in (None, "latest"):
        return Path(request.resume).parent.parent
    if request.config is not None:
        return RUNS / request.config.stem
    runs = [path for path in RUNS.glob("*") if list_checkpoints(path)]
    if not runs:
        raise PlanError(f"--resume latest: no run with a checkpoint below {RUNS}/; name one with --out")
    return max(runs, key=lambda run: list_checkpoints(run)[-1].stat().st_mtime)
