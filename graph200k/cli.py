"""The command line: each command parses, calls one function, prints. Heavy imports happen inside the commands."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from graph200k.errors import Graph200KError, UnknownNameError

app = typer.Typer(
    help="Build image datasets with 49 kinds of annotation, joined as a graph whose paths are tasks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DEFAULT_DATA = "data/graph200k"

Data = Annotated[
    str | None,
    typer.Option("--data", help=f"Dataset, a path or URL [$GRAPH200K_DATA or {DEFAULT_DATA}]."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Names = Annotated[str | None, typer.Option(help="Names, separated by commas.")]


@app.callback()
def _settings(quiet: Annotated[bool, typer.Option("--quiet", help="Only errors on stderr.")] = False) -> None:
    logging.basicConfig(level=logging.ERROR if quiet else logging.WARNING, format="%(message)s", stream=sys.stderr)


@app.command()
def ingest(
    source: Annotated[
        str,
        typer.Argument(help="Folder, glob, WebDataset tars, records folder, parquet or dataset."),
    ],
    out: Annotated[str, typer.Option("--out", help="Dataset to make or add to.")],
    dedup: Annotated[bool, typer.Option("--dedup", help="Drop exact duplicates.")] = False,
    kind: Annotated[str | None, typer.Option(help="Kind of source, if it is not clear by itself.")] = None,
    shard_size: Annotated[int | None, typer.Option(help="Source records a shard, for a new dataset.", min=1)] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes [one a CPU].", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Read images into shards, with the captions and annotations that come with them."""
    from graph200k import reports
    from graph200k.manifest import DEFAULT_SHARD_SIZE
    from graph200k.progress import progress
    from graph200k.session import write_session
    from pipelines import ingest as pipeline

    options = pipeline.IngestOptions(dedup=dedup, kind=kind, workers=workers or os.cpu_count() or 1)
    with (
        progress("records") as bar,
        write_session(out, shard_size=shard_size or DEFAULT_SHARD_SIZE) as session,
    ):
        report = pipeline.ingest(session, source, options, bar.counts)
    reports.show_ingest(report, out, as_json=as_json)


