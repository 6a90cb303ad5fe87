"""Commands that make a dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from graph200k.cli.app import AsJson, Data, app, data_folder, split_names
from graph200k.errors import UnknownNameError


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

    options = pipeline.IngestOptions(dedup=dedup, kind=kind, workers=workers)
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
    style_bank: Annotated[
        str | None, typer.Option(help="Folder or tars of pictures that style transfer takes its styles from.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Run only these annotators, or those that make these node types (with commas).")
    ] = None,
    redo: Annotated[
        str | None, typer.Option(help="Run these again where their output is there; without --only, nothing else.")
    ] = None,
    redo_stale: Annotated[bool, typer.Option("--redo-stale", help="Run again what another version made.")] = False,
    remove: Annotated[str | None, typer.Option(help="Take out all that these made, and do nothing else.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed.")] = False,
    error_class: Annotated[str | None, typer.Option("--class", help="With --retry-failed: only this class.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes, of ingest and of each stage [one a CPU].", min=1)
    ] = None,
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
    from pipelines.annotate.config import annotator_names, read_config
    from pipelines.annotate.estimate import dry_run as estimate
    from pipelines.annotate.options import Options
    from pipelines.annotate.plan import Request
    from pipelines.annotate.remove import remove as remove_made
    from pipelines.annotate.unit import ERROR_CLASSES

    where = data_folder(data)
    if remove:
        if sources or only or redo or redo_stale or retry_failed:
            raise typer.BadParameter("--remove does nothing else: run it alone, or with --dry-run")
        counts = remove_made(where, split_names(remove), dry_run=dry_run)
        reports.show_counts("Would be removed" if dry_run else "Removed", counts, as_json=as_json)
        return
    classes = frozenset(split_names(error_class)) if retry_failed else None
    if error_class and not retry_failed:
        raise typer.BadParameter("--class goes with --retry-failed")
    for name in sorted((classes or frozenset()) - set(ERROR_CLASSES)):
        raise UnknownNameError("class of failures", name, ERROR_CLASSES)
    settings = read_config(
        config,
        preset=preset,
        workers=workers,
        seed=seed,
        models=_pairs(model),
        on_cpu=cpu or None,
        style_bank=style_bank,
    )
    again = annotator_names(settings, split_names(redo))
    chosen = annotator_names(settings, split_names(only)) or again
    if left_out := sorted(set(again) - set(chosen)):
        raise typer.BadParameter(f"--redo {','.join(left_out)}: not among --only {','.join(chosen)}")
    options = Options(
        data=where,
        sources=tuple(sources or ()),
        config=settings,
        only=tuple(chosen) or None,
        request=Request(frozenset(again), redo_stale, classes),
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


def _pairs(given: list[str] | None) -> dict[str, str] | None:
    pairs = dict(pair.partition("=")[::2] for pair in given or ())
    if not all(name and path for name, path in pairs.items()):
        raise typer.BadParameter("--model takes NAME=PATH, such as depth=/models/depth-anything-small")
    return pairs or None


def _weights_folder() -> Path:
    from annotators.weights import default_weights_folder

    named = os.environ.get("GRAPH200K_WEIGHTS")
    return Path(named) if named else default_weights_folder(os.environ)
