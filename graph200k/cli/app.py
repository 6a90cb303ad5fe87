"""The command line's application, and the options and defaults that commands share."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

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


@app.callback()
def _settings(quiet: Annotated[bool, typer.Option("--quiet", help="Only errors on stderr.")] = False) -> None:
    logging.basicConfig(level=logging.ERROR if quiet else logging.WARNING, format="%(message)s", stream=sys.stderr)


def data_folder(given: str | None) -> str:
    """Return the dataset that is meant: the one named, the environment's, or the usual one."""
    return given or os.environ.get("GRAPH200K_DATA") or DEFAULT_DATA


def existing_data(given: str | None) -> str | None:
    """Return the dataset to show, None for the bare schema; one that was named and is not there is an error later."""
    from graph200k.manifest import MANIFEST
    from graph200k.storage import Folder

    where = data_folder(given)
    return where if given or Folder(where).exists(MANIFEST) else None


def split_names(names: str | None) -> list[str]:
    """Return names that were given in one string, separated by commas."""
    return [name.strip() for name in (names or "").split(",") if name.strip()]
