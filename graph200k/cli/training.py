"""Commands that train a model on sampled tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graph200k.cli.app import AsJson, Data, app, data_folder


@app.command()
def train(
    config: Annotated[
        Path | None,
        typer.Option(help="YAML file with the settings, such as configs/tiny.yaml (default: a resumed run's own)."),
    ] = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/NAME of the config).")] = None,
    resume: Annotated[
        str | None, typer.Option(help="`latest` checkpoint of the run (without --out: of the latest run), or a folder.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps in all (default: the config's).", min=1)] = None,
    num_workers: Annotated[
        int | None,
        typer.Option(help="Processes of Ray Train, one a GPU (default: this process, or torchrun's).", min=1),
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to train on (default: this machine).")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a LoRA on in-context tasks. SIGTERM (exit code 0) and Ctrl-C (130) save; --resume goes on exactly there.

    --json: {out, steps, skipped, window, loss_first, loss_last, validation_first, validation_last, lora, average,
    pictures}; the first and the last loss are means of `window` steps.
    """
    from graph200k.reports import show_training
    from trainer.command import RunRequest, make_options, summarise_run
    from trainer.launch import launch
    from trainer.painting import make_painter

    request = RunRequest(config=config, data=data, default_data=data_folder(None), out=out, resume=resume, steps=steps)
    options = make_options(request)
    ending = launch(options, num_workers, ray_address, make_painter)
    if ending.is_first:
        show_training(summarise_run(options.out), as_json=as_json)
    if ending.interrupted:
        raise SystemExit(130)  # as typer.Exit it would be told like any command's
