"""Commands that look at a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graph200k.cli.app import AsJson, Data, app, data_folder, existing_data


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

    where = existing_data(data)
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

    where = existing_data(data)
    dataset = Dataset(where) if where else None
    found = catalogue_tasks(dataset.catalogue if dataset else GRAPH200K)
    reports.show_tasks(found, dataset.task_counts(found) if dataset else None, as_json=as_json)


@app.command()
def stats(data: Data = None, as_json: AsJson = False) -> None:
    """Show what a dataset holds: records, members and bytes by node type, image sizes, failures."""
    from graph200k import reports
    from graph200k.statistics import statistics

    reports.show_statistics(statistics(data_folder(data)), as_json=as_json)


@app.command()
def verify(
    data: Data = None,
    fix: Annotated[bool, typer.Option("--repair", help="Set damaged members aside and mend the tables.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every byte: counts, hashes, decoding, order, index and tar. Exit code 1 if anything is wrong."""
    from graph200k import reports
    from graph200k import verify as checks

    where = data_folder(data)
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

    folder = Folder(data_folder(data))
    read_manifest(folder)
    reports.show_failures(read_failures(folder), as_json=as_json)