@app.command()
def annotate(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Anything `ingest` takes; ingested first. None: what --data holds.")
    ] = None,
    data: Data = None,
    preset: Annotated[str | None, typer.Option(help="Which annotators: default, paper or smoke.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings and parameters.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="NAME=PATH: a folder in place of a model (`graph200k models` names them).")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Run only these annotators (names, separated by commas).")] = None,
    redo: Annotated[str | None, typer.Option(help="Run these again even where their output is there.")] = None,
    redo_stale: Annotated[bool, typer.Option("--redo-stale", help="Run again what another version made.")] = False,
    remove: Annotated[str | None, typer.Option(help="Take out all that these made, and do nothing else.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed.")] = False,
    error_class: Annotated[str | None, typer.Option("--class", help="With --retry-failed: only this class.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes a stage [one a CPU].", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random [0].")] = None,
    shard_size: Annotated[int | None, typer.Option(help="Source records a shard, for a new dataset.", min=1)] = None,
    dedup: Annotated[bool, typer.Option("--dedup", help="Drop exact duplicates.")] = False,
    cpu: Annotated[bool, typer.Option("--cpu", help="Run models that want a GPU without one; slow.")] = False,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to run on [this machine].")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the annotations that are missing; what is there is kept. Interrupt it freely: run it again to go on."""
    from graph200k import reports
    from graph200k.progress import progress
    from pipelines.annotate.command import run_annotate
    from pipelines.annotate.config import read_config
    from pipelines.annotate.estimate import dry_run as estimate
    from pipelines.annotate.options import Options
    from pipelines.annotate.plan import Request
    from pipelines.annotate.remove import remove as remove_made

    where = _data(data)
    if remove:
        reports.show_counts("Removed", remove_made(where, _split(remove)), as_json=as_json)
        return
    classes = frozenset(_split(error_class)) if retry_failed else None
    if error_class and not retry_failed:
        raise typer.BadParameter("--class goes with --retry-failed")
    options = Options(
        data=where,
        sources=tuple(sources or ()),
        config=read_config(config, preset=preset, workers=workers, seed=seed, models=_pairs(model), on_cpu=cpu or None),
        only=tuple(_split(only)) if only else tuple(_split(redo)) if redo else None,
        request=Request(frozenset(_split(redo)), redo_stale, classes),
        weights=_weights_folder(),
        ray_address=ray_address,
        shard_size=shard_size,
        dedup=dedup,
    )
    if dry_run:
        reports.show_dry_run(estimate(options), as_json=as_json)
        return
    with progress("records") as bar:
        report = run_annotate(options, bar)
    reports.show_annotate(report, as_json=as_json)


@app.command()
def graph(
    data: Data = None,
    png: Annotated[Path | None, typer.Option(help="Draw it into this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the schema graph, or what a dataset has of it. --json prints networkx node-link JSON."""
    from graph200k import reports
    from graph200k.catalogue import GRAPH200K
    from graph200k.dataset import Dataset
    from graph200k.schema import schema_graph

    where = _existing(data)
    dataset = Dataset(where) if where else None
    graph = schema_graph(dataset.catalogue if dataset else GRAPH200K)
    reports.show_graph(graph, dataset.node_counts() if dataset else None, png=png, as_json=as_json)


@app.command()
def tasks(data: Data = None, as_json: AsJson = False) -> None:
    """List the 134 tasks, or those of another dataset, with how many records can serve each.

    --json: [{name, path, meta_task, records}].
    """
    from graph200k import reports
    from graph200k.catalogue import GRAPH200K
    from graph200k.dataset import Dataset
    from graph200k.schema import catalogue_tasks

    where = _existing(data)
    dataset = Dataset(where) if where else None
    found = catalogue_tasks(dataset.catalogue if dataset else GRAPH200K)
    reports.show_tasks(found, dataset.task_counts(found) if dataset else None, as_json=as_json)


@app.command("sample-tasks")
def sample_tasks(
    data: Data = None,
    count: Annotated[int, typer.Option("-n", help="Samples to draw.", min=1)] = 8,
    max_context: Annotated[
        int | None, typer.Option(help="Most in-context examples [2, or the config's].", min=0, max=8)
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="Only this task, as `graph200k tasks` names it; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the stream [0].", min=0)] = None,
    replay: Annotated[str | None, typer.Option(help="SEED:INDEX of one sample, to see it again.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for one PNG a sample.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file: datasets of a mix, weights, settings.")] = None,
    area: Annotated[int | None, typer.Option(help="Side of a square cell; others have its area [384].", min=64)] = None,
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

    if replay is not None:
        seed, first, count = *read_replay(replay), 1
    mix = read_mix(config) if config else MixConfig()
    contexts = None if max_context is None else context_probabilities(max_context)
    settings = {"seed": seed, "contexts": contexts, "area_px": area and area**2}
    options = SampleOptions(
        mix=mix.model_copy(update={"sampler": with_overrides(mix.sampler, settings)}),
        data=_data(data),
        only=tuple(task) if task else None,
        first=first if replay is not None else 0,
        count=count,
        out=out,
    )
    show_json_lines(sample.to_json() for sample in draw(options))


@app.command()
def stats(data: Data = None, as_json: AsJson = False) -> None:
    """Show what a dataset holds: records, members and bytes by node type, image sizes, failures."""
    from graph200k import reports
    from graph200k.statistics import statistics

    reports.show_statistics(statistics(_data(data)), as_json=as_json)


@app.command()
def verify(
    data: Data = None,
    fix: Annotated[bool, typer.Option("--repair", help="Set damaged members aside and mend the tables.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every byte: counts, hashes, decoding, order, index and tar. Exit code 1 if anything is wrong."""
    from graph200k import reports
    from graph200k import verify as checks

    where = _data(data)
    problems = checks.repair(where) if fix else checks.verify(where)
    reports.show_problems(problems, repaired=fix, as_json=as_json)
    if problems and not fix:
        raise typer.Exit(1)


@app.command()
def failures(data: Data = None, as_json: AsJson = False) -> None:
    """List what could not be made and why. --json: [{key, annotator, error, message, when, count}]."""
    from graph200k import reports
    from graph200k.failures import read_failures
    from graph200k.manifest import read_manifest
    from graph200k.storage import Folder

    folder = Folder(_data(data))
    read_manifest(folder)
    reports.show_failures(read_failures(folder), as_json=as_json)


@app.command()
def weights(
    check: Annotated[bool, typer.Option("--check", help="Fetch nothing; exit code 1 if one is missing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the weight files of the preset `default` into the user's cache (73 MB), and list them."""
    from annotators.weights import WEIGHTS, fetch, find, verify
    from graph200k import reports

    folder = _weights_folder()
    for name in WEIGHTS if not check else ():
        fetch(name, folder)
    there = {name: verify(name, folder) for name in WEIGHTS}
    reports.show_weights(
        [(file, find(file.name, folder), there[file.name]) for file in WEIGHTS.values()], as_json=as_json
    )
    if not all(there.values()):
        raise typer.Exit(1)


@app.command()
def models(
    preset: Annotated[str, typer.Option(help="Whose models.")] = "paper",
    check: Annotated[bool, typer.Option("--check", help="Exit code 1 if one is not in the Hub's cache.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the models that a preset loads from the Hugging Face Hub, and where they lie; fetches nothing.

    --json: [{name, id, revision, pinned, licence, gated, size_gb, page, annotators, path}].
    """
    from annotators.models import find_model
    from graph200k import reports
    from pipelines.annotate.config import preset_models

    found = [(model, used_by, find_model(name)) for name, (model, used_by) in preset_models(preset).items()]
    reports.show_models(found, as_json=as_json)
    if check and not all(path for _, _, path in found):
        raise typer.Exit(1)


@app.command()
def demo(out: Annotated[Path, typer.Argument(help="Folder to fill with photographs.")]) -> None:
    """Write eleven photographs that scikit-image and matplotlib ship, to have something to annotate."""
    from graph200k.console import show_line
    from pipelines.demo import write_demo

    show_line(f"{write_demo(out)} photographs in {out}")


def _data(given: str | None) -> str:
    return given or os.environ.get("GRAPH200K_DATA") or DEFAULT_DATA


def _existing(given: str | None) -> str | None:
    """Return the dataset to show, None for the bare schema; one that was named and is not there is an error later."""
    from graph200k.manifest import MANIFEST
    from graph200k.storage import Folder

    where = _data(given)
    return where if given or Folder(where).exists(MANIFEST) else None


def _split(names: str | None) -> list[str]:
    return [name.strip() for name in (names or "").split(",") if name.strip()]


def _pairs(given: list[str] | None) -> dict[str, str] | None:
    pairs = dict(pair.partition("=")[::2] for pair in given or ())
    if not all(name and path for name, path in pairs.items()):
        raise typer.BadParameter("--model takes NAME=PATH, such as depth=/models/depth-anything-small")
    return pairs or None


def _weights_folder() -> Path:
    from annotators.weights import default_weights_folder

    named = os.environ.get("GRAPH200K_WEIGHTS")
    return Path(named) if named else default_weights_folder(os.environ)


def _terminated(signum: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


_STOPPED = "stopped; what is finished is kept: run the same command again to go on"


def main() -> None:
    """Run the command line; an error is one sentence on stderr and exit code 1."""
    signal.signal(signal.SIGTERM, _terminated)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except typer.Abort:
        _fail("stopped", 130)
    except SystemExit as ended:
        if ended.code != signal.SIGTERM:
            raise
        _fail(_STOPPED, 130)  # Ray puts in a handler of its own, which ends the process without a word
    except KeyboardInterrupt:
        _fail(_STOPPED, 130)
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # click's own: a wrong flag or argument
            error.show()
            sys.exit(error.exit_code)
        if isinstance(error, OSError) and error.filename:
            _fail(f"{error.filename}: {error.strerror}", 1)
        if not isinstance(error, Graph200KError):
            raise
        _fail(str(error), 2 if isinstance(error, UnknownNameError) else 1)


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(code)
