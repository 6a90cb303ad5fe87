"""Commands that draw tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graph200k.cli.app import Data, app, data_folder


@app.command("sample-tasks")
def sample_tasks(
    data: Data = None,
    count: Annotated[int | None, typer.Option("-n", help="Samples to draw [8].", min=1)] = None,
    max_context: Annotated[
        int | None, typer.Option(help="Most in-context examples [2, or the config's].", min=0, max=8)
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only this task, as `graph200k tasks` names it, or CONDITIONS:TARGETS; may be repeated."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the stream [0].", min=0)] = None,
    replay: Annotated[str | None, typer.Option(help="SEED:INDEX of one sample, to see it again.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for one PNG a sample.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file: datasets of a mix, weights, settings.")] = None,
    area: Annotated[
        int | None, typer.Option(help="Side of a square cell; others have its area [384].", min=64, max=2048)
    ] = None,
) -> None:
    """Draw in-context tasks: grids with a cell to fill in. One JSON object a line; with --out, a picture each.

    {seed, index, attempt, data, task, meta_task, path, columns, rows: [[{key, node, variant, role, params}]],
    masked: [[row, column]], cell_sizes: [[height, width]], layout, instruction, content}; the query is the last row.
    """
    from graph200k.console import show_json_lines
    from sampler.command import SampleOptions
    from sampler.command import sample_tasks as draw
    from sampler.config import MixConfig, context_probabilities, read_mix, with_overrides
    from sampler.task_sampler import read_replay

    first = 0
    if replay is not None:
        if seed is not None or count is not None:
            raise typer.BadParameter("--replay says seed and index; leave out --seed and -n")
        seed, first, count = *read_replay(replay), 1
    mix = read_mix(config) if config else MixConfig()
    if data is not None and mix.datasets:
        raise typer.BadParameter(f"{config} names datasets; leave out --data, or take them out of the file")
    contexts = None if max_context is None else context_probabilities(max_context)
    settings = {"seed": seed, "contexts": contexts, "area_px": area and area**2}
    options = SampleOptions(
        mix=mix.model_copy(update={"sampler": with_overrides(mix.sampler, settings)}),
        data=data_folder(data),
        only=tuple(task) if task else None,
        first=first,
        count=count or 8,
        out=out,
    )
    show_json_lines(sample.to_json() for sample in draw(options))
